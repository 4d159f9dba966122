"""The scores of the evaluation page: a few tiles for who reads no further, then every score with its intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from swiftagent.evaluate.report import HeadlineRow, shown, with_difference, with_interval
from swiftagent.scores.metrics import METRICS

TILES = {
    "call_exact": "calls exactly right",
    "no_call_recall": "answers where no call is needed",
    "free_calls": "gold calls made in free runs",
    "bits_per_byte": "bits per byte of held-out chat",
}
_WORDS = {"better": "better", "worse": "worse", "": "noise", "-": ""}


def section(title: str, *body: str) -> str:
    """A part of the page under its heading."""
    return f"<section><h2>{title}</h2>{''.join(body)}</section>"


def grid(head: Iterable[str], rows: str, kind: str = "") -> str:
    """A table; a column of numbers is set to the right."""
    heads = "".join(f"<th{' class=n' if name in ('n', 'times') else ''}>{name}</th>" for name in head)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def tiles(rows: Sequence[HeadlineRow]) -> str:
    """What was gained and what it cost, large: the tuned value, the base's, and the difference where it is no noise."""
    found = {row.metric: row for row in rows}
    drawn = "".join(_tile(found[metric], title) for metric, title in TILES.items() if metric in found)
    return f'<div class="tiles">{drawn}</div>' if drawn else ""


def _tile(row: HeadlineRow, title: str) -> str:
    metric = row.metric
    unit = "<i>%</i>" if METRICS[metric].share and row.tuned["value"] is not None else ""
    base = f"base {escape(shown(metric, row.base['value']))}{' %' if unit else ''}" if row.base else ""
    change = row.difference["value"] if row.difference else None
    moved = (
        f'<b class="{row.verdict}">{escape(shown(metric, change, signed=True))}</b> {_WORDS[row.verdict]}'
        if change is not None
        else ""
    )
    told = " · ".join(part for part in (base, moved) if part)
    value = escape(shown(metric, row.tuned["value"]))
    return f"<div><h3>{title}</h3><p><strong>{value}</strong>{unit}</p><small>{told}</small></div>"


def scores(rows: Sequence[HeadlineRow], compared: bool) -> str:
    """Every score, in the parts that metrics.py puts them into."""
    head = (
        ["score", "base", "tuned", "0 to 100 %", "difference", "", "n"]
        if compared
        else ["score", "tuned", "0 to 100 %", "n"]
    )
    note = "Shares in %, each with its bootstrap 95 % interval (rows resampled); ↓ less is better. "
    if compared:
        note += "Differences are paired; one whose interval holds zero, or with p of 0.05 or more, is noise and is not coloured. "
        note += "p: McNemar's exact test where marked M, else the paired bootstrap's."
    lines, part = "", ""
    for row in rows:
        if METRICS[row.metric].part != part:
            part = METRICS[row.metric].part
            lines += f'<tr class="part"><th colspan="{len(head)}" scope="rowgroup">{escape(part)}</th></tr>'
        lines += _score(row, compared)
    return section("Scores", grid(head, lines, "scores"), f'<p class="note">{note}</p>')


def _score(row: HeadlineRow, compared: bool) -> str:
    about = METRICS[row.metric]
    arrow = ' <span class="down" title="less is better">↓</span>' if about.lower_is_better else ""
    cells = f'<th scope="row"><span class="name">{escape(row.metric)}</span>{arrow}<small>{escape(about.about)}</small></th>'
    if compared:
        cells += f"<td>{value_cell(row.metric, row.base)}</td>"
    cells += f"<td>{value_cell(row.metric, row.tuned)}</td><td>{_whiskers(row, compared)}</td>"
    if compared:
        cells += f'<td class="{row.verdict}">{_split(with_difference(row.metric, row.difference))}</td>'
        cells += f'<td class="verdict {row.verdict}">{_WORDS[row.verdict]}{_p(row.difference)}</td>'
    return f'<tr>{cells}<td class="n">{row.tuned["n"]:,}</td></tr>'


def _p(difference: Mapping[str, Any] | None) -> str:
    if not difference or difference["p"] is None:
        return ""
    mark = " M" if difference["test"].startswith("McNemar") else ""
    return f"<small>p {'< 0.001' if difference['p'] < 0.001 else format(difference['p'], '.3f')}{mark}</small>"


def value_cell(metric: str, found: Mapping[str, Any] | None) -> str:
    """A score and its interval, as the inside of a cell."""
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
    for kind, found, y in (("base", row.base if compared else None, 6), ("tuned", row.tuned, 15)):
        if found and found["value"] is not None:
            low, high, value = (3 + 114 * found[key] for key in ("low", "high", "value"))
            marks += f'<line class="{kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
            marks += f'<circle class="{kind}" cx="{value:.1f}" cy="{y}" r="2.8"/>'
    scale = '<path d="M3 1V20M60 1V20M117 1V20"/>'
    return f'<svg class="whiskers" viewBox="0 0 120 21" role="img" aria-label="intervals">{scale}{marks}</svg>'
