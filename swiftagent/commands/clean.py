"""Find and mend bad steps of traces: drifted, failed, repeated, contradictory, foreign; every decision is written down.

swiftagent clean traces.jsonl -o train.jsonl
swiftagent clean traces.jsonl -o train.jsonl --tools tools_today.json --map renamed.json
swiftagent clean traces.jsonl -o train.jsonl --like five_good_rows.jsonl --on foreign-domain=drop
swiftagent clean traces.jsonl -o train.jsonl --explain traces.jsonl:17
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from swiftagent.commands import convert
from swiftagent.commands.options import Add, print_json
from swiftagent.errors import refuse
from swiftagent.io.jsonl import read_lines
from swiftagent.io.outputs import outputs


def add_arguments(add: Add) -> None:
    rows = add.group("what rows are held against")
    rows("--tools WHAT", "the tools of today, as `infer --tools` takes them; repeatable", action="append", default=[])
    rows("--map FILE", "declared renames and conversions: {tools, arguments, values, units}", default="")
    rows("--like FILE", "a few rows of the right domain", default="")
    rows("--dry-run", "judge everything and write nothing")
    explain = "the decisions on one row of OUT, by its id or file:line; nothing is cleaned"
    convert.add_arguments(add, ("--explain ID", explain))


def run(args: argparse.Namespace) -> int:
    from swiftagent.clean.cleaner import Cleaning, with_cleaning
    from swiftagent.clean.codes import parse_actions

    refuse({"-o OUT is missing: name the file to write": not args.output and not args.dry_run})
    if args.explain:
        _explain(Path(args.output), args.explain, args.json)
        return 0
    actions, args.on = parse_actions(args.on)
    cleaning = Cleaning(tuple(args.tools), args.map, args.like, actions)
    prepare = partial(with_cleaning, cleaning=cleaning)
    if not args.dry_run:
        return convert.run(args, prepare)
    with tempfile.TemporaryDirectory() as folder:
        name = Path(args.output or "cleaned.jsonl").name
        args.output, args.report, args.rejects, args.upload = str(Path(folder) / name), None, None, ""
        return convert.run(args, prepare, is_dry=True)


def _explain(output: Path, name: str, as_json: bool) -> None:
    """Print the decisions on one row. Raises ConfigError where there are none."""
    path = outputs(output).decisions
    refuse({f"{path}: no such file; clean the file first, without --explain": not path.is_file()})
    decisions = [row.value for row in read_lines(path)]
    found = [each for each in decisions if name in (each["id"], each["source"], each["place"])]
    refuse({f"--explain {name}: {path} has no decision on such a row; a row without one is as it was": not found})
    print_json({"decisions": found}) if as_json else print("\n".join(map(_told, found)))


def _told(decision: dict[str, Any]) -> str:
    events = f", events {decision['events']}" if decision["events"] else ""
    evidence = "".join(
        f"\n  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in decision["evidence"].items()
    )
    return f"{decision['place']}: {decision['code']} -> {decision['action']}{events}: {decision['reason']}{evidence}"
