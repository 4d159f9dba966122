"""Train a small model on several mixes and show tool accuracy against forgetting.

  swiftagent sweep mix --agent-source datasets/agent_*.jsonl --general-source datasets/general_*.jsonl
  swiftagent sweep mix --ratios 1:0 2:1 1:1 1:2 1:4 --rows 3000 --config configs/qwen2_5_0_5b.yaml --html sweep.html

Every ratio agent:general is a mix of the same number of rows, a training run and an evaluation, each the command that one would
run by hand. What is finished is not done again.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError, SetupError
from swiftagent.mix_sample import shares

TOOL, FORGETTING = "call_exact", "bits_per_byte"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=("mix",), help="what is varied: the ratio of agent rows to general rows")
    add("--ratios", nargs="+", default=["1:0", "2:1", "1:1", "1:2", "1:4"], metavar="A:G", help="default 1:0 2:1 1:1 1:2 1:4")
    add("--rows", type=int, default=2000, metavar="N", help="rows of every mix (default 2000)")
    add("--agent-source", nargs="+", default=["iic/ms_agent"], metavar="SOURCE")
    add("--general-source", nargs="+", default=["iic/ms_bench"], metavar="SOURCE")
    add("--config", default="configs/tiny_cpu.yaml", help="what is trained, and how (default configs/tiny_cpu.yaml)")
    add("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the config, as `sft` takes them")
    add("--data", nargs="+", metavar="FILE", help="what is evaluated on (default: each run's validation split)")
    add("-o", "--out", default="runs/sweep", metavar="FOLDER", help="default runs/sweep")
    add("--html", metavar="FILE", help="write a page with the plot")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    ratios = [_ratio(text) for text in args.ratios]
    points = [_point(args, agent, general) for agent, general in ratios]
    result = {"rows": args.rows, "config": args.config, "points": points}
    folder = Path(args.out)
    from swiftagent.jsonl import whole_file, write_json

    write_json(folder / "sweep.json", result)
    if args.html:
        with whole_file(Path(args.html)) as out:
            out.write(page(points).encode())
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _show(points)
    return 0


def _ratio(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text)
    if found is None or float(found[1]) + float(found[2]) == 0:
        raise ConfigError(f"--ratios {text}: a ratio is agent:general, such as 1:2")
    return float(found[1]), float(found[2])


def _point(args: argparse.Namespace, agent: float, general: float) -> dict[str, Any]:
    """One ratio: mix, train, evaluate. Each step leaves a file by which it is known to be done."""
    name = f"{agent:g}-{general:g}"
    folder = Path(args.out) / name
    mix, metrics = folder / "mix.jsonl", folder / "metrics.json"
    counts = shares(args.rows, [agent, general])
    if not mix.exists():
        words = ["--agent", str(counts[0]), "--agent-source", *args.agent_source] if counts[0] else []
        words += ["--general", str(counts[1]), "--general-source", *args.general_source] if counts[1] else []
        _run(["mix", *words, "--val", "5%", "--max-rejects", "100%", "-o", str(mix), "-q"], folder)
    if not metrics.exists():
        if not _is_trained(folder / "run"):
            shutil.rmtree(folder / "run", ignore_errors=True)
            _run(["sft", args.config, f"data={mix}", f"runs={folder}", "name=run", *args.set], folder)
        data = [word for file in args.data or () for word in ("--data", file)]
        how = ["--drop-trained", "--no-free", "--step-tokens", "160", "--json"]
        told = _run(["eval", "run", "--runs", str(folder), *data, *how], folder)
        metrics.write_text(told, encoding="utf-8")
    scores = json.loads(metrics.read_text(encoding="utf-8"))
    return {
        "ratio": f"{agent:g}:{general:g}",
        "agent": counts[0],
        "general": counts[1],
        **{name: _found(scores, name) for name in (TOOL, FORGETTING)},
    }


def _is_trained(run: Path) -> bool:
    try:
        return bool(json.loads((run / "run.json").read_text(encoding="utf-8")).get("exit_code") == 0)
    except (OSError, ValueError):
        return False


def _run(words: list[str], folder: Path) -> str:
    """One of our own commands as a process. Raises SetupError with its last line where it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-m", "swiftagent", *words], capture_output=True, text=True)
    (folder / f"{words[0]}.log").write_text(done.stderr, encoding="utf-8")
    if done.returncode not in (0, 7):  # 7: the gate of a config, which says nothing about a sweep
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetupError(f"sweep {folder.name}: `swiftagent {words[0]}` ended with {done.returncode}: {last}; see {folder}")
    return done.stdout


def _found(scores: dict[str, Any], metric: str) -> float | None:
    """A metric of the tuned model, wherever the evaluation's JSON keeps it."""
    tuned = scores.get("models", scores).get("tuned", scores)
    value = tuned.get(metric) if isinstance(tuned, dict) else None
    return value.get("value") if isinstance(value, dict) else value


def _show(points: list[dict[str, Any]]) -> None:
    from swiftagent import console

    rows = [
        [point["ratio"], point["agent"], point["general"], _percent(point[TOOL]), _number(point[FORGETTING])] for point in points
    ]
    columns = ["agent:general", "agent rows", "general rows", "calls exact", "bits per byte (general)"]
    console.table("", columns, rows, console=console.out)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def page(points: list[dict[str, Any]]) -> str:
    """A page with one plot: forgetting to the right, exact calls upwards, a point for each ratio."""
    known = [point for point in points if point[TOOL] is not None and point[FORGETTING] is not None]
    low = min((point[FORGETTING] for point in known), default=0.0)
    high = max((point[FORGETTING] for point in known), default=1.0)
    width = high - low or 1.0
    marks = "".join(
        f"<circle cx='{60 + 500 * (point[FORGETTING] - low) / width:.0f}' cy='{320 - 280 * point[TOOL]:.0f}' r=5 />"
        f"<text x='{68 + 500 * (point[FORGETTING] - low) / width:.0f}' y='{315 - 280 * point[TOOL]:.0f}'>{point['ratio']}</text>"
        for point in known
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>sweep mix</title><style>body{font:15px system-ui;margin:32px}"
        "svg{max-width:100%;height:auto}circle{fill:#1f6feb}text{font-size:13px;fill:currentColor}</style><h1>Which ratio</h1>"
        "<svg viewBox='0 0 640 370' width=640><path d='M60 40V320H600' fill=none stroke=currentColor />"
        f"<text x=4 y=44>100 %</text><text x=20 y=324>0 %</text><text x=60 y=345>{low:.3f}</text>"
        f"<text x=540 y=345>{high:.3f}</text><text x=200 y=362>bits per byte of general text (less is remembered better)</text>"
        f"<text x=4 y=20>calls exact</text>{marks}</svg>"
    )
