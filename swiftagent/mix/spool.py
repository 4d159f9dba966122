"""Records in spool files: each process appends what it converts to a file of its own; a table says where each lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from swiftagent.errors import SetupError
from swiftagent.io.workers import Workers

Table: TypeAlias = NDArray[np.void]
_SEGMENT = 8 << 20  # bytes that one task writes
# Where a record lies, how large it is, and two hashes: `print` of its messages, `group` of its first question, which
# stands for the conversation. `row` is its row in the task; `rank` and `key` are those of its candidate.
FIELDS = [("rank", "<u4"), ("key", "<u8"), ("row", "<u4"), ("synthetic", "?")]
FIELDS += [("spool", "<u2"), ("offset", "<u8"), ("length", "<u4")]
FIELDS += [("characters", "<u4"), ("tokens", "<u4"), ("trained", "<u4"), ("print", "<u8"), ("group", "<u8")]
RECORD = np.dtype(FIELDS)


class NotTaken(NamedTuple):
    """A row, or a part of one, that is not taken, and where its line for rejects.jsonl or its record lies. fault: False
    where a rule of the recipe left it out."""

    rank: int
    code: str
    spool: int
    offset: int
    length: int
    fault: bool
    about: str = ""  # the evaluation row that it overlaps


class _Segment(msgspec.Struct):
    """A stretch of an output file and the records that it is made of."""

    path: str
    start: int
    folder: str
    names: list[str]
    places: Any


def lines_at(folder: Path, names: Sequence[str], places: Any) -> Iterator[bytes]:
    """The lines at (spool, offset, length)."""
    files = [os.open(folder / name, os.O_RDONLY) for name in names]
    try:
        for spool, offset, length in places:
            line = os.pread(files[spool], length, offset)
            # The disk was full, or another program cut the file: a short line would be written as a whole record.
            if len(line) != length:
                raise SetupError(f"{folder}: a file of this run was cut short; run again")
            yield line
    finally:
        for file in files:
            os.close(file)


def write_records(path: Path, records: Table, folder: Path, names: list[str], workers: Workers) -> None:
    """Write records in the order of the table to `path` (not yet synced), by all workers."""
    path.touch()
    ends = np.cumsum(records["length"], dtype=np.int64)
    places = records[["spool", "offset", "length"]]
    cuts = [0, *(np.flatnonzero(np.diff(ends // _SEGMENT)) + 1), len(records)]
    tasks = [
        _Segment(str(path.absolute()), int(ends[start - 1]) if start else 0, str(folder.absolute()), names, part)
        for start, end in zip(cuts, cuts[1:], strict=False)
        if len(part := np.array(places[start:end]))
    ]
    for _ in workers.map(_write_segment, tasks):
        pass


def _write_segment(segment: _Segment) -> None:
    stretch = b"".join(lines_at(Path(segment.folder), segment.names, segment.places.tolist()))
    target = os.open(segment.path, os.O_WRONLY)
    try:
        written = 0
        while written < len(stretch):
            written += os.pwrite(target, stretch[written:], segment.start + written)
    finally:
        os.close(target)
