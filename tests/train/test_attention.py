"""Sequences of one row never see each other, and a kernel that lets them is not used."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]


def test_bounds_of_sequences_are_where_positions_begin_again():
    import torch

    from swiftagent.train.plugin.attention import sequence_bounds

    bounds = sequence_bounds(torch.tensor([[0, 1, 2, 0, 0, 1]]))
    assert bounds["cu_seq_lens_q"].tolist() == [0, 3, 4, 6]
    assert (bounds["max_length_q"], bounds["cu_seq_lens_q"].dtype) == (3, torch.int32)


def test_a_kernel_that_mixes_sequences_or_fails_is_passed_over():
    import torch
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    from swiftagent.train.plugin.attention import first_that_is_exact

    def blind(module, query, key, value, attention_mask, **kwargs):
        groups = query.shape[1] // key.shape[1]
        key, value = (each.repeat_interleave(groups, dim=1) for each in (key, value))
        mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return mixed.transpose(1, 2), None

    AttentionInterface.register("blind", blind)
    AttentionMaskInterface.register("blind", lambda *args, **kwargs: None)
    name, wrong = first_that_is_exact(["blind", "no_such_kernel", "eager", "sdpa"])
    assert name == "eager"
    assert wrong.startswith("blind: off by ")
    assert "; no_such_kernel: " in wrong
