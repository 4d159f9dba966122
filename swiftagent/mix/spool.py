"""Records in spool files: each process appends what it converts to a file of its own; a table says where each lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swiftagent.errors import SetupError

Table: TypeAlias = NDArray[np.void]
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


def write_records(path: Path, records: Table, folder: Path, names: list[str]) -> None:
    """Write records in the order of the table to `path` (not yet synced)."""
    with path.open("wb", buffering=1 << 20) as out:
        out.writelines(lines_at(folder, names, records[["spool", "offset", "length"]].tolist()))
