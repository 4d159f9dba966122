"""List the runs of a folder, or show one: its state, its command, its curve.

swiftagent runs
swiftagent runs show [NAME]
"""

from __future__ import annotations

import argparse
from typing import Any

from swiftagent import console
from swiftagent.commands.options import Add, print_result
from swiftagent.errors import ConfigError, refuse
from swiftagent.train.advice import trend_advice
from swiftagent.train.lines import curve
from swiftagent.train.runs import all_runs, find_run


def add_arguments(add: Add) -> None:
    add("words show [NAME]", "show one run (the newest where no name is given)", nargs="*")
    add("--runs FOLDER", "where the runs lie (default: runs)", default="runs")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> int:
    match args.words:
        case []:
            return _list(all_runs(args.runs), args)
        case ["show", name]:
            return _show(find_run(name, args.runs), as_json=args.json)
        case ["show"]:
            runs = all_runs(args.runs)
            refuse({f"{args.runs}: no runs yet; `swiftagent sft CONFIG` makes one": not runs})
            return _show(runs[0], as_json=args.json)
    words = " ".join(args.words)
    raise ConfigError(f"runs {words}: `swiftagent runs` lists, `swiftagent runs show NAME` shows one")


def _list(runs: list[Any], args: argparse.Namespace) -> int:
    if not runs and not args.json:
        console.say(f"{args.runs}: no runs yet; `swiftagent sft CONFIG` makes one")
        return 0
    rows = [_facts(run) for run in runs]
    cells = [[_cell(value) for name, value in row.items() if name != "cause"] for row in rows]
    columns = ("name", "state", "started", "model", "step", "loss", "eval_loss", "checkpoint")
    return print_result({"runs": rows}, f"runs in {args.runs}", columns, cells, args.json)


def _facts(run: Any) -> dict[str, Any]:
    losses = [line for line in run.metrics() if "loss" in line]
    last = losses[-1] if losses else {"step": 0, "loss": None}
    evaluated = [line["eval_loss"] for line in run.metrics() if "eval_loss" in line]
    return {
        "name": run.name,
        "state": run.state,
        "started": run.record.get("started", ""),
        "model": run.model,
        "step": last["step"],
        "loss": last["loss"],
        "eval_loss": min(evaluated, default=None),
        "checkpoint": run.checkpoint_best.name if run.checkpoint_best else "",
        "cause": run.record.get("cause", ""),
    }


def _cell(value: Any) -> Any:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else value


def _show(run: Any, *, as_json: bool) -> int:
    metrics, record = list(run.metrics()), run.record
    facts = {**record, "name": run.name, "state": run.state, "folder": str(run.folder), "metrics": metrics}
    lines = [
        ("state", run.state + (f": {record['cause']}" if record.get("cause") else "")),
        ("started", record.get("started", "")),
        ("ended", record.get("ended") or ""),
        ("model", run.model),
        ("best checkpoint", str(run.checkpoint_best or "none yet")),
        ("last checkpoint", str(run.checkpoint_last or "none yet")),
        ("log", str(run.folder / "log.txt")),
    ]
    print_result(facts, str(run.folder), ("", ""), lines, as_json)
    if as_json:
        return 0
    for title, key in (("loss", "loss"), ("evaluation loss", "eval_loss")):
        points = [(line["step"], line[key]) for line in metrics if isinstance(line.get(key), (int, float))]
        if len(points) > 1:
            console.out.print(f"\n{title}")
            console.out.print(curve(points), markup=False, soft_wrap=True)
    for said in trend_advice(metrics):
        console.warn(said)
    return 0
