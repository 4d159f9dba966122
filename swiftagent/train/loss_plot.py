"""loss.png of a run: training and evaluation loss, and each channel's, over the steps. Imports matplotlib (1 s)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swiftagent.train.lines import channel_losses

SMOOTH = 0.9  # weight of what came before in the smoothed line


def draw(folder: Path) -> Path | None:
    """Draw `metrics.jsonl` of a run folder; None where there are fewer than two points."""
    series = _series(folder / "metrics.jsonl")
    if not any(len(points) > 1 for points in series.values()):
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), constrained_layout=True)
    for name, points in sorted(series.items()):
        steps, values = zip(*points, strict=True)
        if name == "train":
            axes.plot(steps, values, color="tab:blue", alpha=0.25)
            axes.plot(steps, _smoothed(values), color="tab:blue", label="train")
        elif name.startswith("eval"):
            axes.plot(steps, values, marker="o", markersize=3, label=name)
        else:
            axes.plot(steps, _smoothed(values), linewidth=1, linestyle="--", label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_title(folder.name)
    axes.grid(alpha=0.3)
    axes.legend()
    path = folder / "loss.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def _series(metrics: Path) -> dict[str, list[tuple[int, float]]]:
    series: dict[str, list[tuple[int, float]]] = {}
    for text in metrics.read_text(encoding="utf-8").splitlines() if metrics.is_file() else ():
        try:
            line: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        evaluated = "eval_loss" in line
        if not evaluated and "loss" not in line:
            continue
        named = {"eval" if evaluated else "train": line["eval_loss" if evaluated else "loss"]}
        named |= {f"eval {name}" if evaluated else name: value for name, value in channel_losses(line).items()}
        for name, value in named.items():
            series.setdefault(name, []).append((int(line["step"]), float(value)))
    return series


def _smoothed(values: tuple[float, ...]) -> list[float]:
    smooth: list[float] = []
    for value in values:
        smooth.append(value if not smooth else SMOOTH * smooth[-1] + (1 - SMOOTH) * value)
    return smooth
