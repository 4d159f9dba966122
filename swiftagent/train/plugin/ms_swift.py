"""What is replaced in ms-swift so that steps can be cut by tokens, in this one place."""

from __future__ import annotations

from typing import Any

from swift.arguments import SftArguments
from swift.trainers import TrainerFactory, seq2seq_trainer

# Attention that keeps the sequences of a row apart by `position_ids` or `cu_seq_lens`, besides flash attention.
KEEP_APART = ("sdpa", "swiftagent_varlen")


def cut_steps_by_tokens() -> None:
    """Put `TokenTrainer` in the place of ms-swift's trainer, and let it train without padding on any attention that is
    exact there."""
    _widen_check_of_attention()
    _take_losses_of_chunks()
    # By name: the factory imports it when the trainer is made.
    TrainerFactory.TRAINER_MAPPING["causal_lm"] = "swiftagent.train.plugin.token_trainer.TokenTrainer"


def _widen_check_of_attention() -> None:
    check = SftArguments._check_padding_free

    def widened(self: Any) -> None:
        if self.attn_impl in KEEP_APART:
            self.padding_free = self.padding_free or self.packing
        else:
            check(self)

    SftArguments._check_padding_free = widened


def _take_losses_of_chunks() -> None:
    per_token = seq2seq_trainer.per_token_loss_func

    def taken(outputs: Any, labels: Any, enable_dft_loss: bool = False, **kwargs: Any) -> Any:
        if outputs.logits.shape[-1] != 2:  # a loss and a hit for each token: see `chunked_loss`
            return per_token(outputs, labels, enable_dft_loss=enable_dft_loss, **kwargs)
        return outputs.logits[..., 0].view(-1)

    seq2seq_trainer.per_token_loss_func = taken
