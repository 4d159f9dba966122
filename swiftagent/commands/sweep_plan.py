"""Mixes of several ratios, each trained and evaluated by the commands that one would run by hand.

Every ratio and seed has a folder. What is finished there is not done again, unless what it was made of is no longer the
same.
"""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from swiftagent import __version__
from swiftagent.errors import SetupError
from swiftagent.io.jsonl import write_json, write_text, writing
from swiftagent.io.outputs import clear
from swiftagent.io.own_command import run_command
from swiftagent.io.pages import render
from swiftagent.mix.sample import shares
from swiftagent.train.config import load

TOOL, FORGETTING = "call_exact", "bits_per_byte"
_PLOT = {"left": 70, "right": 620, "top": 24, "bottom": 330}  # of a drawing of 660 by 380
_QUIETLY = ["--max-rejects", "100%", "-q"]
# A model that learnt little ends few of its steps by itself, and free runs would be many such steps.
_EVALUATION = ["--drop-trained", "--no-free", "--step-tokens", "160", "--json"]
_MADE_OF = "made_of.json"
Tell = Callable[[str], None]


class Sweep(msgspec.Struct, frozen=True):
    """What is compared. `data`: what all are evaluated on; empty is rows of the sources, held out of every mix."""

    ratios: Sequence[tuple[float, float]]  # agent rows to general rows
    rows: int  # of every mix
    agent: Sequence[str]  # sources, as `mix` takes them
    general: Sequence[str]
    config: str
    changes: Sequence[str]  # key=value, as `sft` takes them
    data: Sequence[str]
    out: Path
    seeds: int = 1

    @property
    def held_out(self) -> Path:
        return self.out / "held-out" / "mix.jsonl"

    @property
    def gold(self) -> Sequence[str]:
        return self.data or [str(self.held_out)]


class Work(NamedTuple):
    """Our own commands that fill one folder, in order; what each prints becomes COMMAND.out there once it is done."""

    folder: Path
    stages: list[list[str]]


def plan(sweep: Sweep) -> list[Work]:
    """Everything that a sweep runs: the held-out rows, each ratio with each seed, and the base."""
    # The untrained model: forgetting is measured from what it scores.
    config = load(sweep.config, sweep.changes)
    known = {"--template": config.train.get("template"), "--model-type": config.train.get("model_type")}
    words = ["--model", config.model, *(word for name, value in known.items() if value for word in (name, str(value)))]
    base = Work(sweep.out / "base", [_evaluation(sweep, sweep.out / "base", words)])
    points = [_point(sweep, ratio, seed) for ratio in dict.fromkeys(sweep.ratios) for seed in range(sweep.seeds)]
    return [*([] if sweep.data else [_held_out(sweep)]), *points, base]


def run(sweep: Sweep, tell: Tell) -> dict[str, Any]:
    """Do what is not done yet; returns what sweep.json holds. Raises SetupError where a command fails."""
    works = plan(sweep)
    for number, work in enumerate(works, 1):
        _do(sweep, work, tell, f"{number} of {len(works)}, {work.folder.name}")
    found: dict[str, Any] = {
        "rows": sweep.rows,
        "config": sweep.config,
        "data": list(sweep.gold),
        "seeds": sweep.seeds,
        "base": _scores(sweep.out / "base"),
        "points": [_result(sweep, ratio) for ratio in dict.fromkeys(sweep.ratios)],
    }
    write_json(sweep.out / "sweep.json", found)
    return found


def _held_out(sweep: Sweep) -> Work:
    """Rows of both kinds of sources, set aside once for every ratio."""
    count = min(100, max(20, sweep.rows // 20))
    words = ["mix", *_sources(sweep, count, count), "--val", "0", "--seed", "7", "-o", str(sweep.held_out), *_QUIETLY]
    return Work(sweep.held_out.parent, [words])


def _point(sweep: Sweep, ratio: tuple[float, float], seed: int) -> Work:
    folder = _folder(sweep, ratio, seed)
    mix, seeded = folder / "mix.jsonl", sweep.seeds > 1
    mixing = ["mix", *_sources(sweep, *shares(sweep.rows, ratio)), "--val", "5%", "--decontaminate", *sweep.gold]
    mixing += [*(["--seed", str(seed)] if seeded else []), "-o", str(mix), *_QUIETLY]
    training = ["sft", sweep.config, f"data={mix}", f"runs={folder}", "name=run", *sweep.changes]
    training += [f"seed={seed}"] if seeded else []
    return Work(folder, [mixing, training, _evaluation(sweep, folder, ["run", "--runs", str(folder), "--no-base"])])


def _evaluation(sweep: Sweep, folder: Path, subject: list[str]) -> list[str]:
    data = [word for path in sweep.gold for word in ("--data", path)]
    return ["eval", *subject, *data, "-o", str(folder / "eval"), *_EVALUATION]


def _folder(sweep: Sweep, ratio: tuple[float, float], seed: int) -> Path:
    name = f"{ratio[0]:g}-{ratio[1]:g}"
    return sweep.out / (f"{name}-seed{seed}" if sweep.seeds > 1 else name)


def _sources(sweep: Sweep, agent: int, general: int) -> list[str]:
    words = ["--agent", str(agent), "--agent-source", *sweep.agent] if agent else []
    return [*words, *(["--general", str(general), "--general-source", *sweep.general] if general else [])]


def _do(sweep: Sweep, work: Work, tell: Tell, name: str) -> None:
    """Run the stages that are not done. What was made of something else is begun anew; a folder that no sweep made is
    kept.

    Raises SetupError for such a folder, and for one that cannot be made.
    """
    parts = made_of(sweep, work)
    mark = work.folder / _MADE_OF
    with writing(work.folder):
        work.folder.mkdir(parents=True, exist_ok=True)
    if not mark.exists() and any(work.folder.iterdir()):
        raise SetupError(f"{work.folder}: is there already, and no sweep made it; choose another place with -o")
    if not mark.exists() or json.loads(mark.read_text(encoding="utf-8")) != parts:
        # The mark says whose the folder is also where this is broken off.
        clear(work.folder, [_MADE_OF])
        write_json(mark, parts)
    for words in work.stages:
        done = work.folder / f"{words[0]}.out"
        if done.exists():
            continue
        tell(f"{name}: {words[0]}")
        if words[0] == "sft":
            shutil.rmtree(work.folder / "run", ignore_errors=True)
        # 7: the gate of a config, which says nothing about a sweep.
        write_text(done, run_command(words, done.with_suffix(".log"), passes=(0, 7)))


def made_of(sweep: Sweep, work: Work) -> str:
    """Everything that the folder's files follow from, as text that can be compared."""
    gold = sweep.gold if work.folder != sweep.held_out.parent else ()
    # Local files; a hub id brings its own revision into the mix's manifest.
    named = {Path(file) for source in (*sweep.agent, *sweep.general, *gold) for file in glob.glob(source)}
    about = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(named) if file.is_file()]
    config = load(sweep.config, sweep.changes)
    parts = [__version__, work.stages, about, config.as_dict()]
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def _result(sweep: Sweep, ratio: tuple[float, float]) -> dict[str, Any]:
    runs = [_scores(_folder(sweep, ratio, seed)) for seed in range(sweep.seeds)]
    agent, general = shares(sweep.rows, ratio)
    found: dict[str, Any] = {"ratio": f"{ratio[0]:g}:{ratio[1]:g}", "agent": agent, "general": general}
    found |= {name: together([run[name] for run in runs]) for name in (TOOL, FORGETTING)}
    return found if sweep.seeds == 1 else {**found, "runs": runs}


def _scores(folder: Path) -> dict[str, Any]:
    scores = json.loads((folder / "eval.out").read_text(encoding="utf-8"))["tuned"]
    return {name: scores[name] for name in (TOOL, FORGETTING)}


def together(estimates: list[dict[str, Any]]) -> dict[str, Any]:
    """One estimate for several seeds: the mean of the values, from the lowest to the highest bound of their
    intervals."""
    if len(estimates) == 1 or any(estimate["value"] is None for estimate in estimates):
        return estimates[0]
    return {
        "value": sum(estimate["value"] for estimate in estimates) / len(estimates),
        "n": sum(estimate["n"] for estimate in estimates),
        "low": min(estimate["low"] for estimate in estimates),
        "high": max(estimate["high"] for estimate in estimates),
    }


def page(result: Mapping[str, Any]) -> str:
    """A page with the plot: forgetting to the right, exact calls upwards, a point with its intervals for each
    ratio. result: what `sweep mix --json` prints."""
    points = [point for point in result["points"] if None not in (point[TOOL]["value"], point[FORGETTING]["value"])]
    zero = result["base"][FORGETTING]["value"]
    reached = [point[FORGETTING][end] for point in points for end in ("low", "high")]
    ends = sorted({edge([*reached, *([] if zero is None else [zero])]) for edge in (min, max)}) if points else [0.0]

    def x(value: float) -> float:
        share = 0.04 + 0.92 * (value - ends[0]) / ((ends[-1] - ends[0]) or 1.0)
        return float(round(_PLOT["left"] + (_PLOT["right"] - _PLOT["left"]) * share, 1))

    def y(value: float) -> float:
        return float(round(_PLOT["bottom"] - (_PLOT["bottom"] - _PLOT["top"]) * value, 1))

    values = {"result": result, "seeds": result.get("seeds", 1), "points": points, "zero": zero, "ends": ends}
    return render("commands/sweep.html.j2", **values, **_PLOT, x=x, y=y, tool=TOOL, forgetting=FORGETTING)
