"""What an evaluation tells a person: headline rows, cases side by side, and the Markdown for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from swiftagent.scores.calls import Attempt, DecisionPoint, StepScore
from swiftagent.scores.metrics import METRICS
from swiftagent.trajectory.types import Observation, Question

Summary = Mapping[str, Any]


class HeadlineRow(msgspec.Struct, frozen=True):
    """One metric of base and tuned. verdict: better, worse, "" (within noise) or "-" (nothing to compare)."""

    metric: str
    base: Mapping[str, Any] | None
    tuned: Mapping[str, Any]
    difference: Mapping[str, Any] | None
    verdict: str


class Case(msgspec.Struct, frozen=True):
    """One decision point side by side. status: improved, broke, still wrong or right."""

    id: str
    status: str
    tool: str
    question: str
    result: str  # the last result before it, "" at the first step
    gold: str
    base: str
    tuned: str


def headline(summary: Summary) -> list[HeadlineRow]:
    """The metrics that were measured, in the order of the table."""
    rows = []
    for metric in METRICS:
        tuned = summary["tuned"].get(metric)
        base = summary.get("base", {}).get(metric)
        measured = [found for found in (tuned, base) if found and found["n"]]
        if not measured or tuned is None:
            continue
        difference = summary.get("difference", {}).get(metric)
        rows.append(HeadlineRow(metric, base, tuned, difference, verdict(metric, difference)))
    return rows


def verdict(metric: str, difference: Mapping[str, Any] | None) -> str:
    """better, worse, "" where zero lies in the interval, "-" where there is nothing to compare."""
    if difference is None or difference["value"] is None:
        return "-"
    if difference["is_noise"]:
        return ""
    return "better" if (difference["value"] > 0) != METRICS[metric].lower_is_better else "worse"


def shown(metric: str, value: float | None, *, signed: bool = False) -> str:
    """A value as people read it: 87.5 for a share of 0.875, 1.234 for a number."""
    if value is None:
        return "–"
    share = metric in METRICS and METRICS[metric].share
    number = f"{100 * value:.1f}" if share else f"{value:.3f}"
    if signed and value >= 0:
        return f"+{number}"
    return number.replace("-", "−") if signed else number


def with_interval(metric: str, found: Mapping[str, Any] | None) -> str:
    """ "87.5 (80.1–93.0)"."""
    if not found or found["value"] is None:
        return "–"
    return f"{shown(metric, found['value'])} ({shown(metric, found['low'])}–{shown(metric, found['high'])})"


def without_interval(metric: str, found: Mapping[str, Any] | None) -> str:
    return shown(metric, found["value"] if found else None)


def with_difference(metric: str, found: Mapping[str, Any] | None) -> str:
    """ "+4.2 (+1.0 to +7.9)"."""
    if not found or found["value"] is None:
        return "–"
    low, high = shown(metric, found["low"], signed=True), shown(metric, found["high"], signed=True)
    return f"{shown(metric, found['value'], signed=True)} ({low} to {high})"


def sentence(summary: Summary) -> str:
    """The result in one sentence."""
    rows = headline(summary)
    if "base" not in summary:
        return f"{summary['about'].get('tuned', 'the model')}, {len(rows)} scores; no base model to compare with."
    better = [row.metric for row in rows if row.verdict == "better"]
    worse = [row.metric for row in rows if row.verdict == "worse"]
    if not better and not worse:
        return "No score changed by more than noise."
    lost = f"worse in {len(worse)} ({', '.join(worse)})" if worse else "worse in none"
    noise = sum(row.verdict == "" for row in rows)
    return f"Of {len(rows)} scores the tuned model is better in {len(better)} and {lost}; {noise} moved within noise."


def gate_lines(summary: Summary) -> list[tuple[str, str, str]]:
    """(rule, measured, passed or FAILED) of each rule of the gate."""
    lines = []
    for rule in summary["gate"]["rules"]:
        metric = rule["metric"]
        wanted = f"{metric}: {rule['rule']} {rule['limit']:g}"
        measured = rule["note"] if rule["measured"] is None else f"{rule['measured']:.4g}"
        lines.append((wanted, measured, "passed" if rule["passed"] else "FAILED"))
    return lines


def field_lines(summary: Summary, most: int = 20) -> list[tuple[str, str, str, int]]:
    """(field, base, tuned, n) of JSON answers scored field by field, of the first `most` fields."""
    tuned, base = summary["fields"]["tuned"]["accuracy"], summary["fields"].get("base", {}).get("accuracy", {})
    return [
        (name, with_interval("answer_exact", base.get(name)), with_interval("answer_exact", found), found["n"])
        for name, found in list(tuned.items())[:most]
    ]


def evalscope_lines(summary: Summary) -> list[tuple[str, str, str, int]]:
    """(set and score, base, tuned, questions) of each of evalscope's sets."""
    tuned, base = summary["evalscope"]["tuned"], summary["evalscope"].get("base", {})
    return [
        (f"{name} {found['score'] or ''}".strip(), _plain_score(base.get(name)), _plain_score(found), found["n"] or 0)
        for name, found in tuned.items()
    ]


def _plain_score(found: Mapping[str, Any] | None) -> str:
    return "–" if not found or found["value"] is None else f"{found['value']:.4g}"


def cases(steps: Iterable[StepScore], base: Mapping[str, StepScore] | None, *, longest: int = 300) -> list[Case]:
    """Decision points side by side: what broke first, then what improved, then what is still wrong; at most `longest`
    of each."""
    found: dict[str, list[Case]] = {"broke": [], "improved": [], "still wrong": [], "right": []}
    for score in steps:
        other = base.get(score.step.id) if base is not None else None
        status = _status(score.right, None if other is None else other.right)
        if len(found[status]) < longest:
            found[status].append(_case(score, other, status))
    return [case for kind in found.values() for case in kind]


def _status(tuned: bool, base: bool | None) -> str:
    if base is None or base == tuned:
        return "right" if tuned else "still wrong"
    return "improved" if tuned else "broke"


def _case(score: StepScore, base: StepScore | None, status: str) -> Case:
    step = score.step
    questions = [event.text for event in step.context if isinstance(event, Question)]
    last = step.context[-1] if step.context else None
    return Case(
        step.id,
        status,
        step.calls[0].tool if step.calls else "(no call)",
        questions[-1] if questions else "",
        last.text if isinstance(last, Observation) else "",
        _gold_text(step),
        "" if base is None else _predicted_text(base),
        _predicted_text(score),
    )


def _gold_text(step: DecisionPoint) -> str:
    if step.calls:
        return _calls_text(Attempt(call.tool, call.arguments) for call in step.calls)
    return step.answer or ""


def _predicted_text(score: StepScore) -> str:
    found = score.predicted
    return found.text.strip() or _calls_text(found.calls) or found.answer or "(nothing)"


def _calls_text(calls: Iterable[Attempt]) -> str:
    return "\n".join(f"{call.tool} {json.dumps(call.arguments, ensure_ascii=False)}" for call in calls)


def markdown(summary: Summary) -> str:
    """The evaluation as Markdown for a pull request."""
    data = summary["data"]
    lines = [f"### Evaluation: {summary['about'].get('name', 'predictions')}", "", sentence(summary), ""]
    lines += [
        f"{data['rows']:,} rows, {data['steps']:,} decision points, {data['calls']:,} gold calls; "
        "values with bootstrap 95 % intervals, shares in %.",
        "",
        "| | base | tuned | difference | n | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in headline(summary):
        sign = {"better": "better", "worse": "**worse**", "": "noise", "-": ""}[row.verdict]
        cells = [with_interval(row.metric, row.base), with_interval(row.metric, row.tuned)]
        lines.append(
            f"| {row.metric} | {' | '.join(cells)} | {with_difference(row.metric, row.difference)} "
            f"| {row.tuned['n']:,} | {sign} |"
        )
    if "fields" in summary:
        lines += ["", "| field of JSON answers | base | tuned | n |", "| --- | ---: | ---: | ---: |"]
        lines += [f"| {' | '.join(map(str, line))} |" for line in field_lines(summary)]
    if "evalscope" in summary:
        lines += ["", "| evalscope's own scores | base | tuned | n |", "| --- | ---: | ---: | ---: |"]
        lines += [f"| {' | '.join(map(str, line))} |" for line in evalscope_lines(summary)]
    if summary["gate"]["rules"]:
        lines += [
            "",
            f"Gate: **{'passed' if summary['gate']['passed'] else 'FAILED'}**",
            "",
            "| rule | measured | |",
            "| --- | ---: | --- |",
        ]
        lines += [f"| {' | '.join(line)} |" for line in gate_lines(summary)]
    return "\n".join(lines) + "\n"


def comparison(runs: Mapping[str, Summary]) -> tuple[list[str], list[list[str]]]:
    """(columns, rows) of several runs side by side, the best value of each metric marked with *."""
    rows = []
    for metric, about in METRICS.items():
        found = {name: summary["tuned"].get(metric) for name, summary in runs.items()}
        values = {
            name: estimate["value"] for name, estimate in found.items() if estimate and estimate["value"] is not None
        }
        if not values:
            continue
        best = (min if about.lower_is_better else max)(values.values())
        cells = [
            with_interval(metric, found[name]) + (" *" if values.get(name) == best and len(values) > 1 else "")
            for name in runs
        ]
        rows.append([metric, *cells])
    return ["", *runs], rows
