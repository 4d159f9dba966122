"""The token budget of a micro-step, and whether activations are recomputed: what takes the least time by prediction
among what fits into the GPU by estimate."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from swiftagent.models.shape import ModelShape
from swiftagent.train.estimates import USED, estimate, operations, recomputes, teraflops

PLANNED = 0.85  # share of a GPU's free memory that a plan may fill by its own estimate
STEP = 1024  # tokens between two budgets that are compared
MOST = 65_536  # tokens: beyond, launching kernels costs nothing any more
SLACK = 1.25  # a step's tokens, of its mean, beyond which a larger budget brings nothing
# Seconds a layer to launch a forward and a backward pass with recomputation, fitted to three runs of an H100.
LAUNCH = 0.018


class MicroPlan(msgspec.Struct, frozen=True):
    """How an optimizer step is cut. `tokens` is the budget of a micro-step; memory in bytes of one GPU, time in
    seconds a step, both predicted (0 where there is nothing to predict from)."""

    tokens: int
    micro_steps: int
    checkpointing: bool | None
    attention: str
    memory: float = 0.0
    seconds: float = 0.0
    fits: bool = True


class Load(msgspec.Struct, frozen=True):
    """What a GPU has to do in a step, and with what: `sequences` of its own, of `mean` tokens and `longest` at most;
    `room` bytes may be filled. `options` are ms-swift's."""

    shape: ModelShape
    options: dict[str, Any]
    sequences: int
    mean: float
    longest: int
    gpus: int
    room: float
    gpu: str
    distilled: bool = False

    @property
    def tokens(self) -> float:
        return self.sequences * self.mean


def choose(load: Load, checkpointing: bool | None, budget: int = 0) -> MicroPlan:
    """The plan with the least predicted time that fits into `load.room`; where none does, the one that needs least, and
    `fits` is false. `checkpointing` and `budget` are kept where given."""
    ways = (False, True) if checkpointing is None else (checkpointing,)
    most = min(MOST, max(STEP, STEP * math.ceil(SLACK * load.tokens / STEP)))
    budgets = [budget] if budget else range(STEP, most + 1, STEP)
    plans = [_predicted(load, tokens, way) for way in ways for tokens in budgets]
    fitting = [one for one in plans if one.fits]
    # Of two that take as long, the larger: where rows are longer than usual, it needs no further micro-step.
    fastest = min(fitting, key=lambda one: (one.seconds, -one.tokens), default=None)
    return fastest or min(plans, key=lambda one: one.memory)


def _predicted(load: Load, budget: int, checkpointing: bool) -> MicroPlan:
    most = max(budget, load.longest)  # a row longer than the budget has a micro-step to itself
    options = {**load.options, "gradient_checkpointing": checkpointing}
    needed = estimate(load.shape, options, length=most, gpus=load.gpus, by_tokens=True, distilled=load.distilled).total
    # Rows are whole, so a micro-step is on average not quite full.
    count = math.ceil(load.sequences / max(1, int(budget // max(load.mean, 1))))
    seconds = _seconds(load, count, options)
    return MicroPlan(budget, count, checkpointing, options["attn_impl"], needed, seconds, needed <= load.room)


def _seconds(load: Load, micro_steps: int, options: dict[str, Any]) -> float:
    """Of an optimizer step: launching the kernels of each micro-step, then the operations."""
    passes, shape = 4 if recomputes(options) else 3, load.shape
    launching = micro_steps * shape.layers * LAUNCH * passes / 4
    # With a block mask, attention computes every pair of tokens of a micro-step.
    reach = load.tokens / micro_steps if options["attn_impl"] == "sdpa" else load.mean / 2
    pairs = 4 * shape.hidden * shape.layers * reach * passes
    work = load.tokens * (operations(shape, options) + pairs)
    return launching + work / (teraflops(load.gpu) * 1e12 * USED)


def mfu(shape: ModelShape, tokens_per_second: float, gpus: list[str]) -> float | None:
    """Model FLOPs utilisation: 6 operations a parameter and token, recomputation not counted, as a share of the data
    sheets' arithmetic (Chowdhery et al., 2022, appendix B, without attention). None without a GPU."""
    peak = sum(teraflops(name) for name in gpus) * 1e12
    return 6 * shape.parameters * tokens_per_second / peak if peak else None
