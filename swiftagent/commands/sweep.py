"""Train a small model on several mixes and show tool accuracy against forgetting.

  swiftagent sweep mix --agent-source datasets/agent_*.jsonl --general-source datasets/general_*.jsonl
  swiftagent sweep mix --ratios 1:0 2:1 1:1 1:2 --rows 3000 --seeds 3 --config configs/tiny_cpu.yaml --html sweep.html
  swiftagent sweep mix --dry-run

Every ratio agent:general is a mix of the same number of rows, a training run and an evaluation, each the command that
one would run by hand. All are evaluated on the same held-out rows, which no mix holds. What is finished is not done
again.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from swiftagent import console
from swiftagent.commands.options import Add, given, positive, print_result
from swiftagent.io.jsonl import write_text


def add_arguments(add: Add) -> None:
    five = [(1.0, 0.0), (2.0, 1.0), (1.0, 1.0), (1.0, 2.0), (1.0, 4.0)]
    add("what", "what is varied: the ratio of agent rows to general rows", choices=("mix",))
    add("--ratios A:G", "default 1:0 2:1 1:1 1:2 1:4", nargs="+", type=_ratio, default=five)
    add("--rows N", "rows of every mix (default 2000)", type=positive, default=2000)
    add("--agent-source SOURCE", nargs="+", default=["iic/ms_agent"], dest="agent")
    add("--general-source SOURCE", nargs="+", default=["iic/ms_bench"], dest="general")
    add("--config", "what is trained, and how (default configs/tiny_cpu.yaml)", default="configs/tiny_cpu.yaml")
    add("--set KEY=VALUE", "changes to the config, as `sft` takes them", nargs="*", default=[], dest="changes")
    gold = "what is evaluated on (default: rows of the sources, held out of every mix)"
    add("--data FILE", gold, nargs="+", default=[])
    add("--seeds N", "train each ratio with N seeds; scores are their mean (default 1)", type=positive, default=1)
    add("-o --out FOLDER", "default runs/sweep", type=Path, default=Path("runs/sweep"))
    add("--html FILE", "write a page with the plot", type=Path)
    add("--dry-run", "print the commands and run none")
    add("--json", "print one JSON object")


def _ratio(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text)
    if found is None or float(found[1]) + float(found[2]) == 0:
        raise argparse.ArgumentTypeError(f"{text}: a ratio is agent:general, such as 1:2")
    return float(found[1]), float(found[2])


def run(args: argparse.Namespace) -> None:
    from swiftagent.commands import sweep_plan
    from swiftagent.evaluate.report import with_interval

    sweep = sweep_plan.Sweep(**given(args, sweep_plan.Sweep))
    if args.dry_run:
        for words in (words for work in sweep_plan.plan(sweep) for words in work.stages):
            print(shlex.join(["swiftagent", *words]))
        return
    result = sweep_plan.run(sweep, console.say)
    if args.html:
        write_text(args.html, sweep_plan.page(result))
    base = {**result["base"], "ratio": "base", "agent": 0, "general": 0}
    rows = [
        [each[name] for name in ("ratio", "agent", "general")]
        + [with_interval(name, each[name]) for name in (sweep_plan.TOOL, sweep_plan.FORGETTING)]
        for each in [*result["points"], base]
    ]
    columns = ["agent:general", "agent rows", "general rows", "calls exact, %", "bits per byte (general)"]
    print_result(result, "", columns, rows, args.json)
