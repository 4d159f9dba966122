"""Find and mend bad steps of traces: drifted, failed, repeated, contradictory, foreign; every decision is written down.

swiftagent clean traces.jsonl -o train.jsonl
swiftagent clean traces.jsonl -o train.jsonl --tools tools_today.json --map renamed.json
swiftagent clean traces.jsonl -o train.jsonl --like five_good_rows.jsonl --on foreign-domain=drop
swiftagent clean -o train.jsonl --explain traces.jsonl:17
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from swiftagent.commands.engine_options import add_engine_arguments, open_workers
from swiftagent.commands.options import options
from swiftagent.errors import ConfigError, RejectsError, visible
from swiftagent.trajectory.prompts import STYLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from swiftagent.formats.writers.table import WRITABLE

    add = options(parser)
    add("inputs IN", "what `swiftagent convert` reads: files, folders, hub ids", nargs="*")
    add("-o --output OUT", "the file to write; OUT.decisions.jsonl tells of every decision", required=True)
    add(
        "--tools WHAT",
        "the tools of today: tools.json, mcp:COMMAND, openapi:SPEC, F.py; repeatable",
        action="append",
        default=[],
    )
    add("--map FILE", "declared renames and conversions: {tools, arguments, values, units}", default="")
    add("--like FILE", "a few rows of the right domain", default="")
    add("--on CODE=ACTION", "drop, mask or keep; codes in docs/clean.md", action="append", default=[])
    add("--explain ID", "the decisions on one row of OUT, by id or by file:line; nothing is cleaned")
    add("--dry-run", "judge everything and write nothing")
    add("--from NAME", "a format of `swiftagent formats`, package.module:parse, or auto", dest="format", default="auto")
    add("--to", "default: react, the training record", default="react", choices=list(WRITABLE))
    add("--prompt", "how a ReAct prompt shows parameters", default="auto", choices=STYLES)
    add("--language", "of the ReAct prompt; auto is the question's", default="auto", choices=["auto", "en", "zh"])
    add("--max-rejects SHARE", "exit 3 above it, duplicates and dropped rows not counted", default="1%")
    add("--report", "default: OUT.report.json", type=Path)
    add("--rejects", "default: OUT.rejects.jsonl", type=Path)
    add_engine_arguments(parser, "all cores, one for some megabytes")
    add("--json", "print the report as one JSON object")
    add("-q --quiet", "no table")


def run(args: argparse.Namespace) -> int:
    if args.explain:
        return _explain(Path(args.output), args.explain, args.json)
    if not args.dry_run:
        return _clean(args, Path(args.output))
    with tempfile.TemporaryDirectory() as folder:
        args.report = args.rejects = None
        return _clean(args, Path(folder) / Path(args.output).name)


def _clean(args: argparse.Namespace, output: Path) -> int:
    from swiftagent.clean.files import Cleaning, with_cleaning
    from swiftagent.commands.convert import local_inputs, show, size_of_inputs
    from swiftagent.console import progress, say
    from swiftagent.convert.files import convert_files, parse_share
    from swiftagent.convert.rows import Job
    from swiftagent.trajectory.wellformed import Policy

    given = {name: getattr(args, name) for name in ("to", "prompt", "language", "report", "rejects")}
    inputs, share = local_inputs(args.inputs), parse_share(args.max_rejects)
    job = Job(inputs, output, Policy(args.format), max_rejects=share, **given)
    cleaning = Cleaning(tuple(args.tools), args.map, args.like, tuple(args.on))
    code = 0
    with open_workers(args, size_of_inputs(inputs)) as workers, progress("rows") as bar:

        def seen(count: int) -> None:
            bar.update(bar.task_ids[0], completed=count)

        try:
            job = with_cleaning(job, cleaning, workers, seen)
            convert_files(job, seen, workers, say)
        except RejectsError as error:
            print(f"error: {visible(str(error))}", file=sys.stderr)
            code = error.exit_code
    report = json.loads(job.places.report.read_text(encoding="utf-8"))
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    elif not args.quiet:
        show(report)
        for note in report["clean"]["not_judged"]:
            say(note)
    return code


def _explain(output: Path, name: str, as_json: bool) -> int:
    """Print the decisions on one row. Raises ConfigError where there are none."""
    from swiftagent.io.outputs import outputs

    path = outputs(output).decisions
    try:
        decisions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; clean the file first, without --explain") from error
    found = [each for each in decisions if name in (each["id"], each["source"], each["place"])]
    if not found:
        raise ConfigError(f"--explain {name}: {path} holds no decision on it; the row is as it was")
    for each in found:
        print(json.dumps(each, ensure_ascii=False) if as_json else _told(each))
    return 0


def _told(decision: dict[str, Any]) -> str:
    events = f", events {decision['events']}" if decision["events"] else ""
    evidence = "".join(
        f"\n  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in decision["evidence"].items()
    )
    return f"{decision['place']}: {decision['code']} -> {decision['action']}{events}: {decision['reason']}{evidence}"
