"""One pass over a source: a key for every raw row, and where the rows with the smallest keys begin.

A row is never parsed here. JSONL is read by line and CSV by record where they lie; every other kind of file is first
written as lines into the work folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import msgspec
import numpy as np

from swiftagent.errors import ConfigError, RowError
from swiftagent.io.json_rows import json_rows
from swiftagent.io.jsonl import BadRow, Row, encode, parse_json, whole_file
from swiftagent.io.parts import cut, lines_between
from swiftagent.io.rows import read_rows
from swiftagent.io.storage import absolute, open_binary, size_and_stamp
from swiftagent.io.table_rows import csv_rows
from swiftagent.mix.sample import key_of, smallest

_PART = 32 << 20  # bytes that one task scans
_BLOCK = 100_000  # rows
_BUFFER = 1 << 20
_BOM = b"\xef\xbb\xbf"
Kind = Literal["jsonl", "csv", "rows"]
# A row by its key and where it begins; `file` is its number in the source.
CANDIDATE = np.dtype([("key", "<u8"), ("offset", "<u8"), ("line", "<u4"), ("file", "<u2")])


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


class ScanTask(msgspec.Struct):
    """The rows of a file that begin in [start, end), of which the `keep` with the smallest keys are wanted."""

    file: SourceFile
    start: int
    end: int
    seed: int
    keep: int | None


class Scanned(msgspec.Struct):
    """What was found: how many rows, the lines that begin there, and candidates; `line` counts from the first of
    them."""

    rows: int
    line_count: int
    candidates: Any


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
    # UTF-16, compressed and columnar files: their rows do not begin at an offset.
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1", b"ARROW1")):
        return None
    if name.endswith((".csv", ".tsv")):
        header = head.split(b"\n", 1)[0]
        # An odd number of quotes: the header itself runs over several lines.
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


def scan_tasks(file: SourceFile, seed: int, keep: int | None) -> list[ScanTask]:
    """Tasks for one file. A CSV is one: where a record begins is known only from its start."""
    parts = cut(file.path, file.size, file.size if file.kind == "csv" else _PART)
    return [ScanTask(file, part.start, part.end, seed, keep) for part in parts]


def scan(task: ScanTask) -> Scanned:
    """Key every row that begins in the task's stretch."""
    found = Scanned(0, 0, np.empty(0, CANDIDATE))
    with open_binary(task.file.path, _BUFFER) as file:
        rows = (_keyed_records if task.file.kind == "csv" else _keyed_lines)(file, task, found)
        # Thinned block by block, so that memory does not grow with the input.
        while len(block := np.fromiter(islice(rows, _BLOCK), CANDIDATE)):
            found.rows += len(block)
            found.candidates = smallest(np.concatenate([found.candidates, block]), task.keep)
    return found


def _keyed_lines(file: BinaryIO, task: ScanTask, found: Scanned) -> Iterator[tuple[int, int, int, int]]:
    enveloped = task.file.kind == "rows"
    for offset, line in lines_between(file, task.start, task.end):
        content = line.rstrip(b"\r\n")
        if content and not content.isspace():
            # Without the place, so that the key is that of the row wherever the file lies.
            if enveloped:
                content = content.partition(b'","value":')[2]
            yield key_of(content, task.seed), offset, found.line_count, 0
        found.line_count += 1


def _keyed_records(file: BinaryIO, task: ScanTask, found: Scanned) -> Iterator[tuple[int, int, int, int]]:
    offset = 0
    for record, lines in records(file):
        content = record.rstrip(b"\r\n")
        # The header is not a row.
        if offset and content:
            yield key_of(content, task.seed), offset, found.line_count, 0
        offset += len(record)
        found.line_count += lines


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


def read_candidates(file: SourceFile, places: Sequence[tuple[int, int]]) -> Iterator[tuple[bytes, Row]]:
    """Yield (raw bytes, row) for each (offset, line); places in order of their offset are read in one sweep."""
    with open_binary(file.path, _BUFFER) as source:
        for offset, line in places:
            source.seek(offset)
            where = f"{file.shown}:{line + 1}"
            raw = next(records(source))[0] if file.kind == "csv" else source.readline()
            match file.kind:
                case "csv":
                    row = _csv_row(file.header, raw, where)
                case "rows":
                    row = _enveloped(raw)
                case _:
                    row = _line_row(raw, where)
            yield raw, row


def _line_row(raw: bytes, where: str) -> Row:
    try:
        value, repairs = parse_json(raw)
    # Read again with all the repairs that `convert` knows.
    except RowError:
        stream = io.BufferedReader(cast(Any, io.BytesIO(raw.removeprefix(_BOM))))
        return _placed(next(json_rows(stream, "", by_line=True)), where)
    return Row(value, where, repairs)


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
