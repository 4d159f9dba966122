"""The check of whole training files without a model, in parts that tasks share."""

from __future__ import annotations

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.parts import Part, cut, numbered, parts_of
from swiftagent.io.rows import files_of, size_of
from swiftagent.io.workers import Workers
from swiftagent.masks.check import check_record
from swiftagent.masks.pieces import Totals
from swiftagent.masks.view import records_of

_PART = 8 << 20  # bytes


def check_file(place: str, workers: Workers) -> Totals:
    """What a check of every record finds in a file, or a folder or URL of shards, JSONL or Parquet; counts characters.

    Rows of shards are numbered as in the one file that they are when joined in order. Raises ConfigError where there is
    something else than training records.
    """
    # Cut only where several processes share a file: one process reads it whole, without a count of lines beforehand.
    parts = numbered([part for file in files_of(place) for part in _parts(file, workers.alone)], workers.in_order)
    totals = Totals(unit="character")
    before = 0
    # Shards are reported as the one file that they make, so their rows continue the count.
    for part, found in zip(parts, workers.in_order(_check_part, parts), strict=True):
        if part.start == 0:
            before = totals.rows
        found.faults = [msgspec.structs.replace(fault, row=fault.row + before) for fault in found.faults]
        totals.add(found)
    if not totals.rows:
        raise ConfigError(f"{place}: no rows")
    return totals


def _parts(file: str, whole: bool) -> list[Part]:
    if file.endswith(".parquet"):
        return parts_of(file, 0)  # by row group
    size = size_of(file)
    return cut(file, size, size if whole else _PART)


def _check_part(part: Part) -> Totals:
    totals = Totals(unit="character")
    for line, record in records_of(part):
        check_record(record, line, totals)
    return totals
