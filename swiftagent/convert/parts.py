"""Inputs cut into parts that tasks convert, on this machine or on a cluster; concatenated in order they are what one
process writes.

A task writes its rows to files of its own in the work folder beside the output, so no row passes through the process
that concatenates them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.convert.reading import Ledger
from swiftagent.convert.rows import Job, Spool, Spools, convert_rows
from swiftagent.errors import SwiftAgentError
from swiftagent.formats.grouping import line_key, turn_of
from swiftagent.io.jsonl import Row
from swiftagent.io.parts import Part, numbered, parts_of, read_part
from swiftagent.io.rows import size_of
from swiftagent.io.workers import Workers
from swiftagent.trajectory.ledger import add_up

_SMALLEST, _LARGEST = 1 << 20, 32 << 20  # bytes of a part
_PARTS = 64  # so many at least, where they are not too small


class RowsBelongTogether(SwiftAgentError):
    """Rows of different parts may be turns of one conversation, which is never divided: one process has to read all of
    them."""


class ConvertedPart(msgspec.Struct):
    """What a task wrote: its files, the rows in each, its ledger, what was lost."""

    files: list[str]
    counts: list[int]
    ledger: dict[str, Any]
    losses: dict[str, int]


def split(files: Sequence[str], workers: Workers) -> list[Part]:
    """Files as parts in order, each with its first line. Raises ConfigError for a file that is not there or is
    broken."""
    size = min(_LARGEST, max(_SMALLEST, sum(map(size_of, files)) // _PARTS))
    found = list(workers.in_order(partial(parts_of, size=size, line_key=line_key), files))
    return numbered([part for parts in found for part in parts], workers.in_order)


def convert_parts(
    job: Job, parts: Sequence[Part], files: Spools, folder: Path, workers: Workers, seen: Callable[[int], None]
) -> tuple[Ledger, dict[str, int]]:
    """Convert every part and concatenate them in order. Raises RowsBelongTogether."""
    ledger = Ledger()
    losses: dict[str, int] = {}
    for done in workers.in_order(partial(convert_part, job, folder.absolute()), parts):
        for spool, name, count in zip(files, done.files, done.counts, strict=True):
            if count:
                spool.join(folder / name, count)
            (folder / name).unlink(missing_ok=True)
        ledger.add(done.ledger)
        add_up(losses, done.losses)
        seen(ledger.rows_in)
    return ledger, losses


def convert_part(job: Job, folder: Path, part: Part) -> ConvertedPart:
    """Convert one part to files of its own. What a task that was lost has written is never read."""
    names = [f"{uuid.uuid4().hex}.{ending}" for ending in Spools._fields]
    with ExitStack() as stack:
        out, test, rejects, decisions = (
            stack.enter_context((folder / name).open("wb", buffering=1 << 20)) for name in names
        )
        array = job.is_array
        files = Spools(Spool(out, array, part=True), Spool(test, array, part=True), Spool(rejects), Spool(decisions))
        ledger, losses = convert_rows(job, whole_conversations(part), files)
    return ConvertedPart(names, [spool.count for spool in files], ledger.as_dict(), losses)


def whole_conversations(part: Part) -> Iterator[Row]:
    """The rows of a part, each a conversation, or the lines of transcripts where the part is a whole file."""
    for row in read_part(part):
        key = line_key(row.value)
        if turn_of(row.value) is not None if key is None else part.kind != "whole":
            raise RowsBelongTogether(f"{row.where}: a turn of a conversation that other rows continue")
        yield row
