"""The loss of a run as curves: raw values and their average, each channel, the evaluation; where they lie in an SVG
drawing, and loss.png."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.train.lines import channel_losses
from swiftagent.train.runs import Run

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 260, 56, 28
AVERAGE = "average"  # the name of the series that `loss` is averaged to
_REMEMBERED = 12  # that part of all points is the memory of the average: a longer one lags behind a short run
_LOG_FROM = 8.0  # a wider ratio of the largest to the smallest value is drawn on a log axis
Point = tuple[float, float]
COLORS = ("#1f6feb", "#9ec1f7", "#11734b", "#b8600b", "#8b3fb0", "#b42318", "#5b6570")


class Curve(msgspec.Struct, frozen=True):
    """One series in drawing coordinates. number: of its color. marked: each point gets a dot."""

    name: str
    points: list[Point]
    number: int
    marked: bool

    @property
    def path(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


class Plot(msgspec.Struct, frozen=True):
    """What a template draws. ticks: (place, text) of each axis."""

    curves: list[Curve]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    is_log: bool


def loss_series(metrics: Iterable[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """(step, loss) by name: `loss`, its `average`, each channel, `eval` and each channel of it, in this order."""
    series: dict[str, list[Point]] = {}
    for line in metrics:
        evaluated = "eval_loss" in line
        total = line.get("eval_loss" if evaluated else "loss")
        if total is None:
            continue
        channels = channel_losses(dict(line))
        named = {"eval" if evaluated else "loss": total}
        named |= {f"eval {name}" if evaluated else name: value for name, value in channels.items()}
        for name, value in named.items():
            if math.isfinite(value):
                series.setdefault(name, []).append((float(line["step"]), float(value)))
    if len(series.get("loss", ())) > 2:
        series[AVERAGE] = averaged(series["loss"])
    first = ["loss", AVERAGE, *sorted(name for name in series if not name.startswith("eval")), "eval"]
    return {name: series[name] for name in dict.fromkeys([*first, *sorted(series)]) if name in series}


def averaged(points: list[Point]) -> list[Point]:
    """The exponential moving average, divided by the weight of the points so far: else it would begin at the first
    value and lag behind a falling loss (the bias correction of Adam, Kingma and Ba 2015)."""
    kept = 1 - 1 / min(20, max(2, len(points) / _REMEMBERED))
    mean = weight = 0.0
    found = []
    for step, value in points:
        mean, weight = kept * mean + (1 - kept) * value, kept * weight + (1 - kept)
        found.append((step, mean / weight))
    return found


def is_wide(values: Iterable[float]) -> bool:
    """Whether a log axis shows values better."""
    low, high = min(values := list(values)), max(values)
    return low > 0 and high / low > _LOG_FROM


def plot(series: Mapping[str, list[Point]]) -> Plot | None:
    """The drawing; None where nothing has two points to draw a line through."""
    if not any(len(points) > 1 for points in series.values()):
        return None
    steps = [step for points in series.values() for step, _ in points]
    values = [value for points in series.values() for _, value in points]
    low, high = min(values), max(values)
    is_log = is_wide(values)
    scale = math.log10 if is_log else float
    bottom, top = scale(low), scale(high)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (step - min(steps)) / ((max(steps) - min(steps)) or 1)

    def y(value: float) -> float:
        return 8 + (HEIGHT - BOTTOM - 8) * (top - scale(value)) / ((top - bottom) or 1)

    curves = [
        Curve(name, [(x(at), y(value)) for at, value in points], number, name.startswith("eval") or len(points) == 1)
        for number, (name, points) in zip(_colors(series), series.items(), strict=True)
    ]
    y_ticks = [(y(value), f"{value:.3g}") for value in _ticks(low, high, is_log)]
    x_ticks = [(x(step), f"{step:g}") for step in _ticks(min(steps), max(steps), False) if step == int(step)]
    return Plot(curves, x_ticks, y_ticks, is_log)


def _colors(series: Iterable[str]) -> list[int]:
    """The number of each series' color: an evaluation has that of what it evaluates."""
    names = ["loss" if name == "eval" else name.removeprefix("eval ") for name in series]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [numbers[name] for name in names]


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Round numbers between two values: 1, 2 and 5 times powers of ten."""
    if is_log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    else:
        raw = (high - low) / 5 or 1
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
        found = [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [value for value in found if low <= value <= high]


def draw(folder: Path) -> Path | None:
    """Draw `metrics.jsonl` of a run folder as loss.png; None where there are fewer than two points. Imports matplotlib
    (1 s)."""
    series = loss_series(Run(folder).metrics())
    if not any(len(points) > 1 for points in series.values()):
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), constrained_layout=True)
    for number, (name, points) in zip(_colors(series), series.items(), strict=True):
        axes.plot(*zip(*points, strict=True), label=name, color=COLORS[number % len(COLORS)], **_look(name))
    if is_wide(value for points in series.values() for _, value in points):
        _log_axis(axes)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_title(folder.name)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path = folder / "loss.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def _look(name: str) -> dict[str, Any]:
    """The raw curve is what was measured: it is drawn bold, all that is derived from it or a part of it thin."""
    if name.startswith("eval"):
        return {"marker": "o", "markersize": 6, "linewidth": 1.2, "linestyle": "--", "zorder": 4}
    widths = {"loss": 2.2, AVERAGE: 1.4}
    return {"linewidth": widths.get(name, 1.0), "zorder": 3 if name == "loss" else 2}


def _log_axis(axes: Any) -> None:
    from matplotlib import ticker

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
