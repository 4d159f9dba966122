"""List the runs of a folder, or show one: its state, its command, its curve.

swiftagent runs
swiftagent runs show [NAME]
"""

from __future__ import annotations

import argparse
from typing import Any

from swiftagent import console
from swiftagent.commands.options import options, print_json
from swiftagent.errors import ConfigError
from swiftagent.train.advice import trend_advice
from swiftagent.train.lines import curve
from swiftagent.train.runs import all_runs, find_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = options(parser)
    add("words show [NAME]", "show one run (the newest where no name is given)", nargs="*")
    add("--runs FOLDER", "where the runs lie (default: runs)", default="runs")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> int:
    words: list[str] = args.words
    if words and (words[0] != "show" or len(words) > 2):
        raise ConfigError(f"runs {' '.join(words)}: `swiftagent runs` lists, `swiftagent runs show NAME` shows one")
    if not words:
        return _list(all_runs(args.runs), args)
    runs = [find_run(words[1], args.runs)] if len(words) == 2 else all_runs(args.runs)[:1]
    if not runs:
        raise ConfigError(f"{args.runs}: no runs yet; `swiftagent sft CONFIG` makes one")
    return _show(runs[0], as_json=args.json)


def _list(runs: list[Any], args: argparse.Namespace) -> int:
    rows = []
    for run in runs:
        losses = [line for line in run.metrics() if "loss" in line]
        evaluated = [line["eval_loss"] for line in run.metrics() if "eval_loss" in line]
        rows.append(
            {
                "name": run.name,
                "state": run.state,
                "started": run.record.get("started", ""),
                "model": run.model,
                "step": losses[-1]["step"] if losses else 0,
                "loss": losses[-1]["loss"] if losses else None,
                "eval_loss": min(evaluated) if evaluated else None,
                "checkpoint": run.checkpoint_best.name if run.checkpoint_best else "",
                "cause": run.record.get("cause", ""),
            }
        )
    if args.json:
        return print_json({"runs": rows})
    if not rows:
        console.say(f"{args.runs}: no runs yet; `swiftagent sft CONFIG` makes one")
        return 0
    columns = ("name", "state", "started", "model", "step", "loss", "eval_loss", "checkpoint")
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    console.table(f"runs in {args.runs}", columns, cells, console=console.out)
    return 0


def _cell(value: Any) -> Any:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else value


def _show(run: Any, *, as_json: bool) -> int:
    metrics = list(run.metrics())
    if as_json:
        facts = {**run.record, "name": run.name, "state": run.state, "folder": str(run.folder), "metrics": metrics}
        return print_json(facts)
    record = run.record
    lines = [
        ("state", run.state + (f": {record['cause']}" if record.get("cause") else "")),
        ("started", record.get("started", "")),
        ("ended", record.get("ended") or ""),
        ("model", run.model),
        ("best checkpoint", str(run.checkpoint_best or "none yet")),
        ("last checkpoint", str(run.checkpoint_last or "none yet")),
        ("log", str(run.folder / "log.txt")),
    ]
    console.table(str(run.folder), ("", ""), lines, console=console.out)
    for title, key in (("loss", "loss"), ("evaluation loss", "eval_loss")):
        points = [(line["step"], line[key]) for line in metrics if isinstance(line.get(key), (int, float))]
        if len(points) > 1:
            console.out.print(f"\n{title}")
            console.out.print(curve(points), markup=False, soft_wrap=True)
    for said in trend_advice(metrics):
        console.warn(said)
    return 0
