"""The budget that was planned from an estimate, tried on the card before the first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import gather_object  # type: ignore[import-untyped]

from swiftagent.train.plugin.attention import sequence_bounds
from swiftagent.train.plugin.step_loader import UNTRAINED

TRIES = 6
STEP_BACK = 3, 4  # of the budget, each time that the card runs out of memory


def largest_that_runs(attempt: Callable[[int], None], budget: int) -> int:
    """The budget, or what is left of it after as many steps back as the card of any rank needs."""
    for _ in range(TRIES):
        fits = budget
        try:
            attempt(budget)
        except torch.OutOfMemoryError:
            fits = max(1, budget * STEP_BACK[0] // STEP_BACK[1])
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        agreed = min(gather_object([fits]))
        if agreed == budget:
            break
        print(f"swiftagent: {budget:,} tokens do not fit into a micro-step; {agreed:,} are tried", flush=True)
        budget = agreed
    return budget


def row_of(tokens: int, longest: int, device: Any) -> dict[str, Any]:
    """A micro-step of `tokens`, all but the first of each trained, in sequences of `longest`."""
    position_ids = (torch.arange(tokens, device=device) % longest)[None]
    ids = torch.zeros_like(position_ids)
    labels = ids.masked_fill(position_ids == 0, UNTRAINED)  # nothing foretells a first token
    return {"input_ids": ids, "labels": labels, "position_ids": position_ids, **sequence_bounds(position_ids)}


@contextmanager
def nothing_left(model: Any, device: Any) -> Iterator[None]:
    """Room is taken as the optimizer will take it (two moments in float32); gradients and random state are as they
    were."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        moments = torch.empty(8 * trained, dtype=torch.uint8, device=device)
        try:
            yield
        finally:
            del moments
            model.zero_grad(set_to_none=True)
