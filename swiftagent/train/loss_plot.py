"""loss.png of a run: the loss with its average, each channel's and the evaluation's. Imports matplotlib (1 s)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swiftagent.train.loss_curves import AVERAGE, is_wide, loss_series
from swiftagent.train.runs import Run

COLORS = ("#1f6feb", "#9ec1f7", "#11734b", "#b8600b", "#8b3fb0", "#b42318", "#5b6570")


def draw(folder: Path) -> Path | None:
    """Draw `metrics.jsonl` of a run folder; None where there are fewer than two points."""
    series = loss_series(Run(folder).metrics())
    if not any(len(points) > 1 for points in series.values()):
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), constrained_layout=True)
    for number, (name, points) in enumerate(series.items()):
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
