"""The shipped recipes in one line each: model, method, memory and hours, estimated from shapes."""

from __future__ import annotations

from typing import Any

from swiftagent.io.shipped import shipped
from swiftagent.models.shape import known_shape
from swiftagent.train.advice import method
from swiftagent.train.cards import Card, fit
from swiftagent.train.config import load
from swiftagent.train.effort import effort
from swiftagent.train.memory import GB, estimate

ROWS, TOKENS_A_ROW = 90_000, 450  # the published mix


GUIDE_ROWS = 93_000  # 30,000 rows of tool calling, 60,000 of general chat, 3,000 of self-cognition


def recipes_on(card: Card) -> list[dict[str, Any]]:
    """What each recipe needs of a card, which settings fit, and how long the published mix takes there."""
    rows = []
    for path in sorted(shipped("configs").glob("*.yaml")):
        config = load(path) if not path.name.startswith("mix_") else None
        shape = known_shape(config.model) if config else None
        if config is None or shape is None:
            continue
        found = fit(config, card)
        tokens = GUIDE_ROWS * TOKENS_A_ROW
        hours = effort(
            shape, config.train, rows=GUIDE_ROWS, tokens=tokens, sequences=config.sequences_per_step or 16,
            gpus=[card.kind] * card.count, checkpointing=True,
        )  # fmt: skip
        row: dict[str, Any] = {"name": path.stem, "memory": f"{found.needed / GB:.0f} GB", "fits": found.fits}
        row |= {"with": found.remedy, "tokens/s": 0, "hours": 0.0}
        if found.fits or found.remedy:
            row |= {"tokens/s": int(round(hours.tokens / (hours.hours * 3600), -2)), "hours": round(hours.hours, 1)}
        rows.append(row)
    return rows


def describe_recipes() -> list[dict[str, Any]]:
    """One mapping a recipe, by name; recipes of `mix` are not among them."""
    rows = []
    for path in sorted(shipped("configs").glob("*.yaml")):
        if path.name.startswith("mix_"):
            continue
        config = load(path)
        options, shape = config.train, known_shape(config.model)
        gpus = (config.gpus if config.gpus is not None else 1) * (config.nodes or 1)
        row: dict[str, Any] = {"name": path.stem, "model": config.model.rpartition("/")[2], "method": method(options)}
        row |= {"GPUs": gpus or "CPU", "memory": "", "hours": ""}
        if shape is not None and gpus:
            batch, length = options.get("per_device_train_batch_size", 1), options.get("max_length", 2048)
            needed = estimate(shape, options, batch=batch, length=length, gpus=gpus, checkpointing=True)
            sequences = config.sequences_per_step or 16
            a100s, tokens = ["A100"] * gpus, ROWS * TOKENS_A_ROW
            hours = effort(
                shape, options, rows=ROWS, tokens=tokens, sequences=sequences, gpus=a100s, checkpointing=True
            ).hours
            row |= {"memory": f"{needed.total / GB:.0f} GB", "hours": f"{hours:.0f}" if hours >= 1 else "<1"}
        head = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        row["about"] = head.partition(".")[0].partition(":")[0]
        rows.append(row)
    return rows
