"""What an evaluation reports: headline rows, cases side by side, and the Markdown for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from swiftagent.errors import visible
from swiftagent.scores.calls import Attempt, Part, StepScore
from swiftagent.scores.metrics import METRICS, Metric
from swiftagent.trajectory.types import Call, Observation, Question

if TYPE_CHECKING:
    from swiftagent.evaluate.scoring import Scored

Summary = Mapping[str, Any]
_MOST_FIELDS, _MOST_CASES = 20, 300


class HeadlineRow(msgspec.Struct, frozen=True):
    """One metric of base and tuned. verdict: better, worse, "" (within noise) or "-" (nothing to compare)."""

    metric: str
    base: Mapping[str, Any] | None
    tuned: Mapping[str, Any]
    difference: Mapping[str, Any] | None
    verdict: str


class Case(msgspec.Struct, frozen=True):
    """One decision point side by side. status: improved, broke, still wrong or right; missed: metrics that the tuned
    model did not reach there."""

    id: str
    status: str
    tool: str
    question: str
    result: str  # the last result before it, "" at the first step
    gold: str
    base: str
    tuned: str
    missed: tuple[str, ...] = ()


def headline(summary: Summary) -> list[HeadlineRow]:
    """The metrics that were measured, in the order of metrics.json, which is that of their table."""
    rows = []
    for metric, tuned in summary["tuned"].items():
        base, difference = (summary.get(part, {}).get(metric) for part in ("base", "difference"))
        if tuned["n"] or (base and base["n"]):
            rows.append(HeadlineRow(metric, base, tuned, difference, verdict(metric, difference)))
    return rows


def verdict(metric: str, difference: Mapping[str, Any] | None) -> str:
    """better, worse, "" where zero lies in the interval, "-" where there is nothing to compare."""
    if difference is None or difference["value"] is None:
        return "-"
    if difference["is_noise"]:
        return ""
    about = _about(metric)
    return "better" if (difference["value"] > 0) != bool(about and about.lower_is_better) else "worse"


def _about(metric: str) -> Metric | None:
    return METRICS.get(metric.partition(" ")[0])  # "pass^1 shop" is pass^1 of a domain


def format_value(metric: str, value: float | None, *, signed: bool = False) -> str:
    """A value as it is written: 87.5 for a share of 0.875, 1.234 for a number."""
    if value is None:
        return "–"
    about = _about(metric)
    number = f"{100 * value:.1f}" if about and about.share else f"{value:.3f}"
    if signed and value >= 0:
        return f"+{number}"
    return number.replace("-", "−") if signed else number


def with_interval(metric: str, found: Mapping[str, Any] | None) -> str:
    """ "87.5 (80.1–93.0)"."""
    if not found or found["value"] is None:
        return "–"
    value, low, high = (format_value(metric, found[key]) for key in ("value", "low", "high"))
    return f"{value} ({low}–{high})"


def without_interval(metric: str, found: Mapping[str, Any] | None) -> str:
    return format_value(metric, found["value"] if found else None)


def with_difference(metric: str, found: Mapping[str, Any] | None) -> str:
    """ "+4.2 (+1.0 to +7.9)"."""
    if not found or found["value"] is None:
        return "–"
    value, low, high = (format_value(metric, found[key], signed=True) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


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


_CHAT = {"bits_per_byte": "bits per byte", "answer_rouge_l": "ROUGE-L of its own answers"}


def forgotten(summary: Summary) -> str:
    """What it forgot of chat, in one sentence; "" where that was not measured for both models."""
    lost = summary.get("forgetting")
    if lost is None:
        return ""
    found = {"bits_per_byte": summary["difference"].get("bits_per_byte"), "answer_rouge_l": lost["change"]}
    found = {name: change for name, change in found.items() if change and change["value"] is not None}
    changes = [f"{_CHAT[name]} {with_difference(name, change)}" for name, change in found.items()]
    forgot = any(verdict(name, change) == "worse" for name, change in found.items())
    # Of fewer rows no paired test goes below 5 %.
    kept = "no forgetting beyond noise" if lost["change"]["n"] >= 6 else "too few answers to tell"
    return (
        f"On {lost['answers']:,} held-out chat answers, against its base: {', '.join(changes)}; "
        f"{lost['further']:,} got clearly further from the reference and {lost['closer']:,} closer: "
        f"{'it forgot' if forgot else kept}."
    )


def gate_lines(summary: Summary) -> list[tuple[str, str, str]]:
    """(rule, measured, passed or FAILED) of each rule of the gate."""
    lines = []
    for rule in summary["gate"]["rules"]:
        name = f"{rule['metric']}: {rule['rule']} {rule['limit']:g}"
        measured = rule["note"] if rule["measured"] is None else f"{rule['measured']:.4g}"
        lines.append((name, measured, "passed" if rule["passed"] else "FAILED"))
    return lines


def evalscope_lines(summary: Summary) -> list[tuple[str, str, str, int]]:
    """(set and score, base, tuned, questions) of each of evalscope's sets."""
    tuned, base = summary["evalscope"]["tuned"], summary["evalscope"].get("base", {})
    return [
        (f"{name} {found['score'] or ''}".strip(), _plain_score(base.get(name)), _plain_score(found), found["n"] or 0)
        for name, found in tuned.items()
    ]


def _plain_score(found: Mapping[str, Any] | None) -> str:
    return "–" if not found or found["value"] is None else f"{found['value']:.4g}"


def cases(tuned: Scored, base: Scored | None = None) -> list[Case]:
    """Decision points side by side: what broke first, then what improved, then what is still wrong; at most 300
    of each."""
    of_base = {score.step.id: score for score in (base.steps if base else ())}
    found: dict[str, list[Case]] = {"broke": [], "improved": [], "still wrong": [], "right": []}
    for score in tuned.steps:
        other = of_base.get(score.step.id)
        if other is None or other.right == score.right:
            status = "right" if score.right else "still wrong"
        else:
            status = "improved" if score.right else "broke"
        # A page of many thousand cases is slow to open; each status keeps its first.
        if len(found[status]) < _MOST_CASES:
            found[status].append(_case(score, other, status))
    return [case for kind in found.values() for case in kind]


def _case(score: StepScore, base: StepScore | None, status: str) -> Case:
    step = score.step
    tool = step.calls[0].tool if step.calls else "(no call)"
    question = next((event.text for event in reversed(step.context) if isinstance(event, Question)), "")
    last = step.context[-1] if step.context else None
    result = last.text if isinstance(last, Observation) else ""
    gold = _calls_text(step.calls) or step.answer or ""
    texts = gold, "" if base is None else _predicted_text(base), _predicted_text(score)
    measured = {name: (metric, metric.measure(score)) for name, metric in METRICS.items() if metric.measure}
    missed = tuple(name for name, each in measured.items() if _is_missed(*each))
    return Case(step.id, status, tool, question, result, *texts, missed)


def _is_missed(metric: Metric, part: Part | None) -> bool:
    return part is not None and (part[0] > 0 if metric.lower_is_better else part[0] < part[1])


def _predicted_text(score: StepScore) -> str:
    found = score.predicted
    return found.text.strip() or _calls_text(found.calls) or found.answer or "(nothing)"


def _calls_text(calls: Iterable[Attempt | Call]) -> str:
    return "\n".join(f"{call.tool} {json.dumps(call.arguments, ensure_ascii=False)}" for call in calls)


class Table(NamedTuple):
    """A table of the terminal and of Markdown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def tables(summary: Summary, *, intervals: bool = True) -> Iterator[Table]:
    """Everything that was measured. intervals: of both models too, beside that of their difference."""
    rows, sides = headline(summary), ("base", "tuned", "n")
    value = with_interval if intervals else without_interval
    if "base" in summary:
        compared = []
        for row in rows:
            values = value(row.metric, row.base), value(row.metric, row.tuned)
            change = with_difference(row.metric, row.difference)
            compared.append((row.metric, *values, change, row.tuned["n"], row.verdict or "noise"))
        columns = ("", "base", "tuned", "difference", "n", "")
        yield Table("shares in %; the difference with its 95 % interval", columns, compared)
    else:
        lines = [(row.metric, with_interval(row.metric, row.tuned), row.tuned["n"]) for row in rows]
        yield Table("shares in %, with 95 % intervals", ("", "tuned", "n"), lines)
    if "fields" in summary:
        tuned, base = summary["fields"]["tuned"]["accuracy"], summary["fields"].get("base", {}).get("accuracy", {})
        fields = [
            (name, with_interval("answer_exact", base.get(name)), with_interval("answer_exact", found), found["n"])
            for name, found in list(tuned.items())[:_MOST_FIELDS]
        ]
        yield Table("JSON answers, field by field", ("field", *sides), fields)
    if "evalscope" in summary:
        yield Table("evalscope's own scores", ("set", *sides), evalscope_lines(summary))
    if summary["gate"]["rules"]:
        result = "passed" if summary["gate"]["passed"] else "FAILED"
        yield Table(f"gate: {result}", ("rule", "measured", ""), gate_lines(summary))
    if examples := summary.get("forgetting", {}).get("examples"):
        texts = [[_beginning(each[key]) for key in ("question", "base", "tuned")] for each in examples]
        yield Table("chat that got worse", ("question", "base", "tuned"), texts)


def _beginning(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def markdown(summary: Summary) -> str:
    """The evaluation as Markdown for a pull request."""
    data = summary["data"]
    name = visible(str(summary["about"].get("name", "predictions")))
    counts = f"{data['rows']:,} rows, {data['steps']:,} next steps on given context, {data['calls']:,} gold calls."
    parts = [f"### Evaluation: {name}", sentence(summary), counts, forgotten(summary)]
    parts += [f"{table.title}\n\n{markdown_table(table.columns, table.rows)}" for table in tables(summary)]
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The columns after the first, which hold values, are set to the right."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    cells = [columns, rule, *([f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(visible(str(cell)) for cell in line)} |" for line in cells)


def comparison(runs: Mapping[str, Summary]) -> tuple[list[str], list[list[str]]]:
    """(columns, rows) of several runs side by side, the best value of each metric marked with *."""
    rows = []
    for metric, about in METRICS.items():
        found = {name: summary["tuned"].get(metric) for name, summary in runs.items()}
        values = {name: each["value"] for name, each in found.items() if each and each["value"] is not None}
        if not values:
            continue
        best = (min if about.lower_is_better else max)(values.values())
        marks = {name: " *" for name, value in values.items() if value == best and len(values) > 1}
        rows.append([metric, *(with_interval(metric, found[name]) + marks.get(name, "") for name in runs)])
    return ["", *runs], rows
