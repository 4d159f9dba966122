"""How long a run takes: steps, tokens and hours, from the model's size and the GPU's arithmetic."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from swiftagent.models.shape import ModelShape
from swiftagent.train.memory import adapter_parameters, recomputes

# Dense bfloat16 (or float16) arithmetic in 1e12 operations a second, from the makers' data sheets.
TERAFLOPS = {"H200": 989, "H100": 989, "H20": 148, "H800": 989, "A100": 312, "A800": 312, "L40": 181, "A40": 150,
             "A10": 125, "4090": 165, "3090": 71, "L20": 119, "L4": 121, "V100": 125, "T4": 65,
             "B200": 2250}  # fmt: skip
OTHER_GPU, ONE_CPU = 100, 0.05
USED = 0.35  # share of the arithmetic that fine-tuning reaches


class Effort(msgspec.Struct, frozen=True):
    """Estimates but for `steps`, which is exact where the rows are."""

    steps: int
    tokens: int
    hours: float


def effort(
    shape: ModelShape | None, options: dict[str, Any], *, rows: int, tokens: int, sequences: int, gpus: list[str]
) -> Effort:  # fmt: skip
    """`tokens` of one epoch, `sequences` a step; `gpus` are the names of all that train, [] for a CPU."""
    epochs = float(options.get("num_train_epochs", 3))
    steps_an_epoch = max(1, math.ceil(rows / sequences))
    limit = int(options.get("max_steps", -1))
    steps = limit if limit > 0 else math.ceil(steps_an_epoch * epochs)
    seen = int(tokens * steps / steps_an_epoch)
    if shape is None:
        return Effort(steps, seen, 0.0)
    work = seen * operations(shape, options)
    speed = sum(teraflops(name) for name in gpus) or ONE_CPU
    return Effort(steps, seen, work / (speed * 1e12 * USED) / 3600)


def operations(shape: ModelShape, options: dict[str, Any]) -> float:
    """Of training a token, without attention: forward 2 a parameter, backward by activations 2, by weights 2 where they
    are trained, forward again where it is recomputed."""
    trained = shape.parameters if options.get("tuner_type") == "full" else adapter_parameters(shape, options)
    return float(4 * shape.parameters + 2 * trained + (2 * shape.parameters if recomputes(options) else 0))


def teraflops(gpu: str) -> float:
    """Of a GPU by its name, as nvidia-smi gives it."""
    return next((value for name, value in TERAFLOPS.items() if name in gpu), OTHER_GPU)
