"""List the formats that can be read and written, each with a sample row; or say what format a file has.

swiftagent formats
swiftagent formats openai
swiftagent formats --of rows.jsonl
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections import Counter
from itertools import islice
from typing import Any

from swiftagent.commands.options import Add, print_result
from swiftagent.errors import refuse
from swiftagent.formats.table import FORMATS
from swiftagent.formats.writers.table import WRITABLE


def add_arguments(add: Add) -> None:
    add("name", "show this format's sample row whole", nargs="?")
    add("--of FILE", "count the formats of a file's first rows")
    add("--rows", "how many rows --of looks at (default 1000)", type=int, default=1000)
    add("--codes", "list the codes of checks, repairs and reasons")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> None:
    shown: dict[str, Any] = _of(args.of, args.rows) if args.of else _codes() if args.codes else _formats(args.name)
    if args.name and not args.json:
        ((name, about),) = shown.items()
        print(f"{name}: {about['about']}", file=sys.stderr)
        return print(json.dumps(about["sample"], ensure_ascii=False, indent=2))
    return print_result(shown, *_table(args, shown), args.json)


def _formats(name: str | None) -> dict[str, Any]:
    refuse({f"no format {name!r}; there are {', '.join(FORMATS)}": name is not None and name not in FORMATS})
    shown = {}
    for word, path in FORMATS.items():
        if name in (None, word):
            module = importlib.import_module(path)
            to = {"swiftagent": "react", "swift": "native"}.get(word, word if word in WRITABLE else "")
            shown[word] = {"about": module.ABOUT, "to": to, "sample": module.SAMPLE}
    return shown


def _codes() -> dict[str, Any]:
    from swiftagent.trajectory.wellformed import CODES, REASONS, REPAIRS

    rows = [(code, about, default, "|".join(allowed)) for code, (about, default, allowed) in CODES.items()]
    rows += [(code, about, "reject", "") for code, about in REASONS.items()]
    rows += [(code, about, "repair", "repair|reject") for code, about in REPAIRS.items()]
    return {code: {"about": about, "default": default, "on": on} for code, about, default, on in rows}


def _of(path: str, rows: int) -> dict[str, Any]:
    from swiftagent.convert.reading import Ledger, Policy, read_trajectories
    from swiftagent.io.rows import read_rows

    ledger, rejected = Ledger(), Counter[str]()
    first = islice(read_rows(path), rows)
    for _ in read_trajectories(first, Policy(), ledger, lambda reject: rejected.update([reject["code"]])):
        pass
    return {"formats": dict(ledger.formats), "rows": ledger.rows_in, "rejected": dict(rejected)}


def _table(args: argparse.Namespace, shown: dict[str, Any]) -> tuple[str, list[str], list[tuple[Any, ...]]]:
    """A title, the columns, and the rows."""
    if args.of:
        kinds = (("format", "formats"), ("rejected", "rejected"))
        counts = [(kind, *item) for kind, name in kinds for item in shown[name].items()]
        return f"{args.of}: {shown['rows']} rows", ["", "", "rows"], counts
    if args.codes:
        codes = [(code, facts["default"], facts["on"], facts["about"]) for code, facts in shown.items()]
        return "codes", ["code", "default", "--on", "what it says"], codes
    formats = [(name, facts["to"], facts["about"]) for name, facts in shown.items()]
    return "formats", ["--from", "--to", "what it is"], formats
