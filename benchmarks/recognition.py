"""How many readers a row meets until its format is recognised, and the time that takes, for each file and in all.

python benchmarks/recognition.py FILE [FILE ...]
"""

from __future__ import annotations

import argparse
import json
import time

from swiftagent.convert.reading import candidates
from swiftagent.formats.grouping import Grouping, TurnsOfOne
from swiftagent.io.jsonl import BadRow
from swiftagent.io.rows import read_rows
from swiftagent.trajectory.ledger import Ledger


def measure(path: str) -> tuple[int, int, float]:
    """(rows, readers met, seconds); lines that make one conversation are one row, as `convert` reads them."""
    groups = Grouping(Ledger())
    rows = [row for line in read_rows(path) for row in groups.take(line)] + [*groups.end()]
    values = [row.value for row in rows if not isinstance(row, BadRow)]
    values = [turn for value in values for turn in (value if isinstance(value, TurnsOfOne) else [value])]
    started = time.perf_counter()
    met = sum(_met(value) for value in values)
    return len(values), met, time.perf_counter() - started


def _met(value: object) -> int:
    met = 0
    for candidate in candidates(value):
        met += 1
        if candidate(value):
            break
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    found = {file: measure(file) for file in parser.parse_args().files}
    found["in all"] = tuple(sum(column) for column in zip(*found.values(), strict=True))  # type: ignore[assignment]
    for name, (rows, met, seconds) in found.items():
        each = max(rows, 1)
        line = {"file": name, "rows": rows, "readers_met": round(met / each, 2), "us": round(1e6 * seconds / each, 1)}
        print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    main()
