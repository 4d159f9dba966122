"""The plot of a sweep."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.commands.sweep_plan import page


def estimate(value: float | None, spread: float = 0.1) -> dict[str, Any]:
    around = (None, None) if value is None else (value - spread, value + spread)
    return {"value": value, "n": 20, "low": around[0], "high": around[1]}


def sweep(*points: tuple[str, float, float | None]) -> dict[str, Any]:
    rows = [
        {"ratio": name, "call_exact": estimate(calls), "bits_per_byte": estimate(bits)} for name, calls, bits in points
    ]
    return {
        "rows": 100,
        "config": "<c>.yaml",
        "points": rows,
        "base": {"call_exact": estimate(0.0), "bits_per_byte": estimate(2.0)},
    }


def test_better_calls_stand_higher_and_more_forgetting_to_the_right():
    drawn = page(sweep(("1:0", 0.9, 3.0), ("1:1", 0.5, 2.1)))
    places = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert places[0][0] > places[1][0] and places[0][1] < places[1][1]
    assert ">1:0<" in drawn and ">1:1<" in drawn and ">base<" in drawn
    assert "&lt;c&gt;.yaml" in drawn


def test_one_point_and_none():
    assert page(sweep(("1:1", 0.5, 2.0))).count("<circle") == 1
    assert "No ratio has both scores" in page(sweep(("1:0", 0.5, None)))
