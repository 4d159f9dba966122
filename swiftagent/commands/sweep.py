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
import json
import re
import shlex
from pathlib import Path
from typing import Any

from swiftagent.commands.options import options
from swiftagent.commands.sweep_page import FORGETTING, TOOL
from swiftagent.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = options(parser)
    add("what", "what is varied: the ratio of agent rows to general rows", choices=("mix",))
    add("--ratios A:G", "default 1:0 2:1 1:1 1:2 1:4", nargs="+", default=["1:0", "2:1", "1:1", "1:2", "1:4"])
    add("--rows N", "rows of every mix (default 2000)", type=int, default=2000)
    add("--agent-source SOURCE", nargs="+", default=["iic/ms_agent"])
    add("--general-source SOURCE", nargs="+", default=["iic/ms_bench"])
    add("--config", "what is trained, and how (default configs/tiny_cpu.yaml)", default="configs/tiny_cpu.yaml")
    add("--set KEY=VALUE", "changes to the config, as `sft` takes them", nargs="*", default=[])
    add("--data FILE", "what is evaluated on (default: rows of the sources, held out of every mix)", nargs="+")
    add("--seeds N", "train each ratio with N seeds; scores are their mean (default 1)", type=int, default=1)
    add("-o --out FOLDER", "default runs/sweep", default="runs/sweep")
    add("--html FILE", "write a page with the plot")
    add("--dry-run", "print the commands and run none")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> int:
    from swiftagent.commands.sweep_page import page
    from swiftagent.commands.sweep_plan import plan
    from swiftagent.commands.sweep_plan import run as run_sweep
    from swiftagent.console import say
    from swiftagent.io.jsonl import whole_file

    sweep = _sweep(args)
    if args.dry_run:
        for work in plan(sweep):
            for stage in work.stages:
                print(shlex.join(["swiftagent", *stage.words]))
        return 0
    result = run_sweep(sweep, say)
    if args.html:
        with whole_file(Path(args.html)) as out:
            out.write(page(result).encode())
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _show(result)
    return 0


def _sweep(args: argparse.Namespace) -> Any:
    from swiftagent.commands.sweep_plan import Sweep

    if args.rows < 1 or args.seeds < 1:
        raise ConfigError(f"--rows {args.rows} --seeds {args.seeds}: both are at least 1")
    return Sweep(
        ratios=tuple(dict.fromkeys(_ratio(text) for text in args.ratios)),
        rows=args.rows,
        agent=tuple(args.agent_source),
        general=tuple(args.general_source),
        config=args.config,
        changes=tuple(args.set),
        data=tuple(args.data or ()),
        out=Path(args.out),
        seeds=args.seeds,
    )


def _ratio(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text)
    if found is None or float(found[1]) + float(found[2]) == 0:
        raise ConfigError(f"--ratios {text}: a ratio is agent:general, such as 1:2")
    return float(found[1]), float(found[2])


def _show(result: dict[str, Any]) -> None:
    from swiftagent import console
    from swiftagent.evaluate.report import with_interval

    def scores(found: dict[str, Any]) -> list[str]:
        return [with_interval(name, found[name]) for name in (TOOL, FORGETTING)]

    rows = [[point["ratio"], point["agent"], point["general"], *scores(point)] for point in result["points"]]
    columns = ["agent:general", "agent rows", "general rows", "calls exact, %", "bits per byte (general)"]
    console.table("", columns, [*rows, ["base", 0, 0, *scores(result["base"])]], console=console.out)
