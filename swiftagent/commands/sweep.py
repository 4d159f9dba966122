"""Train a small model on several mixes and show tool accuracy against forgetting.

  swiftagent sweep mix --agent-source datasets/agent_*.jsonl --general-source datasets/general_*.jsonl
  swiftagent sweep mix --ratios 1:0 2:1 1:1 1:2 1:4 --rows 3000 --config configs/qwen2_5_0_5b.yaml --html sweep.html

Every ratio agent:general is a mix of the same number of rows, a training run and an evaluation, each the command that one would
run by hand. All are evaluated on the same held-out rows, which no mix holds. What is finished is not done again.
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
from swiftagent.sweep_page import FORGETTING, TOOL, page

_QUIETLY = ["--max-rejects", "100%", "-q"]
# A model that learnt little ends few of its steps by itself, and free runs would be many such steps.
_EVALUATION = ["--drop-trained", "--no-free", "--step-tokens", "160", "--json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=("mix",), help="what is varied: the ratio of agent rows to general rows")
    add("--ratios", nargs="+", default=["1:0", "2:1", "1:1", "1:2", "1:4"], metavar="A:G", help="default 1:0 2:1 1:1 1:2 1:4")
    add("--rows", type=int, default=2000, metavar="N", help="rows of every mix (default 2000)")
    add("--agent-source", nargs="+", default=["iic/ms_agent"], metavar="SOURCE")
    add("--general-source", nargs="+", default=["iic/ms_bench"], metavar="SOURCE")
    add("--config", default="configs/tiny_cpu.yaml", help="what is trained, and how (default configs/tiny_cpu.yaml)")
    add("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the config, as `sft` takes them")
    add("--data", nargs="+", metavar="FILE", help="what is evaluated on (default: rows of the sources, held out of every mix)")
    add("-o", "--out", default="runs/sweep", metavar="FOLDER", help="default runs/sweep")
    add("--html", metavar="FILE", help="write a page with the plot")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    ratios = [_ratio(text) for text in args.ratios]
    data = args.data or [_held_out(args)]
    points = [_point(args, data, agent, general) for agent, general in ratios]
    folder = Path(args.out)
    result = {"rows": args.rows, "config": args.config, "data": data, "base": _base(args, data), "points": points}
    from swiftagent.jsonl import whole_file, write_json

    write_json(folder / "sweep.json", result)
    if args.html:
        with whole_file(Path(args.html)) as out:
            out.write(page(result).encode())
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _show(result)
    return 0


def _ratio(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text)
    if found is None or float(found[1]) + float(found[2]) == 0:
        raise ConfigError(f"--ratios {text}: a ratio is agent:general, such as 1:2")
    return float(found[1]), float(found[2])


def _held_out(args: argparse.Namespace) -> str:
    """Rows of both kinds of sources, set aside once for every ratio."""
    folder = Path(args.out) / "held-out"
    file = folder / "mix.jsonl"
    if not file.exists():
        count = str(min(100, max(20, args.rows // 20)))
        _run(["mix", *_sources(args, count, count), "--val", "0", "--seed", "7", "-o", str(file), *_QUIETLY], folder)
    return str(file)


def _sources(args: argparse.Namespace, agent: str, general: str) -> list[str]:
    words = ["--agent", agent, "--agent-source", *args.agent_source] if agent != "0" else []
    return [*words, *(["--general", general, "--general-source", *args.general_source] if general != "0" else [])]


def _point(args: argparse.Namespace, data: list[str], agent: float, general: float) -> dict[str, Any]:
    """One ratio: mix, train, evaluate. Each step leaves a file by which it is known to be done."""
    name = f"{agent:g}-{general:g}"
    folder = Path(args.out) / name
    mix = folder / "mix.jsonl"
    counts = shares(args.rows, [agent, general])
    if not mix.exists():
        words = _sources(args, str(counts[0]), str(counts[1]))
        _run(["mix", *words, "--val", "5%", "--decontaminate", *data, "-o", str(mix), *_QUIETLY], folder)
    if not _is_trained(folder / "run"):
        shutil.rmtree(folder / "run", ignore_errors=True)
        _run(["sft", args.config, f"data={mix}", f"runs={folder}", "name=run", *args.set], folder)
    scores = _scores(folder, ["run", "--runs", str(folder), "--no-base"], data)
    return {
        "ratio": f"{agent:g}:{general:g}",
        "agent": counts[0],
        "general": counts[1],
        **{name: scores["tuned"][name] for name in (TOOL, FORGETTING)},
    }


def _base(args: argparse.Namespace, data: list[str]) -> dict[str, Any]:
    """What the untrained model scores on the same rows: forgetting is measured from there."""
    from swiftagent.config import load

    config = load(args.config, args.set)
    known = {"--template": config.train.get("template"), "--model-type": config.train.get("model_type")}
    words = ["--model", config.model, *(word for name, value in known.items() if value for word in (name, str(value)))]
    scores = _scores(Path(args.out) / "base", words, data)
    return {name: scores["tuned"][name] for name in (TOOL, FORGETTING)}


def _scores(folder: Path, words: list[str], data: list[str]) -> dict[str, Any]:
    """metrics.json's content, from the evaluation that was made already or a new one."""
    file = folder / "metrics.json"
    if not file.exists():
        what = [word for path in data for word in ("--data", path)]
        told = _run(["eval", *words, *what, "-o", str(folder / "eval"), *_EVALUATION], folder)
        file.write_text(told, encoding="utf-8")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


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


def _show(result: dict[str, Any]) -> None:
    from swiftagent import console
    from swiftagent.report import with_interval

    def scores(found: dict[str, Any]) -> list[str]:
        return [with_interval(name, found[name]) for name in (TOOL, FORGETTING)]

    rows = [[point["ratio"], point["agent"], point["general"], *scores(point)] for point in result["points"]]
    columns = ["agent:general", "agent rows", "general rows", "calls exact, %", "bits per byte (general)"]
    console.table("", columns, [*rows, ["base", 0, 0, *scores(result["base"])]], console=console.out)
