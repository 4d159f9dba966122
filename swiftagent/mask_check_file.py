"""The check of a whole training file without a model, in parts that tasks share."""

from __future__ import annotations

from pathlib import Path

from swiftagent.convert_parts import numbered
from swiftagent.formats.file_parts import Part, cut
from swiftagent.mask import Totals
from swiftagent.mask_check import check_record
from swiftagent.mask_view import read_records
from swiftagent.mix_workers import Workers

_PART = 8 << 20  # bytes


def check_file(path: Path, workers: Workers) -> Totals:
    """What a check of every record finds; counts characters. Raises ConfigError where the file holds no training records."""
    next(read_records(path))
    totals = Totals(unit="character")
    size = path.stat().st_size
    parts = cut(str(path), size, size if workers.alone else _PART)
    for found in workers.in_order(_check_part, numbered(parts, workers)):
        totals.add(found)
    return totals


def _check_part(part: Part) -> Totals:
    totals = Totals(unit="character")
    for line, record in read_records(Path(part.path), part):
        check_record(record, line, totals)
    return totals
