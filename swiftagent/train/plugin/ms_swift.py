"""What is replaced in ms-swift so that steps can be cut by tokens, in this one place."""

from __future__ import annotations

from typing import Any

from swift.arguments import SftArguments
from swift.trainers import TrainerFactory, seq2seq_trainer

from swiftagent.train.plugin.attention import VARLEN, first_that_is_exact, register_varlen

# Attention that keeps the sequences of a row apart by `position_ids`, on a CPU as well.
KEEP_APART = ("sdpa", "eager")
NAMES = {"flash_attn": "flash_attention_2", None: "sdpa"}


def cut_steps_by_tokens() -> None:
    """Put `TokenTrainer` in the place of ms-swift's trainer, and let it train without padding on any attention that is
    exact there."""
    register_varlen()
    _widen_check_of_attention()
    _take_losses_of_chunks()
    # By name: the factory imports it when the trainer is made.
    TrainerFactory.TRAINER_MAPPING["causal_lm"] = "swiftagent.train.plugin.token_trainer.TokenTrainer"


def _widen_check_of_attention() -> None:
    """Sequences without padding need an attention that keeps them apart. ms-swift takes flash attention for the only
    one; here the one that is asked for is tried, and replaced where it is not exact on this GPU."""

    def widened(self: Any) -> None:
        self.padding_free = self.padding_free or self.packing
        if self.padding_free and self.attn_impl not in KEEP_APART:
            asked = self.attn_impl
            self.attn_impl, wrong = first_that_is_exact([NAMES.get(asked, asked), VARLEN, "sdpa"])
            if wrong:
                print(f"swiftagent: attention {self.attn_impl} instead of {asked} ({wrong})", flush=True)

    SftArguments._check_padding_free = widened


def _take_losses_of_chunks() -> None:
    per_token = seq2seq_trainer.per_token_loss_func

    def taken(outputs: Any, labels: Any, enable_dft_loss: bool = False, **kwargs: Any) -> Any:
        if outputs.logits.shape[-1] != 2:  # a loss and a hit for each token: see `losses`
            return per_token(outputs, labels, enable_dft_loss=enable_dft_loss, **kwargs)
        return outputs.logits[..., 0].view(-1)

    seq2seq_trainer.per_token_loss_func = taken
