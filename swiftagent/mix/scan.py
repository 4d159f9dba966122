"""One pass over a source: a key for every raw row, and where the rows with the smallest keys begin.

A row is never parsed here. JSONL is read by line and CSV by record where they lie; every other kind of file is first
written as lines into the work folder.
"""

from __future__ import annotations

import hashlib
import io
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import msgspec

from swiftagent.errors import ConfigError, RowError, SetupError
from swiftagent.io.jsonl import BadRow, Row, encode, parse_json, whole_file
from swiftagent.io.rows import read_rows
from swiftagent.io.storage import absolute, open_binary, size_and_stamp
from swiftagent.io.table_rows import csv_rows
from swiftagent.mix.sample import Smallest, key_of

PIECE = 32 << 20  # bytes that one task scans
_BUFFER = 1 << 20
_BOM = b"\xef\xbb\xbf"
Kind = Literal["jsonl", "csv", "rows"]


class SourceFile(msgspec.Struct):
    """A file of rows. `shown` stands in the `source` of its rows; `kind` "rows" is a file of ours, written by
    `as_lines`."""

    path: str
    shown: str
    kind: Kind
    size: int
    stamp: int  # modification time in ns: a file that changes while it is read is noticed
    header: bytes = b""  # of a CSV
    sha256: str = ""
    original: str = ""  # what a file of ours was made of


class Piece(msgspec.Struct):
    """What one task scans: the rows that begin in [start, end)."""

    file: SourceFile
    start: int
    end: int
    seed: int
    keep: int | None


class Scanned(msgspec.Struct):
    """What was found in a piece. `lines` counts from the piece's first line."""

    rows: int
    line_count: int
    keys: bytes
    offsets: bytes
    lines: bytes

    @property
    def kept(self) -> int:
        return len(self.keys) // 8


def thin(pieces: list[Scanned], keep: int) -> int:
    """Forget the candidates of one source's pieces beyond its `keep` smallest keys; returns how many are left."""
    keys = array("Q")
    for piece in pieces:
        keys.frombytes(piece.keys)
    limit = sorted(keys)[keep - 1] if keep else -1
    for piece in pieces:
        mine, offsets, lines = array("Q", piece.keys), array("Q", piece.offsets), array("I", piece.lines)
        kept = [index for index, key in enumerate(mine) if key <= limit]
        piece.keys = array("Q", map(mine.__getitem__, kept)).tobytes()
        piece.offsets = array("Q", map(offsets.__getitem__, kept)).tobytes()
        piece.lines = array("I", map(lines.__getitem__, kept)).tobytes()
    return sum(piece.kept for piece in pieces)


class Places(NamedTuple):
    """Where raw rows begin, and on which lines."""

    offsets: array[int]
    lines: array[int]

    def part(self, start: int, end: int) -> Places:
        return Places(self.offsets[start:end], self.lines[start:end])


class _Envelope(msgspec.Struct):
    """A row of any file as one line of ours."""

    where: str
    value: object
    repairs: tuple[str, ...] = ()
    code: str = ""
    message: str = ""


def open_file(path: str, shown: str) -> SourceFile | None:
    """A file whose rows can be found by their offset, or None where it has to go through `as_lines` first.

    Raises ConfigError where there is no such file or it may not be read.
    """
    try:
        size, stamp = size_and_stamp(path)
        with open_binary(path, _BUFFER) as file:
            head = file.read(_BUFFER)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    kind = _kind(path.lower(), head)
    if kind is None:
        return None
    header = head.split(b"\n", 1)[0].removeprefix(_BOM) + b"\n" if kind == "csv" else b""
    return SourceFile(absolute(path), shown, kind, size, stamp, header)


def _kind(name: str, head: bytes) -> Kind | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1", b"ARROW1")):
        return None
    if name.endswith((".csv", ".tsv")):
        header = head.split(b"\n", 1)[0]
        return "csv" if b"\n" in head and header.count(b'"') % 2 == 0 else None
    lines = [line for line in head.removeprefix(_BOM).split(b"\n")[:3] if line.strip()]
    if not lines or not name.endswith((".jsonl", ".ndjson", ".json")):
        return None
    try:
        value, _ = parse_json(lines[0])
    except RowError:
        long_first_line = len(lines[0]) >= len(head) - len(_BOM) and name.endswith(("l", ".ndjson"))
        return (
            "jsonl" if long_first_line or (lines[0][:1] == b"{" and len(lines[0]) > 2 and name.endswith("l")) else None
        )
    wraps_rows = isinstance(value, dict) and len(lines) == 1 and not name.endswith(("l", ".ndjson"))
    return "jsonl" if isinstance(value, dict) and not wraps_rows else None


def as_lines(rows: Iterable[Row], path: Path, shown: str, original: str) -> SourceFile:
    """Write rows of any origin as lines, so that they can be found by offset like all others."""
    with whole_file(path) as out:
        for row in rows:
            line = _Envelope(row.where, row.value, row.repairs)
            if isinstance(row, BadRow):
                line.code, line.message = row.error.code, row.error.message
            out.write(encode(line) + b"\n")
    about = path.stat()
    return SourceFile(str(path.absolute()), shown, "rows", about.st_size, about.st_mtime_ns, original=original)


def rows_of_any_file(path: str, shown: str) -> Iterator[Row]:
    """The rows of a file or stdin as `convert` reads them, placed under the name that the source was given."""
    for row in read_rows(path):
        if shown != path:
            row.where = shown + row.where.removeprefix(path)
        yield row


def pieces(file: SourceFile, seed: int, keep: int | None) -> list[Piece]:
    """Tasks for one file. A CSV is one piece: where a record begins is known only from its start."""
    if file.kind == "csv":
        return [Piece(file, 0, file.size, seed, keep)]
    count = max(1, file.size // PIECE)
    ends = [file.size * number // count for number in range(count + 1)]
    return [Piece(file, start, end, seed, keep) for start, end in zip(ends, ends[1:], strict=False)]


def scan(piece: Piece) -> Scanned:
    """Key every row that begins in the piece."""
    found = Smallest(piece.keep)
    with open_binary(piece.file.path, _BUFFER) as file:
        rows, lines = (_scan_records if piece.file.kind == "csv" else _scan_lines)(file, piece, found)
    found.prune()
    return Scanned(rows, lines, found.keys.tobytes(), found.offsets.tobytes(), found.lines.tobytes())


def _scan_lines(file: BinaryIO, piece: Piece, found: Smallest) -> tuple[int, int]:
    offset, end, seed = piece.start, piece.end, piece.seed
    if offset:
        file.seek(offset - 1)
        offset += len(file.readline()) - 1
    number = rows = 0
    enveloped = piece.file.kind == "rows"
    for line in file if offset < end else ():
        content = line.rstrip(b"\r\n")
        if content and not content.isspace():
            if enveloped:
                content = content.partition(b'","value":')[2]
            found.add(key_of(content, seed), offset, number)
            rows += 1
        number += 1
        offset += len(line)
        if offset >= end:
            break
    return rows, number


def _scan_records(file: BinaryIO, piece: Piece, found: Smallest) -> tuple[int, int]:
    offset = number = rows = 0
    for record, lines in records(file):
        content = record.rstrip(b"\r\n")
        if number and content:
            found.add(key_of(content, piece.seed), offset, number)
            rows += 1
        offset += len(record)
        number += lines
    return rows, number


def records(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each CSV record as bytes with its number of lines: a newline inside quotes does not end it."""
    parts: list[bytes] = []
    inside = False
    for line in file:
        inside ^= line.count(b'"') & 1 == 1
        if not parts and not inside:
            yield line, 1
            continue
        parts.append(line)
        if not inside:
            yield b"".join(parts), len(parts)
            parts = []
    if parts:
        yield b"".join(parts), len(parts)


def read_places(file: SourceFile, places: Places) -> Iterator[tuple[bytes, Row]]:
    """Yield (raw bytes, row) for each place; places in order of their offset are read in one sweep."""
    with open_binary(file.path, _BUFFER) as source:
        for offset, line in zip(*places, strict=True):
            source.seek(offset)
            where = f"{file.shown}:{line + 1}"
            if file.kind == "csv":
                raw, _ = next(records(source))
                yield raw, _csv_row(file.header, raw, where)
            elif file.kind == "rows":
                raw = source.readline()
                yield raw, _enveloped(raw)
            else:
                raw = source.readline()
                yield raw, _line_row(raw, where)


def _line_row(raw: bytes, where: str) -> Row:
    try:
        value, repairs = parse_json(raw)
    except RowError:
        return _placed(read_stream_row(raw), where)
    return Row(value, where, repairs)


def read_stream_row(raw: bytes) -> Row:
    """A line that is no plain JSON, read with all the patience that `convert` has."""
    from swiftagent.io.json_rows import json_rows

    reader: Any = io.BufferedReader(io.BytesIO(raw.removeprefix(_BOM)))
    return next(json_rows(reader, "", by_line=True))


def _csv_row(header: bytes, raw: bytes, where: str) -> Row:
    rows = list(csv_rows(io.BytesIO(header + raw), ""))
    if len(rows) != 1:
        return BadRow(raw.decode(errors="backslashreplace"), where, (), RowError("not-csv", "no whole record here"))
    return _placed(rows[0], where)


def _enveloped(raw: bytes) -> Row:
    line = msgspec.json.decode(raw, type=_Envelope)
    if line.code:
        return BadRow(line.value, line.where, line.repairs, RowError(line.code, line.message))
    return Row(line.value, line.where, line.repairs)


def _placed(row: Row, where: str) -> Row:
    row.where = where
    return row


def sha256_of(path: str) -> str:
    """The hash that stands in the manifest."""
    digest = hashlib.sha256()
    with open_binary(path, _BUFFER) as file:
        while block := file.read(_BUFFER):
            digest.update(block)
    return digest.hexdigest()


def refuse_changed(file: SourceFile) -> None:
    """Raise SetupError where the file is no longer the one that was scanned."""
    try:
        now = size_and_stamp(file.path)
    except OSError:
        raise SetupError(f"{file.shown}: vanished while it was read; nothing was written, run again") from None
    if now != (file.size, file.stamp):
        raise SetupError(f"{file.shown}: changed while it was read; nothing was written, run again when it is whole")


def is_pattern(text: str) -> bool:
    return re.search(r"[*?\[]", text) is not None
