"""The results of `real_base.py` as tables with intervals, a picture, and what each question came to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swiftagent.scores.intervals import MetricDifference, MetricEstimate, Ratios, paired_differences


class Measure(NamedTuple):
    heading: str
    lower_is_better: bool = False
    share: bool = True


MEASURES = {
    "call_exact seen": Measure("calls exact, seen tools"),
    "call_exact unseen": Measure("calls exact, unseen tools"),
    "tool_name seen": Measure("tool right, seen tools"),
    "tool_name unseen": Measure("tool right, unseen tools"),
    "no_call_recall": Measure("restraint, recall"),
    "no_call_precision": Measure("restraint, precision"),
    "invented": Measure("invents results", lower_is_better=True),
    "bits_per_byte": Measure("bits/byte of chat", lower_is_better=True, share=False),
    "own_bits": Measure("bits/byte of the base's own chat", lower_is_better=True, share=False),
    "agreement": Measure("agreement"),
    "result_bits": Measure("bits/byte of results", lower_is_better=True, share=False),
    "self_cognition": Measure("says its name"),
}
NOT_SHARES = tuple(name for name, measure in MEASURES.items() if not measure.share)
SHOWN_BY_SEED = ("call_exact seen", "call_exact unseen", "no_call_recall")
DECISIVE = ("call_exact seen", "call_exact unseen", "no_call_recall", "invented", "own_bits", "agreement")
QUESTIONS = {
    "a": "Masks: exact, none, by keyword",
    "d": "Keeping what it knew: chat as it is, written by the base, none, self-distilled, a weaker adapter",
    "c": "The learning rate and the rank of a LoRA (alpha 32)",
    "b": "Agent rows to chat rows, and rows that want no call",
    "f": "How the prompt lists tools",
    "e": "What thoughts and calls weigh in the loss",
    "g": "Augmentation: names and order of tools varied in half of the rows",
    "h": "Thoughts before calls: as in the data (nearly half of the calls have one), none, short, long",
}
# What was made of the runs of size "cpu", by question: a reading of the tables, the one thing that is typed by hand.
DECIDED = {
    "a": "Exact masks stay the default. Without them, and with keyword masks, a tool is called where none is "
    "needed, in every seed; a model that was trained on results expects them (bits per byte of results). Where"
    " a call is needed the three do not differ in every seed.",
    "d": "`configs/agent_best.yaml` has `method: self-distill`: in every seed calls are better and the base's own "
    "answers are kept. Penalising the divergence from the base was found to keep an 8B model from forgetting "
    "too (Bansal and Sanghavi, *Context-Free Synthetic Data Mitigates Forgetting*, arXiv 2505.13811, 2025; "
    "they sample the base without a prompt). Chat written by the base (`mix --rewrite-general`) keeps as much,"
    " in every seed, calls as well as plain chat and needs no second forward pass; others found the same of 7B"
    " models: Yang et al., *Self-Distillation Bridges Distribution Gap in Language Model Fine-Tuning* (ACL "
    "2024), and Huang et al., *Mitigating Catastrophic Forgetting in Large Language Models with Self-"
    "Synthesized Rehearsal* (ACL 2024). The validation split of such a mix is rewritten with it: by the "
    "answers of the data (bits per byte of chat) a model that keeps its own words seems to forget. Chat stays "
    "in the mix: without it a tool is called where none is needed, in every seed. `adapter_scale: auto` stays "
    "a hint: half of an adapter that was trained so briefly calls almost nothing.",
    "c": "No rate changes. 2e-4 forgets less than 1e-3 in every seed and learns its name in none; calls do not "
    "differ in every seed. Those of the 7B recipes are published ones.",
    "b": "Nothing: one seed each. Rows that want no call buy restraint with calls, more chat than calls forgets "
    "more of the base's own words.",
    "i": "`eval_calls` stays off where nobody asks for it: in 12 of 13 runs no checkpoint calls better than the last. "
    "In three the one before has less loss, by 0.005 to 0.03, and calls 8 to 27 points worse; where the best one "
    "is not the last, `eval_calls` is worth its time.",
}
Found = dict[tuple[str, int], dict[str, Any]]  # by arm and seed


def write_evidence(out: Path, runs: Path, about: str, questions: Mapping[str, str], seeds: int) -> Path:
    """Write the page and its picture from the JSON files of `runs`.

    `about`: what was trained on what, a sentence; `questions`: arm: question; `seeds`: of each arm, where all is done.
    """
    found: Found = {}
    for path in sorted(runs.glob("*-*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        found[row["arm"]["name"], row["seed"]] = row
    lines = _head(found, runs.name, about)
    lines += ["", "## The model before and after", "", *_table(found, ["untuned", "baseline"])]
    points = _points(found)
    # One point compares nothing.
    if len(points) > 1:
        _draw(out.parent / "img" / "evidence.svg", points)
        lines += ["", "![calls exact against forgetting, a point for each run](img/evidence.svg)"]
    for letter, title in QUESTIONS.items():
        arms = [arm for arm, question in questions.items() if question == letter and _seeds(found, arm)]
        lines += ["", f"## ({letter}) {title}", ""]
        lines += [*_table(found, ["baseline", *arms]), "", *_decided(found, arms)] if arms else ["Not run."]
        lines += _made_of(letter, runs)
    lines += ["", *_checkpoints(found), *_made_of("i", runs)]
    lines += [*_not_run(found, questions, seeds), *_hashes(found)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def _made_of(letter: str, runs: Path) -> list[str]:
    return ["", f"*Decided*: {DECIDED[letter]}"] if runs.name == "cpu" and letter in DECIDED else []


def _head(found: Found, size: str, about: str) -> list[str]:
    machines = sorted({row["machine"] for row in found.values()})
    hours = sum(row["seconds"] for row in found.values()) / 3600
    return [
        "# Evidence on a real model",
        "",
        f"Written by `python benchmarks/real_base.py --size {size} --work FOLDER`; by hand are the lines that begin "
        "with *Decided* alone. "
        f"{about} One factor at a time is changed from one baseline (exact masks, chat as it is 1:1, learning rate "
        "1e-3, rank 8). No training row offers or calls the unseen tools. Values are `value (low to high)`: 95 % "
        "bootstrap intervals over questions, the seeds of an arm pooled; they say nothing about other models or data. "
        "Two seeds of one arm differ by more than that, so a change is named only where every seed says the same.",
        "",
        f"Runs done: {len(found)}, {hours:.1f} hours on {'; '.join(machines)}.",
        "",
        "*Agreement*: the share of tokens of the base's own answers to held-out chat that the tuned model would write "
        "too. *Invents results*: without the stop word, the model writes a result after its call.",
    ]


def _seeds(found: Found, arm: str) -> list[int]:
    return [seed for name, seed in found if name == arm]


def _ratios(found: Found, arm: str, seeds: Iterable[int]) -> Ratios:
    parts = [each for seed in seeds for each in found[arm, seed]["parts"].items()]
    # A row without an id has that of its place: mixes of two checkouts name its folder differently.
    questions = [re.sub(r"\S*/", "", question) for question, _ in parts]
    return Ratios(tuple(MEASURES), questions, [each for _, each in parts])


def _table(found: Found, arms: Sequence[str]) -> list[str]:
    """Measures down, arms across."""
    arms = [arm for arm in arms if _seeds(found, arm)]
    columns = [_ratios(found, arm, _seeds(found, arm)).estimates(not_shares=NOT_SHARES) for arm in arms]
    lines = [f"| | {' | '.join(arms)} |", f"| --- |{' ---: |' * len(arms)}"]
    lines.append(f"| seeds | {' | '.join(str(len(_seeds(found, arm))) for arm in arms)} |")
    for name, measure in MEASURES.items():
        lines.append(f"| {measure.heading} | {' | '.join(_cell(column[name], measure.share) for column in columns)} |")
        if name in SHOWN_BY_SEED and max(len(_seeds(found, arm)) for arm in arms) > 1:
            lines.append(f"| – by seed | {' | '.join(_by_seed(found, arm, name) for arm in arms)} |")
    return lines


def _by_seed(found: Found, arm: str, name: str) -> str:
    each = [_ratios(found, arm, [seed]).estimates(resamples=10)[name].value for seed in _seeds(found, arm)]
    return ", ".join("–" if value is None else f"{100 * value:.0f}" for value in each)


def _cell(found: MetricEstimate, share: bool) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "–"
    if share:
        return f"{100 * found.value:.0f} ({100 * found.low:.0f} to {100 * found.high:.0f}), n {found.n}"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _decided(found: Found, arms: Sequence[str]) -> list[str]:
    """Each arm against the baseline, on the seeds that both have."""
    lines = []
    for arm in arms:
        seeds = sorted(set(_seeds(found, arm)) & set(_seeds(found, "baseline")))
        if not seeds:
            continue
        pair = _ratios(found, "baseline", seeds), _ratios(found, arm, seeds)
        changes = paired_differences(*pair, not_shares=NOT_SHARES)
        # Runs of one arm differ by more than questions do: what a single seed says the other way round is not decided.
        each = [
            paired_differences(*(_ratios(found, name, [seed]) for name in ("baseline", arm)), not_shares=NOT_SHARES)
            for seed in seeds
        ]
        moved = [
            _change(name, changes[name])
            for name in DECISIVE
            if not changes[name].is_noise and len({(one[name].value or 0) > 0 for one in each}) == 1
        ]
        text = "; ".join(moved) if moved else "nothing that decides moved beyond noise"
        few = "" if len(seeds) >= 3 else f" ({len(seeds)} of 3 seeds: no default is changed by it)"
        lines.append(f"- **{arm}** against the baseline: {text}{few}.")
    return lines


def _change(name: str, change: MetricDifference) -> str:
    measure = MEASURES[name]
    word = "better" if ((change.value or 0) > 0) != measure.lower_is_better else "worse"
    scale, digits, unit = (100, 0, " points") if measure.share else (1, 2, "")
    value, low, high = (f"{scale * (number or 0):+.{digits}f}" for number in (change.value, change.low, change.high))
    return f"{measure.heading} {word} by {value} ({low} to {high}){unit}"


def _checkpoints(found: Found) -> list[str]:
    """(i): the loss and the calls of a few questions along each run."""
    rows, agree = [], []
    for (arm, seed), row in found.items():
        asked = [(_mean_loss(row["curve"], point), point) for point in row["curve"] if "call_exact" in point]
        if len(asked) < 2:
            continue
        for loss, point in asked:
            rows.append(f"| {arm} | {seed} | {point['step']} | {loss:.3f} | {100 * point['call_exact']:.0f} |")
        least = min(asked, key=lambda one: one[0])[1]
        agree.append(least["call_exact"] == max(point["call_exact"] for _, point in asked))
    title = "## (i) Does the checkpoint with the least loss call best?"
    head = [
        f"In {sum(agree)} of {len(agree)} runs it does.",
        "",
        "| arm | seed | step | training loss, mean of 5 steps | calls exact |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    return [title, "", *head, *rows] if rows else [title, "", "Not run."]


def _mean_loss(curve: Sequence[Mapping[str, Any]], point: Mapping[str, Any]) -> float:
    near = [other["loss"] for other in curve if abs(other["step"] - point["step"]) <= 2]
    return float(sum(near) / len(near))


def _not_run(found: Found, arms: Iterable[str], seeds: int) -> list[str]:
    missing = {seed: [arm for arm in arms if (arm, seed) not in found] for seed in range(seeds)}
    lines = [f"- seed {seed}: {', '.join(names)}" for seed, names in missing.items() if names]
    return ["", "## Not run", "", *(lines or ["Nothing."])]


def _hashes(found: Found) -> list[str]:
    rows = [f"| {arm} | {seed} | `{row['predictions']}` |" for (arm, seed), row in found.items()]
    head = ["| arm | seed | SHA-256 (first 16 digits) |", "| --- | ---: | --- |"]
    return ["", "## The raw predictions", "", "They stay in the work folder.", "", *head, *rows]


def _points(found: Found) -> dict[str, list[tuple[float, float]]]:
    """By arm, for each run: bits per byte of the base's own chat, and calls exact on seen tools in per cent."""
    points: dict[str, list[tuple[float, float]]] = {}
    for arm, seed in found:
        values = _ratios(found, arm, [seed]).estimates(not_shares=NOT_SHARES, resamples=10)
        x, y = values["own_bits"].value, values["call_exact seen"].value
        if x is not None and y is not None:
            points.setdefault(arm, []).append((x, 100 * y))
    return points


def _draw(path: Path, points: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "evidence"  # else every drawing has other bytes
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for arm, where in points.items():
        axes.scatter(*zip(*where, strict=True), label=arm)
    axes.set_xlabel("bits per byte of the base's own answers to held-out chat (right: forgot more)")
    axes.set_ylabel("calls exact on seen tools, %")
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
