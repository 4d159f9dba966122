"""The page of `swiftagent stats --html`: the numbers of each channel with bars, one file, no script and nothing from
outside."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
:root{--ink:#1b1f24;--soft:#5b6570;--line:#dfe3e8;--page:#fff;--bar:#1f6feb;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#31373f;--page:#14171b;--bar:#6ea8fe}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
main{max-width:960px;margin:0 auto;padding:32px 24px 64px}h1{font-size:26px;overflow-wrap:anywhere}h2{margin-top:40px}
h3{font-size:13px;color:var(--soft);margin:18px 0 4px}table{border-collapse:collapse;width:100%;overflow-x:auto}
td,th{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--line)}td{font-variant-numeric:tabular-nums}
.bars{display:grid;grid-template-columns:minmax(60px,max-content) 1fr max-content;gap:2px 10px;align-items:center}
.bars i{display:block;height:12px;background:var(--bar);border-radius:2px;min-width:1px}.bars span{overflow-wrap:anywhere}
.bars b{font-weight:400;color:var(--soft);font-variant-numeric:tabular-nums}.side{display:grid;gap:0 40px;
grid-template-columns:repeat(auto-fit,minmax(260px,1fr))}
"""


def page(name: str, stats: Mapping[str, Any]) -> str:
    """A whole HTML page."""
    about = "" if stats["tokens_are"] == "exact" else "~"
    head = "".join(
        f"<th>{title}" for title in ("channel", "rows", "tokens", "trained tokens", "median length", "duplicates")
    )
    rows = "".join(
        f"<tr><td>{escape(channel)}<td>{counts['rows']:,}<td>{about}{counts['tokens']:,}<td>{about}{counts['trained_tokens']:,}"
        f"<td>{about}{counts['length'].get('p50', 0):,}<td>{counts['duplicates']:,}"
        for channel, counts in stats["channels"].items()
    )
    body = "".join(_channel(channel, counts) for channel, counts in stats["channels"].items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(name)}</title><style>{_STYLE}</style><main><h1>{escape(name)}</h1>"
        f"<p>{stats['rows']:,} rows, {stats['rejected']:,} that could not be read</p>"
        f"<table><tr>{head}</tr>{rows}</table>{body}</main>"
    )


def _channel(name: str, counts: Mapping[str, Any]) -> str:
    length, trained = counts["length"], counts["trained_length"]
    parts = [
        _bars(
            "tokens a row", {key: length[key] for key in ("min", "p25", "p50", "p75", "p95", "max") if key in length}
        ),
        _bars(
            "trained tokens a row",
            {key: trained[key] for key in ("min", "p25", "p50", "p75", "p95", "max") if key in trained},
        ),
        _bars("questions a row", counts["turns"]),
        _bars("calls a row", counts["calls"]),
        _bars("languages", counts["languages"]),
        _bars(f"tools called ({counts['tools']['distinct']:,})", dict(list(counts["tools"]["calls"].items())[:20])),
    ]
    return f"<h2>{escape(name)}</h2><div class=side>{''.join(parts)}</div>"


def _bars(title: str, values: Mapping[str, float]) -> str:
    if not values:
        return ""
    most = max(values.values()) or 1
    lines = "".join(
        f"<span>{escape(str(name))}</span><i style='width:{100 * value / most:.1f}%'></i><b>{value:,}</b>"
        for name, value in values.items()
    )
    return f"<div><h3>{escape(title)}</h3><div class=bars>{lines}</div></div>"
