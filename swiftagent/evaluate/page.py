"""The evaluation as one self-contained HTML page: light and dark, printable, nothing fetched from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import PurePath
from shlex import quote
from typing import Any

from swiftagent.evaluate import report
from swiftagent.io.pages import render
from swiftagent.io.words import plainly
from swiftagent.scores.metrics import METRICS
from swiftagent.train.loss_curves import loss_series, plot

Curve = Sequence[Mapping[str, Any]]  # lines of metrics.jsonl: step, loss, eval_loss
# What was gained and what it cost, for a reader who reads no further.
TILES = {
    "call_exact": "calls exactly right",
    "no_call_recall": "answers where no call is needed",
    "free_calls": "gold calls made in free runs",
    "bits_per_byte": "bits per byte of held-out chat",
}
_GROUP_METRICS = ("call_exact", "tool_name", "no_call_recall", "argument_values")


def page(summary: report.Summary, cases: Sequence[report.Case], curve: Curve = ()) -> str:
    """The whole page. Every text from models and data is escaped."""
    data, about, rows = summary["data"], summary["about"], report.headline(summary)
    found = {row.metric: row for row in rows}
    facts = {**about, **{f"data: {key}": value for key, value in data.items()}}
    return render(
        "evaluate/page.html.j2",
        summary=summary,
        forgotten=report.forgotten(summary),
        fallen=_fallen(summary),
        compared="base" in summary,
        # The last two parts of a path distinguish models well enough for a heading.
        models=["/".join(PurePath(str(about[key])).parts[-2:]) for key in ("tuned", "base") if about.get("base")],
        counts={
            "rows": data["rows"] or data["steps"],
            "next steps on given context": data["steps"],
            "gold calls": data["calls"],
            "free runs": summary["tuned"]["free_finished"]["n"],
            "chat answers": data["chat_answers"],
        },
        tiles={title: found[metric] for metric, title in TILES.items() if metric in found},
        parts={part: list(own) for part, own in groupby(rows, lambda row: METRICS[row.metric].part)},
        gate=report.gate_lines(summary),
        evalscope=report.evalscope_lines(summary) if "evalscope" in summary else [],
        groups=_groups(summary["groups"]["tuned"], summary["groups"].get("base", {})),
        drawing=plot(loss_series(curve)),
        cases=cases,
        examples=_examples(cases),
        missed=Counter(name for case in cases for name in case.missed),
        # Where several files were trained on, the first is the mix.
        trained_on=quote((about.get("trained on") or [""])[0]) if about.get("trained on") else "",
        quote=quote,
        about={key: plainly(value) for key, value in facts.items() if value not in (None, "", [], {})},
        metrics=METRICS,
        report=report,
    )


def _examples(cases: Sequence[report.Case]) -> list[report.Case]:
    """Two of what improved and two of what did not, for a reader who opens no list."""
    kinds = (["improved"], ["broke", "still wrong"])
    return [case for kind in kinds for case in [each for each in cases if each.status in kind][:2]]


def _fallen(summary: report.Summary) -> list[report.Case]:
    """The chat answers that got worse, shown as cases are."""
    examples = summary.get("forgetting", {}).get("examples", [])
    return [
        report.Case("", "broke", "(no call)", each["question"], "", each["reference"], each["base"], each["tuned"])
        for each in examples
    ]


def _groups(tuned: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Of each kind of group with more than one: name, metric, n and each model's value."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, groups in tuned.items():
        for name, metrics in groups.items():
            metric = next((metric for metric in _GROUP_METRICS if metric in metrics), None)
            if metric and len(groups) > 1:
                both = {"base": base.get(kind, {}).get(name, {}).get(metric), "tuned": metrics[metric]}
                models = {model: one for model, one in both.items() if one and one["value"] is not None}
                bars = {"name": name.strip(), "metric": metric, "n": metrics[metric]["n"], "models": models}
                found.setdefault(kind, []).append(bars)
    return found
