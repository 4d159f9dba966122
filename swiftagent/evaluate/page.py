"""The evaluation as one self-contained HTML page: light and dark, printable, nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import Any

from swiftagent.evaluate.page_scores import grid, scores, section, tiles, value_cell
from swiftagent.evaluate.page_style import SCRIPT, STYLE
from swiftagent.evaluate.report import Case, Summary, evalscope_lines, gate_lines, headline, sentence, shown

Curve = Sequence[Mapping[str, Any]]  # lines of metrics.jsonl: step, loss, eval_loss
_GROUP_METRICS = ("call_exact", "tool_name", "no_call_recall", "argument_values")


def page(summary: Summary, cases: Sequence[Case], curve: Curve = ()) -> str:
    """The whole page. Every text from models and data is escaped."""
    name = escape(str(summary["about"].get("name", "predictions")))
    parts = [
        _head(name, summary),
        tiles(headline(summary)),
        scores(headline(summary), "base" in summary),
        _gate(summary),
        _evalscope(summary),
        _groups(summary),
        _fields(summary),
        _loss(curve),
        _cases(cases),
        _about(summary),
    ]
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{meta}<title>Evaluation: {name}</title><style>{STYLE}</style></head>\n'
        f"<body><main>\n{''.join(parts)}\n</main><script>{SCRIPT}</script></body></html>\n"
    )


def _head(name: str, summary: Summary) -> str:
    data = summary["data"]
    facts = [
        (data["rows"] or data["steps"], "rows"),
        (data["steps"], "decision points"),
        (data["calls"], "gold calls"),
        (summary["tuned"]["free_finished"]["n"], "free runs"),
        (data["chat_answers"], "chat answers"),
    ]
    counts = "".join(f"<li><b>{count:,}</b> {label}</li>" for count, label in facts if count)
    lead = f'<p class="lead">{escape(sentence(summary))}</p>'
    kicker = " ".join(["swiftagent eval", *_models(summary["about"])])
    title = f'<p class="kicker">{escape(kicker)}</p><h1>{name}{_badge(summary)}</h1>'
    return f'<header>{title}{lead}<ul class="counts">{counts}</ul></header>'


def _models(about: Mapping[str, Any]) -> list[str]:
    """Which model against which; of a path, what tells it from others."""
    if not about.get("base"):
        return []
    tuned, base = ("/".join(PurePath(str(about[key])).parts[-2:]) for key in ("tuned", "base"))
    return [f"· {tuned} against {base}"]


def _legend(base: str, tuned: str) -> str:
    return f'<p class="legend"><span class="base"></span>{base} <span class="tuned"></span>{tuned}</p>'


def _gate(summary: Summary) -> str:
    lines = gate_lines(summary)
    if not lines:
        return ""
    rows = "".join(
        f'<tr class="{"better" if word == "passed" else "worse"}"><td>{escape(rule)}</td><td>{escape(value)}</td>'
        f'<td class="verdict">{word}</td></tr>'
        for rule, value, word in lines
    )
    return section(f"Gate{_badge(summary, '')}", grid(["rule", "measured", ""], rows))


def _badge(summary: Summary, what: str = "gate ") -> str:
    if not summary["gate"]["rules"]:
        return ""
    kind, word = ("good", "passed") if summary["gate"]["passed"] else ("bad", "failed")
    return f' <span class="badge {kind}">{what}{word}</span>'


def _evalscope(summary: Summary) -> str:
    if "evalscope" not in summary:
        return ""
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td>{base}</td><td><b>{tuned}</b></td><td class="n">{n:,}</td></tr>'
        for name, base, tuned, n in evalscope_lines(summary)
    )
    note = '<p class="note">As evalscope reports them, without an interval.</p>'
    return section("evalscope", grid(["set", "base", "tuned", "n"], rows), note)


def _groups(summary: Summary) -> str:
    tuned, base = summary["groups"]["tuned"], summary["groups"].get("base", {})
    blocks = []
    for kind, groups in tuned.items():
        bars = "".join(_bars(name, metrics, base.get(kind, {}).get(name)) for name, metrics in groups.items())
        if bars and len(groups) > 1:
            blocks.append(f"<div><h3>By {escape(kind)}</h3>{bars}</div>")
    legend = _legend("base", "tuned, with 95 % intervals") if base else ""
    return section("Where", legend, f'<div class="groups">{"".join(blocks)}</div>') if blocks else ""


def _bars(name: str, tuned: Mapping[str, Any], base: Mapping[str, Any] | None) -> str:
    metric = next((metric for metric in _GROUP_METRICS if metric in tuned), None)
    if metric is None:
        return ""
    lines = ""
    for kind, metrics in (("base", base), ("tuned", tuned)):
        found = metrics.get(metric) if metrics else None
        if found and found["value"] is not None:
            spread = f"left:{100 * found['low']:.1f}%;width:{100 * (found['high'] - found['low']):.1f}%"
            bar = f'<i class="{kind}" style="width:{100 * found["value"]:.1f}%"></i><u style="{spread}"></u>'
            lines += f'<div class="bar">{bar}</div><span>{shown(metric, found["value"])}</span>'
    label = f"<p><b>{escape(name.strip())}</b> <small>{metric}, n {tuned[metric]['n']:,}</small></p>"
    return f'<div class="group">{label}<div class="lines">{lines}</div></div>'


def _fields(summary: Summary) -> str:
    fields = summary.get("fields", {})
    if not fields or not fields["tuned"]["accuracy"]:
        return ""
    base = fields.get("base", {}).get("accuracy", {})
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th>"
        + (f"<td>{value_cell('answer_exact', base.get(name))}</td>" if base else "")
        + f'<td>{value_cell("answer_exact", found)}</td><td class="n">{found["n"]:,}</td></tr>'
        for name, found in fields["tuned"]["accuracy"].items()
    )
    wrong = "".join(
        f"<tr>{''.join(f'<td>{escape(found[key])}</td>' for key in ('field', 'gold', 'predicted'))}"
        f"<td class=n>{found['count']:,}</td></tr>"
        for found in fields["tuned"]["confusions"]
    )
    head = ["field", "base", "tuned", "n"] if base else ["field", "tuned", "n"]
    confusions = "<h3>Worst confusions</h3>" + grid(["field", "gold", "tuned", "times"], wrong) if wrong else ""
    return section("Fields of JSON answers", grid(head, rows), confusions)


def _loss(curve: Curve) -> str:
    trained, held_out = _points(curve, "loss"), _points(curve, "eval_loss")
    if len(trained) < 2:
        return ""
    last = max(x for x, _ in trained + held_out) or 1.0
    low, high = min(y for _, y in trained + held_out), max(y for _, y in trained + held_out)
    span = (high - low) or 1.0
    places = [[(50 + 640 * x / last, 20 + 180 * (high - y) / span) for x, y in line] for line in (trained, held_out)]
    drawn = f'<path class="base" d="{_path(places[0])}"/>'
    if held_out:
        dots = "".join(f'<circle class="tuned" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places[1])
        drawn += f'<path class="tuned" d="{_path(places[1])}"/>{dots}'
    ends = f'<text x="44" y="24">{high:.2f}</text><text x="44" y="204">{low:.2f}</text>'
    chart = f'<path class="axis" d="M50 20V200H690"/>{drawn}{ends}<text x="690" y="222">step {last:,.0f}</text>'
    svg = f'<svg class="curve" viewBox="0 0 700 230" role="img" aria-label="loss by step">{chart}</svg>'
    return section("Loss", _legend("training", "held out"), svg)


def _points(curve: Curve, key: str) -> list[tuple[float, float]]:
    return [
        (float(line["step"]), float(line[key]))
        for line in curve
        if _is_number(line.get(key)) and _is_number(line.get("step"))
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return ""
    compared = any(case.base for case in cases)
    counts = {
        kind: sum(case.status == kind for case in cases) for kind in ("broke", "improved", "still wrong", "right")
    }
    buttons = "".join(f'<button data-status="{kind}">{kind} <b>{n}</b></button>' for kind, n in counts.items() if n)
    tools = "".join(f"<option>{escape(tool)}</option>" for tool in sorted({case.tool for case in cases}))
    find = '<input type="search" placeholder="text to find" aria-label="text to find"><output></output>'
    choose = f'<select aria-label="tool"><option value="">every tool</option>{tools}</select>'
    bar = f'<div class="filter"><button data-status="" class="on">all</button>{buttons}{choose}{find}</div>'
    return f'<section id="cases"><h2>Cases</h2>{bar}{"".join(_case(case, compared) for case in cases)}</section>'


def _case(case: Case, compared: bool) -> str:
    sides = [("gold", case.gold)] + ([("base", case.base)] if compared else []) + [("tuned", case.tuned)]
    columns = "".join(f"<div><h4>{label}</h4><pre>{escape(text)}</pre></div>" for label, text in sides)
    result = f'<p class="result"><small>last result</small> {escape(case.result[:400])}</p>' if case.result else ""
    question = f'<span class="tag">{case.status}</span> {escape(case.question[:400])} <small>{escape(case.id)}</small>'
    place = f'class="{case.status.replace(" ", "-")}" data-status="{case.status}" data-tool="{escape(case.tool, quote=True)}"'
    return f'<article {place}><p class="q">{question}</p>{result}<div class="sides">{columns}</div></article>'


def _about(summary: Summary) -> str:
    told = {**summary["about"], **{f"data: {key}": value for key, value in summary["data"].items()}}
    rows = "".join(
        f"<tr><th scope=row>{escape(str(key))}</th><td><pre>{escape(_plain(value))}</pre></td></tr>"
        for key, value in told.items()
        if value not in (None, "", [], {})
    )
    return section("What was evaluated", f'<table class="about"><tbody>{rows}</tbody></table>')


def _plain(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, indent=1 if isinstance(value, dict) else None)
    )
