"""The plot of a sweep: forgetting to the right, exact calls upwards, a point with its intervals for each ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swiftagent.io.pages import render

TOOL, FORGETTING = "call_exact", "bits_per_byte"
_PLOT = {"left": 70, "right": 620, "top": 24, "bottom": 330}  # of a drawing of 660 by 380


def page(result: Mapping[str, Any]) -> str:
    """A whole HTML page. result: what `sweep mix --json` prints."""
    points = [point for point in result["points"] if None not in (point[TOOL]["value"], point[FORGETTING]["value"])]
    zero = result["base"][FORGETTING]["value"]
    reached = [point[FORGETTING][end] for point in points for end in ("low", "high")]
    ends = sorted({edge([*reached, *([] if zero is None else [zero])]) for edge in (min, max)}) if points else [0.0]

    def x(value: float) -> float:
        share = 0.04 + 0.92 * (value - ends[0]) / ((ends[-1] - ends[0]) or 1.0)
        return float(round(_PLOT["left"] + (_PLOT["right"] - _PLOT["left"]) * share, 1))

    def y(value: float) -> float:
        return float(round(_PLOT["bottom"] - (_PLOT["bottom"] - _PLOT["top"]) * value, 1))

    values = {"result": result, "seeds": result.get("seeds", 1), "points": points, "zero": zero, "ends": ends}
    return render("commands/sweep.html.j2", **values, **_PLOT, x=x, y=y, tool=TOOL, forgetting=FORGETTING)
