"""Losses of tokens in the place of ms-swift's own.

Chunked: the loss of trained tokens without their logits; the head makes them a few at a time, and again for the
gradient.

`method: self-distill`: on chat the model stays close to what it was, without a second model in memory. On trained
tokens of the channel `general` the loss is the KL divergence from the same model with its adapter off; all other tokens
keep their cross-entropy. An evaluation is left as it is, so that its losses compare with other runs'.
"""

from __future__ import annotations

from typing import Any

import torch
from swift.trainers import seq2seq_trainer
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
CHANNEL = "general"
NOT_FOR_THE_MODEL = {"labels", "loss_scale", "channel", "text_position_ids", "compute_loss_func", "skip_logits"}


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


class SelfDistillation:
    """Stands in the place of ms-swift's loss of each token."""

    def __init__(self) -> None:
        self.per_token = seq2seq_trainer.per_token_loss_func
        self.chat: Any = None  # (tokens) of a batch: whether each is of a chat row
        self.wanted: Any = None  # logits (tokens, vocabulary) without the adapter
        seq2seq_trainer.per_token_loss_func = self

    def foresee(self, trainer: Any, inputs: dict[str, Any]) -> None:
        """Before the forward pass of a training batch: what the base says of its chat rows."""
        self.chat = chat_tokens(trainer, inputs)
        if self.chat is None:
            return
        model = trainer.accelerator.unwrap_model(trainer.model)
        given = {name: value for name, value in inputs.items() if name not in NOT_FOR_THE_MODEL}
        model.eval()  # or the base's own dropout would be learnt
        with torch.no_grad(), model.disable_adapter():
            logits = model(**given).logits
        model.train()
        self.wanted = logits.view(-1, logits.shape[-1])

    def __call__(self, outputs: Any, labels: Any, enable_dft_loss: bool = False, **kwargs: Any) -> Any:
        """Losses (tokens), as ms-swift's own function returns them."""
        losses = self.per_token(outputs, labels, enable_dft_loss=enable_dft_loss, **kwargs)
        if self.chat is None:
            return losses
        kept = self.chat & (labels.roll(-1, dims=-1).view(-1) != UNTRAINED)
        wanted, self.chat, self.wanted = self.wanted[kept], None, None
        logits = outputs.logits.view(-1, outputs.logits.shape[-1])[kept]
        return losses.masked_scatter(kept, divergence(wanted, logits).to(losses.dtype))


def divergence(wanted: Any, logits: Any) -> Any:
    """KL(wanted || logits) of each token, from logits (tokens, vocabulary)."""
    before, after = wanted.float().log_softmax(-1), logits.float().log_softmax(-1)
    return (before.exp() * (before - after)).sum(-1)


def chat_tokens(trainer: Any, inputs: dict[str, Any]) -> Any:
    """Which of a batch's labels (flattened) are of chat rows; None where not one is."""
    channels, labels = inputs.get("channel"), inputs["labels"]
    chat = [channel == CHANNEL for channel in channels or ()]
    if not any(chat):
        return None
    if trainer.template.padding_free:
        positions = inputs.get("text_position_ids")
        positions = inputs.get("position_ids") if positions is None else positions
        lengths = trainer.get_cu_seqlens(positions, inputs.get("logits_to_keep")).diff()
    else:
        lengths = torch.full((len(chat),), labels.shape[-1])
    return torch.tensor(chat, device=labels.device).repeat_interleave(lengths.to(labels.device))
