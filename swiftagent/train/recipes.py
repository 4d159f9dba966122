"""The shipped recipes in one line each: model, method, memory and hours, estimated from shapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swiftagent.io.shipped import shipped
from swiftagent.models.shape import ModelShape, known_shape
from swiftagent.train.advice import method
from swiftagent.train.cards import DEFAULT_LENGTH, Card, fit
from swiftagent.train.config import Config, load
from swiftagent.train.effort import Effort, effort
from swiftagent.train.memory import GB, estimate

ROWS, TOKENS_A_ROW = 90_000, 450  # the published mix
GUIDE_ROWS = 93_000  # 30,000 rows of tool calling, 60,000 of general chat, 3,000 of self-cognition


def recipes_on(card: Card) -> list[dict[str, Any]]:
    """What each recipe needs of a card, which settings fit, and how long the published mix takes there."""
    rows = []
    for path, config, shape in _recipes():
        if shape is None:
            continue
        found = fit(config, card)
        row: dict[str, Any] = {"name": path.stem, "memory": f"{found.needed / GB:.0f} GB", "fits": found.fits}
        row |= {"with": found.remedy, "tokens/s": 0, "hours": 0.0}
        if found.fits or found.remedy:
            takes = _effort(config, shape, GUIDE_ROWS, [card.kind] * card.count)
            row |= {"tokens/s": int(round(takes.tokens / (takes.hours * 3600), -2)), "hours": round(takes.hours, 1)}
        rows.append(row)
    return rows


def describe_recipes() -> list[dict[str, Any]]:
    """One mapping a recipe, by name; recipes of `mix` are not among them."""
    rows = []
    for path, config, shape in _recipes():
        options = config.train
        gpus = (config.gpus if config.gpus is not None else 1) * (config.nodes or 1)
        row: dict[str, Any] = {"name": path.stem, "model": config.model.rpartition("/")[2], "method": method(options)}
        row |= {"GPUs": gpus or "CPU", "memory": "", "hours": ""}
        if shape is not None and gpus:
            length = int(options.get("max_length", DEFAULT_LENGTH))
            needed = estimate(shape, options, length=length, gpus=gpus, distilled=config.distills).total
            hours = _effort(config, shape, ROWS, ["A100"] * gpus).hours
            row |= {"memory": f"{needed / GB:.0f} GB", "hours": f"{hours:.0f}" if hours >= 1 else "<1"}
        head = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        row["about"] = head.partition(".")[0].partition(":")[0]
        rows.append(row)
    return rows


def _recipes() -> Iterator[tuple[Path, Config, ModelShape | None]]:
    for path in sorted(shipped("configs").glob("*.yaml")):
        if not path.name.startswith("mix_"):
            config = load(path)
            yield path, config, known_shape(config.model)


def _effort(config: Config, shape: ModelShape, rows: int, gpus: list[str]) -> Effort:
    sequences, tokens = config.sequences_per_step or 16, rows * TOKENS_A_ROW
    return effort(shape, config.train, rows=rows, tokens=tokens, sequences=sequences, gpus=gpus)
