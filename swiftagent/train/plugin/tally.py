"""What the steps since the last line of metrics were made of."""

from __future__ import annotations

from typing import Any


class Tally:
    """Steps, micro-steps, and the tokens that were real, computed and of all ranks."""

    def __init__(self) -> None:
        self.sampler: Any = None
        self.clear()

    def clear(self) -> None:
        self.batches = self.real = self.computed = self.longest = 0
        self.all_ranks = 0.0

    def count(self, batches: list[dict[str, Any]]) -> None:
        """The micro-steps of one call of `training_step`."""
        for batch in batches:
            ids, mask = batch.get("input_ids"), batch.get("attention_mask")
            if ids is None:  # images are embedded beforehand
                continue
            real = ids.numel() if mask is None else int(mask.sum())
            self.batches, self.real, self.computed = self.batches + 1, self.real + real, self.computed + ids.numel()
            self.longest = max(self.longest, ids.numel())
        if self.sampler is not None and self.sampler.totals:
            self.all_ranks += self.sampler.totals.popleft()
