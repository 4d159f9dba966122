"""Small pictures for the fire alarm: a PNG of a building, with or without flames; a text chunk names what it shows."""

from __future__ import annotations

import random
import struct
import zlib

WIDTH, HEIGHT = 64, 48
IMAGES = {"yard_17.png": ("hall 4", True), "yard_18.png": ("hall 4", False), "gate_03.png": ("loading bay", False)}
Pixel = tuple[int, int, int]


def picture(place: str, burning: bool, seed: int) -> bytes:
    """A PNG file: night sky, a building, and where it burns, flames from its roof. `place` is its Location text."""
    rng = random.Random(seed)
    flames = [rng.randrange(8, 22) if burning and 18 <= x < 46 else 0 for x in range(WIDTH)]
    rows = b"".join(
        b"\0" + bytes(value for x in range(WIDTH) for value in _pixel(x, y, flames[x], rng)) for y in range(HEIGHT)
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    text = b"Location\0" + place.encode("latin-1")
    chunks = [(b"IHDR", header), (b"tEXt", text), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _pixel(x: int, y: int, flame: int, rng: random.Random) -> Pixel:
    roof = 26
    if roof - flame <= y < roof:
        return 255, 90 + rng.randrange(90), rng.randrange(40)
    if y >= roof and 12 <= x < 52:
        return (210, 200, 120) if x % 8 in (3, 4) and y % 7 in (2, 3) else (70, 72, 80)
    return (30, 45, 30) if y >= 40 else (15, 20, 45 + y // 2)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
