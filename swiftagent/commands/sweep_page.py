"""The plot of a sweep: forgetting to the right, exact calls upwards, a point with its intervals for each ratio."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

TOOL, FORGETTING = "call_exact", "bits_per_byte"
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 620, 24, 330
_STYLE = """:root{--ink:#1b1f24;--soft:#5b6570;--line:#dfe3e8;--page:#fff;--point:#1f6feb;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#31373f;--page:#14171b;--point:#6ea8fe}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:760px;margin:0 auto;padding:32px 24px}h1{font-size:26px;margin:0 0 4px}
p{color:var(--soft);margin:0 0 20px}
svg{width:100%;height:auto}path{stroke:var(--line);fill:none}.reach{stroke:var(--point);opacity:.45;stroke-width:1.5}
.base{stroke:var(--soft);stroke-dasharray:4 4}circle{fill:var(--point)}text{font-size:12px;fill:var(--soft)}
text.name{fill:var(--ink);font-weight:600}"""


def page(result: Mapping[str, Any]) -> str:
    """The page, which stands alone. result: what `sweep mix --json` prints."""
    known = [point for point in result["points"] if _is_measured(point)]
    drawn = (
        _plot(known, result["base"])
        if known
        else "<p>No ratio has both scores: is there chat among the evaluated rows?</p>"
    )
    seeds = result.get("seeds", 1)
    bars = f"the mean of {seeds} seeds; bars span their 95 % intervals" if seeds > 1 else "bars are 95 % intervals"
    about = f"{result['rows']:,} rows in every mix, trained by {escape(str(result['config']))}; {bars}."
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>sweep mix</title><style>{_STYLE}</style>"
        f"<main><h1>Which ratio of agent to general rows</h1><p>{about}</p>{drawn}</main></html>\n"
    )


def _is_measured(point: Mapping[str, Any]) -> bool:
    return point[TOOL]["value"] is not None and point[FORGETTING]["value"] is not None


def _plot(points: list[Mapping[str, Any]], base: Mapping[str, Any]) -> str:
    reached = [point[FORGETTING][key] for point in points for key in ("low", "high")]
    zero = base[FORGETTING]["value"]
    low, high = (
        min([*reached, *([zero] if zero is not None else [])]),
        max([*reached, *([zero] if zero is not None else [])]),
    )
    width = (high - low) or 1.0

    def x(value: float) -> float:
        return float(round(_LEFT + (_RIGHT - _LEFT) * (0.04 + 0.92 * (value - low) / width), 1))

    def y(value: float) -> float:
        return float(round(_BOTTOM - (_BOTTOM - _TOP) * value, 1))

    grid = "".join(
        f'<path d="M{_LEFT} {y(share)}H{_RIGHT}"/>'
        f'<text x="{_LEFT - 8}" y="{y(share) + 4}" text-anchor="end">{share:.0%}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    ends = f'<text x="{x(low)}" y="{_BOTTOM + 18}" text-anchor="middle">{low:.2f}</text>'
    ends += f'<text x="{x(high)}" y="{_BOTTOM + 18}" text-anchor="middle">{high:.2f}</text>' if high > low else ""
    mark = ""
    if zero is not None:
        mark = (
            f'<path class="base" d="M{x(zero)} {_TOP}V{_BOTTOM}"/><text x="{x(zero) + 5}" y="{_TOP + 10}">base</text>'
        )
    return (
        f'<svg viewBox="0 0 660 380" role="img" aria-label="exact calls against forgetting">{grid}{ends}{mark}'
        f'{"".join(_point(point, x, y) for point in points)}<text x="{_LEFT}" y="12">calls exact</text>'
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="370" text-anchor="middle">'
        "bits per byte of held-out chat: less is remembered better</text></svg>"
    )


def _point(point: Mapping[str, Any], x: Any, y: Any) -> str:
    calls, chat = point[TOOL], point[FORGETTING]
    across, up = x(chat["value"]), y(calls["value"])
    reach = f"M{x(chat['low'])} {up}H{x(chat['high'])}M{across} {y(calls['low'])}V{y(calls['high'])}"
    name = f'<text class="name" x="{across + 8}" y="{up - 7}">{escape(point["ratio"])}</text>'
    return f'<path class="reach" d="{reach}"/><circle cx="{across}" cy="{up}" r="5"/>{name}'
