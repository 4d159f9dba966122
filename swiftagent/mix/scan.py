"""One pass over a source: a key for every raw row, and where it begins.

A row is never parsed here. JSONL is read by line where it lies; every other kind of file is first written as lines
into the work folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from swiftagent.errors import ConfigError, RowError
from swiftagent.io.json_rows import row_of
from swiftagent.io.jsonl import BadRow, Row, encode, whole_file
from swiftagent.io.parts import cut, is_a_row_a_line, lines_between
from swiftagent.io.rows import read_rows
from swiftagent.io.storage import absolute, open_binary, size_and_stamp
from swiftagent.mix.sample import key_of

_PART = 32 << 20  # bytes that one task scans
_BUFFER = 1 << 20
_BOM = b"\xef\xbb\xbf"
# A row by its key and where it begins; `file` is its number in the source.
CANDIDATE = np.dtype([("key", "<u8"), ("offset", "<u8"), ("line", "<u4"), ("file", "<u2")])


class SourceFile(msgspec.Struct):
    """A file of rows. `shown` stands in the `source` of its rows; `is_ours`: it was written by `as_lines`."""

    path: str
    shown: str
    size: int
    stamp: int  # modification time in ns: a file that changes while it is read is noticed
    is_ours: bool = False
    sha256: str = ""
    original: str = ""  # what a file of ours was made of


class ScanTask(msgspec.Struct):
    """The rows of a file that begin in [start, end)."""

    file: SourceFile
    start: int
    end: int
    seed: int


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
    # One line of a .json may be an object that wraps all rows.
    may_wrap = not path.lower().endswith((".jsonl", ".ndjson")) and b"\n" not in head.strip()
    is_found = is_a_row_a_line(head, path) and not may_wrap
    return SourceFile(absolute(path), shown, size, stamp) if is_found else None


def as_lines(source: str, path: Path, shown: str) -> SourceFile:
    """Write the rows of any file or of stdin as lines, so that they can be found by offset like all others; their
    places are under the name that the source was given."""
    with whole_file(path) as out:
        for row in read_rows(source):
            where = row.where if shown == source else shown + row.where.removeprefix(source)
            line = _Envelope(where, row.value, row.repairs)
            if isinstance(row, BadRow):
                line.code, line.message = row.error.code, row.error.message
            out.write(encode(line) + b"\n")
    size, stamp = size_and_stamp(str(path))
    return SourceFile(absolute(str(path)), shown, size, stamp, True, original="" if source == "-" else source)


def scan_tasks(file: SourceFile, seed: int) -> list[ScanTask]:
    """Tasks for one file."""
    return [ScanTask(file, part.start, part.end, seed) for part in cut(file.path, file.size, _PART)]


def scan(task: ScanTask) -> tuple[int, Any]:
    """How many lines begin in the task's stretch, and a table of the rows there, each with its key; `line` counts from
    the first of them."""
    count = 0

    def keyed() -> Iterator[tuple[int, int, int, int]]:
        nonlocal count
        for offset, line in lines_between(file, task.start, task.end):
            content = line.rstrip(b"\r\n")
            if content and not content.isspace():
                # Without the place, so that the key is that of the row wherever the file lies.
                if task.file.is_ours:
                    content = content.partition(b'","value":')[2]
                yield key_of(content, task.seed), offset, count, 0
            count += 1

    with open_binary(task.file.path, _BUFFER) as file:
        table = np.fromiter(keyed(), CANDIDATE)
    return count, table


def read_candidates(file: SourceFile, places: Sequence[tuple[int, int]]) -> Iterator[Row]:
    """Yield the row at each (offset, line); places in order of their offset are read in one sweep."""
    with open_binary(file.path, _BUFFER) as source:
        for offset, line in places:
            source.seek(offset)
            raw = source.readline()
            place = f"{file.shown}:{line + 1}"
            yield _enveloped(raw) if file.is_ours else row_of(raw.removeprefix(_BOM), place)


def _enveloped(raw: bytes) -> Row:
    line = msgspec.json.decode(raw, type=_Envelope)
    if line.code:
        return BadRow(line.value, line.where, line.repairs, RowError(line.code, line.message))
    return Row(line.value, line.where, line.repairs)
