"""The evaluation as one self-contained HTML page: light and dark, printable, nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from swiftagent.metrics import METRICS
from swiftagent.report import Case, HeadlineRow, Summary, gate_lines, headline, sentence, shown, with_difference, with_interval
from swiftagent.report_style import SCRIPT, STYLE

Curve = Sequence[Mapping[str, Any]]  # lines of metrics.jsonl: step, loss, eval_loss
_GROUP_METRICS = ("call_exact", "tool_name", "no_call_recall")


def page(summary: Summary, cases: Sequence[Case], curve: Curve = ()) -> str:
    """The whole page. Every text from models and data is escaped."""
    name = escape(str(summary["about"].get("name", "predictions")))
    parts = [
        _head(name, summary),
        _scores(headline(summary), "base" in summary),
        _gate(summary),
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
    return f'<header><p class="kicker">swiftagent eval</p><h1>{name}</h1>{lead}<ul class="counts">{counts}</ul></header>'


def _section(title: str, *body: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(body)}</section>"


def _grid(head: Iterable[str], rows: str, kind: str = "") -> str:
    """A table; a column of numbers is set to the right."""
    heads = "".join(f"<th{' class=n' if name in ('n', 'times') else ''}>{name}</th>" for name in head)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _legend(base: str, tuned: str) -> str:
    return f'<p class="legend"><span class="base"></span>{base} <span class="tuned"></span>{tuned}</p>'


def _scores(rows: Sequence[HeadlineRow], compared: bool) -> str:
    head = ["score", "base", "tuned", "difference", "", "n"] if compared else ["score", "tuned", "n"]
    note = "Shares in %, each with its bootstrap 95 % interval (rows resampled). "
    if compared:
        note += "Differences are paired; one whose interval holds zero is noise and is not coloured. "
        note += "p: McNemar's exact test where marked M, else the paired bootstrap's."
    table = _grid(head, "".join(_score(row, compared) for row in rows), "scores")
    return _section("Scores", table, f'<p class="note">{note}</p>')


def _score(row: HeadlineRow, compared: bool) -> str:
    about = METRICS[row.metric]
    arrow = '<span class="down" title="lower is better">↓</span>' if about.lower_is_better else ""
    cells = f'<th scope="row"><span class="name">{escape(row.metric)}</span> {arrow}<small>{escape(about.about)}</small></th>'
    if compared:
        cells += f"<td>{_value(row.metric, row.base)}</td>"
    cells += f"<td>{_value(row.metric, row.tuned)}{_whiskers(row, compared)}</td>"
    if compared:
        word = {"better": "better", "worse": "worse", "": "noise", "-": ""}[row.verdict]
        cells += f'<td class="{row.verdict}">{_split(with_difference(row.metric, row.difference))}{_p(row.difference)}</td>'
        cells += f'<td class="verdict {row.verdict}">{word}</td>'
    return f'<tr>{cells}<td class="n">{row.tuned["n"]:,}</td></tr>'


def _p(difference: Mapping[str, Any] | None) -> str:
    if not difference or difference["p"] is None:
        return ""
    mark = " M" if difference["test"].startswith("McNemar") else ""
    return f"<small>p {'< 0.001' if difference['p'] < 0.001 else format(difference['p'], '.3f')}{mark}</small>"


def _value(metric: str, found: Mapping[str, Any] | None) -> str:
    return _split(with_interval(metric, found))


def _split(text: str) -> str:
    """The value large, its interval small below."""
    value, _, interval = text.partition(" (")
    return f"<b>{escape(value)}</b>" + (f"<small>{escape(interval.rstrip(')'))}</small>" if interval else "")


def _whiskers(row: HeadlineRow, compared: bool) -> str:
    """Base and tuned as two points with their intervals on a line from 0 to 100 %."""
    if not METRICS[row.metric].share:
        return ""
    marks = ""
    for kind, found, y in (("base", row.base if compared else None, 4), ("tuned", row.tuned, 10)):
        if found and found["value"] is not None:
            low, high, value = (2 + 96 * found[key] for key in ("low", "high", "value"))
            marks += f'<line class="{kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
            marks += f'<circle class="{kind}" cx="{value:.1f}" cy="{y}" r="2.4"/>'
    scale = '<path d="M2 0V14M50 0V14M98 0V14"/>'
    return f'<svg class="whiskers" viewBox="0 0 100 14" role="img" aria-label="intervals">{scale}{marks}</svg>'


def _gate(summary: Summary) -> str:
    lines = gate_lines(summary)
    if not lines:
        return ""
    rows = "".join(
        f'<tr class="{"better" if word == "passed" else "worse"}"><td>{escape(rule)}</td><td>{escape(value)}</td>'
        f'<td class="verdict">{word}</td></tr>'
        for rule, value, word in lines
    )
    kind, word = ("good", "passed") if summary["gate"]["passed"] else ("bad", "failed")
    return _section(f'Gate <span class="badge {kind}">{word}</span>', _grid(["rule", "measured", ""], rows))


def _groups(summary: Summary) -> str:
    tuned, base = summary["groups"]["tuned"], summary["groups"].get("base", {})
    blocks = []
    for kind, groups in tuned.items():
        bars = "".join(_bars(name, metrics, base.get(kind, {}).get(name)) for name, metrics in groups.items())
        if bars and len(groups) > 1:
            blocks.append(f"<div><h3>By {escape(kind)}</h3>{bars}</div>")
    legend = _legend("base", "tuned, with 95 % intervals") if base else ""
    return _section("Where", legend, f'<div class="groups">{"".join(blocks)}</div>') if blocks else ""


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
        + (f"<td>{_value('answer_exact', base.get(name))}</td>" if base else "")
        + f'<td>{_value("answer_exact", found)}</td><td class="n">{found["n"]:,}</td></tr>'
        for name, found in fields["tuned"]["accuracy"].items()
    )
    wrong = "".join(
        f"<tr>{''.join(f'<td>{escape(found[key])}</td>' for key in ('field', 'gold', 'predicted'))}"
        f"<td class=n>{found['count']:,}</td></tr>"
        for found in fields["tuned"]["confusions"]
    )
    head = ["field", "base", "tuned", "n"] if base else ["field", "tuned", "n"]
    confusions = "<h3>Worst confusions</h3>" + _grid(["field", "gold", "tuned", "times"], wrong) if wrong else ""
    return _section("Fields of JSON answers", _grid(head, rows), confusions)


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
    return _section("Loss", _legend("training", "held out"), svg)


def _points(curve: Curve, key: str) -> list[tuple[float, float]]:
    return [
        (float(line["step"]), float(line[key])) for line in curve if _is_number(line.get(key)) and _is_number(line.get("step"))
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return ""
    compared = any(case.base for case in cases)
    counts = {kind: sum(case.status == kind for case in cases) for kind in ("broke", "improved", "still wrong", "right")}
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
    return _section("What was evaluated", f'<table class="about"><tbody>{rows}</tbody></table>')


def _plain(value: Any) -> str:
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1 if isinstance(value, dict) else None)
    )
