"""Hostile files, each read by a command: broken encodings, bombs, nesting, numbers, endless lines, damaged tables."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow
import pyarrow.parquet
import zstandard
from attack_run import Finished, Outcome, Target
from mix_data import agent_row, chat_row, jsonl

SLOWEST, LARGEST = 20.0, 600  # seconds and MB
MB = 1 << 20
Maker = Callable[[random.Random, bytes], bytes]


def _cut(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(1, len(data))]


def _flipped(draw: random.Random, data: bytes) -> bytes:
    """Some bytes of a file changed."""
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 30)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _spliced(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[draw.randrange(len(data)) :] + data[:at]


def _zip(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


def _tar(data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("../../a.jsonl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _parquet(rows: bytes, **settings: Any) -> bytes:
    packed = io.BytesIO()
    table = pyarrow.Table.from_pylist([json.loads(line) for line in rows.splitlines()])
    pyarrow.parquet.write_table(table, packed, **settings)
    return packed.getvalue()


def _parquet_bomb() -> bytes:
    packed = io.BytesIO()
    table = pyarrow.table({"text": pyarrow.array(["x" * (64 * MB)] * 24)})
    pyarrow.parquet.write_table(table, packed, compression="zstd", use_dictionary=True)
    return packed.getvalue()


def _arrow(rows: bytes) -> bytes:
    packed = io.BytesIO()
    table = pyarrow.Table.from_pylist([json.loads(line) for line in rows.splitlines()])
    with pyarrow.ipc.new_file(packed, table.schema) as writer:
        writer.write_table(table)
    return packed.getvalue()


def _csv(rows: bytes) -> bytes:
    lines = (json.dumps(line.decode()) for line in rows.splitlines())
    return b"instruction,output\n" + "\n".join(f"{line},{line}" for line in lines).encode()


def _row(value: str) -> bytes:
    """A row of chat that holds a JSON text as one of its values, and a good one behind it."""
    turns = f'[{{"role": "user", "content": {value}}}, {{"role": "assistant", "content": "a"}}]'
    return f'{{"messages": {turns}, "x": {value}}}\n'.encode() + jsonl([chat_row(1)])


def call_of(arguments: str) -> bytes:
    """A call with these arguments, as a text within the row."""
    call = {"type": "function", "id": "1", "function": {"name": "f", "arguments": arguments}}
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    turns += [{"role": "tool", "tool_call_id": "1", "content": "r"}, {"role": "assistant", "content": "a"}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    return json.dumps({"messages": turns, "tools": tools}).encode() + b"\n"


def _zeros(opening: bytes, fill: bytes, size: int) -> Iterator[bytes]:
    yield opening
    for _ in range(size):
        yield fill * MB


def _gzip_bomb(opening: bytes, fill: bytes = b"a") -> bytes:
    packer = zlib_packer()
    return b"".join(map(packer.compress, _zeros(opening, fill, 900))) + packer.flush()


def zlib_packer() -> Any:
    import zlib

    return zlib.compressobj(1, zlib.DEFLATED, 31)


def bomb(packer: Any, opening: bytes, size: int = 900) -> bytes:
    return b"".join(map(packer.compress, _zeros(opening, b"a", size))) + packer.flush()


TEXT = b'{"a": "'
# name of the file: what makes it, of a source of chance and of good rows
KINDS: list[tuple[str, Maker]] = [
    ("noise.jsonl", lambda draw, rows: draw.randbytes(draw.randrange(1, 100_000))),
    ("noise.json", lambda draw, rows: draw.randbytes(draw.randrange(1, 100_000))),
    ("cut.jsonl", _cut),
    ("cut.json", lambda draw, rows: _cut(draw, b"[" + rows.strip().replace(b"\n", b",") + b"]")),
    ("flipped.jsonl", _flipped),
    ("spliced.jsonl", _spliced),
    ("nul.jsonl", lambda draw, rows: rows.replace(b"e", b"\0") + bytes(100_000)),
    ("latin.jsonl", lambda draw, rows: rows.replace(b"a", b"\xe9")),
    ("overlong.jsonl", lambda draw, rows: rows.replace(b"a", b"\xc0\xaf\xed\xa0\x80\xf5")),
    ("odd16.jsonl", lambda draw, rows: rows.decode().encode("utf-16") + b"x"),
    ("odd16.csv", lambda draw, rows: codecs.BOM_UTF16_BE + _cut(draw, rows.decode().encode("utf-16-be")) + b"\xd8"),
    ("utf32.jsonl", lambda draw, rows: rows.decode().encode("utf-32")),
    ("marks.jsonl", lambda draw, rows: codecs.BOM_UTF8 * 3 + rows),
    ("surrogates.jsonl", lambda draw, rows: _row('"\\ud800 \\udc00\\ud800"') + call_of('{"a": "\\ud83d"}')),
    (
        "arguments.jsonl",
        lambda draw, rows: call_of("[" * draw.randrange(1, 50_000)) + call_of('{"a": 1e999, "b": NaN}'),
    ),
    ("numbers.jsonl", lambda draw, rows: _row("9" * draw.randrange(1, 200_000)) + _row("1e99999") + _row("-0.0e-9999")),
    ("infinity.jsonl", lambda draw, rows: _row("Infinity") + _row("NaN") + call_of('{"a": Infinity}')),
    ("deep.jsonl", lambda draw, rows: _row("[" * (deep := draw.randrange(1, 100_000)) + "]" * deep)),
    ("deep.json", lambda draw, rows: b'{"a":' * draw.randrange(1, 300_000)),
    ("python.jsonl", lambda draw, rows: b"{'a': " + b"(" * draw.randrange(1, 100_000) + b"\n" + rows),
    ("keys.jsonl", lambda draw, rows: b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(200_000)) + b"}\n"),
    ("same.jsonl", lambda draw, rows: b"{" + b",".join([b'"messages":[]'] * 200_000) + b"}\n"),
    ("turns.jsonl", lambda draw, rows: json.dumps({"messages": [{"role": "user", "content": "a"}] * 100_000}).encode()),
    ("line.jsonl", lambda draw, rows: b'{"a": "' + b"x" * (100 * MB)),
    ("spaces.jsonl", lambda draw, rows: b" " * (100 * MB)),
    ("brackets.jsonl", lambda draw, rows: b'{"a": "' + b"[{" * 500_000 + b"\n"),
    ("labels.jsonl", lambda draw, rows: _row(json.dumps("Action: a\nAction Input: {\n" * draw.randrange(1, 20_000)))),
    (
        "tags.jsonl",
        lambda draw, rows: _row(json.dumps("<tool_call><function=a><parameter=b>" * draw.randrange(1, 20_000))),
    ),
    ("fences.jsonl", lambda draw, rows: _row(json.dumps(("```json\n{" + "`" * draw.randrange(9)) * 10_000))),
    ("empty.jsonl", lambda draw, rows: b""),
    ("twice.jsonl.gz", lambda draw, rows: gzip.compress(gzip.compress(rows))),
    ("mixed.jsonl.gz", lambda draw, rows: gzip.compress(bz2.compress(lzma.compress(rows)))),
    ("cut.jsonl.gz", lambda draw, rows: _cut(draw, gzip.compress(rows))),
    ("cut.jsonl.bz2", lambda draw, rows: _cut(draw, bz2.compress(rows))),
    ("cut.jsonl.xz", lambda draw, rows: _cut(draw, lzma.compress(rows))),
    ("cut.jsonl.zst", lambda draw, rows: _cut(draw, zstandard.compress(rows))),
    ("flipped.jsonl.zst", lambda draw, rows: _flipped(draw, zstandard.compress(rows))),
    ("flipped.jsonl.gz", lambda draw, rows: _flipped(draw, gzip.compress(rows))),
    ("cut.zip", lambda draw, rows: _cut(draw, _zip("a.jsonl", rows))),
    ("flipped.zip", lambda draw, rows: _flipped(draw, _zip("a.jsonl", rows))),
    ("paths.zip", lambda draw, rows: _zip("../../" * draw.randrange(9) + "a.jsonl", rows)),
    ("nested.zip", lambda draw, rows: _zip("a.zip", _zip("a.jsonl", rows))),
    ("paths.tar", lambda draw, rows: _tar(rows)),
    ("cut.parquet", lambda draw, rows: _cut(draw, _parquet(rows))),
    ("flipped.parquet", lambda draw, rows: _flipped(draw, _parquet(rows))),
    ("tail.parquet", lambda draw, rows: b"PAR1" + draw.randbytes(200) + b"\xff\xff\xff\x7fPAR1"),
    ("flipped.arrow", lambda draw, rows: _flipped(draw, _arrow(rows))),
    ("cut.csv", lambda draw, rows: _cut(draw, _csv(rows))),
    ("quotes.csv", lambda draw, rows: b"instruction,output\n" + b'"' * draw.randrange(1, 200_000) + b"\n" + _csv(rows)),
    ("wide.tsv", lambda draw, rows: b"\t".join(b"c%d" % n for n in range(50_000)) + b"\na\n" + rows),
    ("nul.csv", lambda draw, rows: _csv(rows).replace(b"a", b"\0")),
]
# Once each: what they unpack to is large.
BOMBS: list[tuple[str, Callable[[], bytes]]] = [
    ("bomb.jsonl.gz", lambda: bomb(zlib_packer(), TEXT)),
    ("bomb.json.gz", lambda: bomb(zlib_packer(), b"[" + TEXT)),
    ("bomb.csv.gz", lambda: bomb(zlib_packer(), b'a,b\n"')),
    ("bomb.jsonl.bz2", lambda: bomb(bz2.BZ2Compressor(), TEXT)),
    ("bomb.jsonl.xz", lambda: bomb(lzma.LZMACompressor(preset=0), TEXT)),
    ("bomb.jsonl.zst", lambda: bomb(zstandard.ZstdCompressor().compressobj(), TEXT)),
    ("bomb.zip", lambda: _zip("a.jsonl", TEXT + b"a" * (600 * MB))),
    ("bomb.parquet", _parquet_bomb),
    ("bomb.parquet.gz", lambda: bomb(zlib_packer(), b"PAR1", 1200)),
]
YAML = {
    "aliases": "a0: &l0 [x]\n" + "\n".join(f"a{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)),
    "merges": "a0: &l0 {x: 1}\n" + "\n".join(f"a{n}: &l{n} {{<<: [*l{n - 1}, *l{n - 1}]}}" for n in range(1, 40)),
    "itself": "model: &a [*a]\ntrain: {x: *a}\n",
    "deep": "model: " + "[" * 20_000,
    "tag": "model: !!python/object/apply:os.system ['touch owned']\n",
    "nul": "model: a\0b\n",
    "date": "model: 2024-13-45\ndata: [2024-99-99]\n",
    "binary": "\x89PNG\x1a\n" * 100,
}


def attack_files(target: Target, count: int = 200) -> Iterator[Outcome]:
    """Rows by `convert`, every fifth file by `inspect`, `stats` or `formats` too; configs by `sft --dry-run`."""
    draw = random.Random(target.seed)
    rows = jsonl([(agent_row if number % 2 else chat_row)(number) for number in range(40)])
    for name, make in BOMBS:
        yield attack_file(target, name, make(), ("convert", name, "-o", "o.jsonl", "-q", "-j", "1"))
    for name, text in YAML.items():
        words = ("sft", "a.yaml", "--dry-run") if draw.random() < 0.6 else ("configs", "from", "a.yaml")
        yield attack_file(target, f"a.yaml ({name})", text.encode(), words)
    for number in range(count - len(BOMBS) - len(YAML)):
        name, make = KINDS[number % len(KINDS)]
        words = {3: ("stats", name, "--json"), 4: ("inspect", name, "--check"), 5: ("formats", "--of", name)}
        yield attack_file(
            *(target, name, make(draw, rows)),
            words.get(number % 6, ("convert", name, "-o", "o.jsonl", "-q", "--max-rejects", "100%", "-j", "1")),
        )


def attack_file(target: Target, name: str, data: bytes, words: tuple[str, ...]) -> Outcome:
    place = target.inside(f"file{len(list(target.folder.iterdir()))}")
    (place.folder / name.partition(" ")[0]).write_bytes(data)
    done = place.run(*words, seconds=SLOWEST + 5)
    (place.folder / name.partition(" ")[0]).unlink()
    return Outcome("files", f"{words[0]} {name}", _fault(place, done), done.seconds, done.megabytes)


def _fault(place: Target, done: Finished) -> str:
    faults = [done.fault]
    faults += [f"{done.seconds:.1f} s"] * (done.seconds > SLOWEST)
    faults += [f"{done.megabytes} MB"] * (done.megabytes > LARGEST)
    faults += [f"it left {path.name}" for path in place.folder.glob(".*.part")]
    faults += ["it ran code"] * (place.folder / "owned").exists()
    # A file that cannot be read is an error in a few lines.
    faults += ["an error of many lines"] * (done.code == 2 and len(done.stderr.splitlines()) > 12)
    return "; ".join(filter(None, faults))
