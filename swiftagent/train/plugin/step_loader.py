"""Optimizer steps as items of a data loader: the sequences that ms-swift's own sampler would put into each, cut into
micro-steps by tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from swiftagent.train.plugin.attention import sequence_bounds
from swiftagent.train.step_cutting import MicroStep, cut_step

UNTRAINED = -100  # the label that a loss ignores


@dataclass(kw_only=True)
class StepSampler:
    """The micro-steps of one rank, an optimizer step at a time. `seed` None keeps the order of the rows; `skip` steps
    are left out at the beginning."""

    lengths: Sequence[int]
    sequences: int
    budget: int
    rank: int = 0
    ranks: int = 1
    seed: int | None = None
    skip: int = 0
    epoch: int = 0

    def __len__(self) -> int:
        return max(1, math.ceil(self._kept / self.sequences))

    def __iter__(self) -> Iterator[list[MicroStep]]:
        order = self._order()
        for step in range(self.skip, len(self)):
            # The last step takes the rows that ms-swift drops.
            end = None if step == len(self) - 1 else (step + 1) * self.sequences
            rows = order[step * self.sequences : end]
            yield cut_step(rows, self.lengths, budget=self.budget, ranks=self.ranks)[self.rank]

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def _kept(self) -> int:
        """Rows that ms-swift's sampler deals out: as many to each rank."""
        return len(self.lengths) - len(self.lengths) % self.ranks

    def _order(self) -> list[int]:
        """As `swift.dataloader.BatchSamplerShard` draws it over all ranks, then what it leaves over."""
        if self.seed is None:
            return list(range(len(self.lengths)))
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        drawn = torch.randperm(self._kept, generator=generator).tolist()
        return [*drawn, *range(self._kept, len(self.lengths))]


class MicroSteps(Dataset[list[dict[str, Any]]]):  # type: ignore[misc]  # torch is not typed here
    """Encoded rows of a data set by micro-step."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, micro: MicroStep) -> list[dict[str, Any]]:
        return [self.rows[row] if row >= 0 else _untrained(self.rows[~row]) for row in micro]


def _untrained(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "labels": [UNTRAINED] * len(row["labels"])}


def step_of(micro_steps: list[list[dict[str, Any]]], collate: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """One item: `micro_steps` as the model takes them, and all their tokens in `input_ids` and `labels` (1, tokens),
    from which the trainer counts what it divides the loss by."""
    batches = [micro_step_of(rows, collate) for rows in micro_steps]
    whole = {key: torch.cat([batch[key].reshape(1, -1) for batch in batches], dim=1) for key in ("input_ids", "labels")}
    return {**whole, "micro_steps": batches}


def micro_step_of(rows: list[dict[str, Any]], collate: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """A batch as the model takes it; where it is one row of several sequences, with their bounds."""
    batch = collate(rows)
    apart = "attention_mask" not in batch and "position_ids" in batch
    return batch | (sequence_bounds(batch["position_ids"]) if apart else {})


def batch_of(micro_steps: list[list[dict[str, Any]]], collate: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """The one micro-step of an item, as an evaluation takes it."""
    return micro_step_of(micro_steps[0], collate)
