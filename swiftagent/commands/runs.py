"""List the runs of a folder, or show one: its state, its command, its curve.

swiftagent runs
swiftagent runs show [NAME]
"""

from __future__ import annotations

import argparse
from typing import Any

from swiftagent import console
from swiftagent.commands.options import Add, print_result
from swiftagent.errors import refuse
from swiftagent.train.advice import trend_advice
from swiftagent.train.lines import curve
from swiftagent.train.runs import Run, all_runs, find_run

COLUMNS = ("name", "state", "started", "model", "step", "loss", "eval_loss", "checkpoint")


def add_arguments(add: Add) -> None:
    add("words show [NAME]", "show one run (the newest where no name is given)", nargs="*")
    add("--runs FOLDER", "where the runs lie (default: runs)", default="runs")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> None:
    words, runs = args.words, all_runs(args.runs)
    wrong = f"runs {' '.join(words)}: `swiftagent runs` lists, `swiftagent runs show NAME` shows one"
    refuse({wrong: words[:1] not in ([], ["show"]) or len(words) > 2})
    nothing = f"{args.runs}: no runs yet; `swiftagent sft CONFIG` makes one"
    refuse({nothing: words == ["show"] and not runs})
    if words:
        _show(find_run(words[1], args.runs) if words[1:] else runs[0], args.json)
    elif runs or args.json:
        rows = [_facts(run) for run in runs]
        cells = [[_cell(row[column]) for column in COLUMNS] for row in rows]
        print_result({"runs": rows}, f"runs in {args.runs}", COLUMNS, cells, args.json)
    else:
        console.say(nothing)


def _facts(run: Run) -> dict[str, Any]:
    metrics = list(run.metrics())
    last = next((line for line in reversed(metrics) if "loss" in line), {"step": 0, "loss": None})
    return {
        "name": run.name,
        "state": run.state,
        "started": run.record.get("started", ""),
        "model": run.model,
        "step": last["step"],
        "loss": last["loss"],
        "eval_loss": min((line["eval_loss"] for line in metrics if "eval_loss" in line), default=None),
        "checkpoint": run.checkpoint_best.name if run.checkpoint_best else "",
        "cause": run.record.get("cause", ""),
    }


def _cell(value: Any) -> Any:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else value


def _show(run: Run, as_json: bool) -> None:
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
    for title, key in (("loss", "loss"), ("evaluation loss", "eval_loss")):
        points = [(line["step"], line[key]) for line in metrics if isinstance(line.get(key), (int, float))]
        if len(points) > 1 and not as_json:
            console.out.print(f"\n{title}\n{curve(points)}", markup=False, soft_wrap=True)
    for said in () if as_json else trend_advice(metrics):
        console.warn(said)
