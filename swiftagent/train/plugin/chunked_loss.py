"""The loss of trained tokens without their logits: the head makes them a few at a time, and again for the gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

# Taken before ms-swift replaces it by one that forces `use_reentrant`, under which DDP meets a parameter twice.
from torch.utils.checkpoint import checkpoint

from swiftagent.train.estimates import CHUNK
from swiftagent.train.plugin.step_loader import UNTRAINED

# Models whose logits are what the head returns, nothing done to them afterwards (no soft cap, no scale).
PLAIN_HEADS = (
    "LlamaForCausalLM", "MistralForCausalLM", "Phi3ForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM", "Qwen2MoeForCausalLM",
)  # fmt: skip


class ChunkedLoss:
    """Stands in the place of a head's `forward`, inside the module's own call: what gathers its weights (ZeRO-3, FSDP)
    or adds to them (LoRA) works as it does for one call."""

    def __init__(self, head: Any) -> None:
        self.logits, self.targets = head.forward, None
        head.forward = self

    def __call__(self, hidden: Any) -> Any:
        """Logits (1, tokens, vocabulary); with `targets` set, the loss and whether the token was the likeliest (1,
        tokens, 2)."""
        targets, self.targets = self.targets, None
        if targets is None:
            return self.logits(hidden)
        chunks = zip(hidden.split(CHUNK, dim=1), targets.to(hidden.device).split(CHUNK), strict=True)
        return torch.cat([checkpoint(self._losses, *chunk, use_reentrant=False) for chunk in chunks], dim=1)

    def _losses(self, hidden: Any, targets: Any) -> Any:
        logits = self.logits(hidden)[0].float()
        losses = cross_entropy(logits, targets, ignore_index=UNTRAINED, reduction="none")
        return torch.stack([losses, (logits.detach().argmax(-1) == targets).float()], dim=-1)[None]
