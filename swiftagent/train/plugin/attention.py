"""Attention over a row of several sequences that keeps them apart, and the trial that shows whether a kernel does."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AutoModelForCausalLM, Qwen2Config
from transformers.masking_utils import AttentionMaskInterface

VARLEN = "swiftagent_varlen"
TOLERANCE = 0.05  # of the norm, between two kernels in bfloat16; sequences that mix are off by 1


def register_varlen() -> None:
    """Make torch's `varlen_attn` (CUDA, torch >= 2.10) known to transformers as `swiftagent_varlen`."""
    AttentionInterface.register(VARLEN, varlen_attention)
    AttentionMaskInterface.register(VARLEN, lambda *args, **kwargs: None)


def varlen_attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **kwargs: Any
) -> tuple[Any, None]:
    """`query` is (1, heads, tokens, width), `key` and `value` have fewer heads; the result (1, tokens, heads, width).
    Sequences lie between the bounds `cu_seq_lens_q`, as `sequence_bounds` makes them."""
    from torch.nn.attention.varlen import varlen_attn

    if kwargs.get("dropout") and module.training:
        raise ValueError(f"{VARLEN} has no dropout; attn_impl: sdpa has")
    bounds, longest = kwargs["cu_seq_lens_q"], kwargs["max_length_q"]
    groups = query.shape[1] // key.shape[1]
    rows = [each[0].transpose(0, 1) for each in (query, _repeated(key, groups), _repeated(value, groups))]
    causal = {"scale": scaling, "window_size": (-1, 0)}
    return varlen_attn(*rows, bounds, bounds, longest, longest, **causal)[None], None


def _repeated(heads: Any, groups: int) -> Any:
    return heads.repeat_interleave(groups, dim=1) if groups > 1 else heads


def sequence_bounds(position_ids: Any) -> dict[str, Any]:
    """What kernels for sequences of any length are given: bounds in int32, and the longest as a plain int, which
    flash-attn-4 insists on and for which no GPU need be waited for."""
    starts = (position_ids.flatten() == 0).nonzero().flatten()
    bounds = torch.cat([starts, starts.new_tensor([position_ids.numel()])]).to(torch.int32)
    longest = int(bounds.diff().max())
    return {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}


def first_that_is_exact(wanted: list[str]) -> tuple[str, str]:
    """The first kernel that gives on this GPU what torch's own attention gives, forward and backward, and what was
    wrong with those before it."""
    wrong = []
    for name in wanted:
        try:
            apart = _difference(name)
        except Exception as error:  # whatever a kernel raises, the next one may do
            wrong.append(f"{name}: {type(error).__name__}: {str(error)[:100]}")
            continue
        if apart <= TOLERANCE:
            return name, "; ".join(wrong)
        wrong.append(f"{name}: off by {apart:.3f}")
    return "sdpa", "; ".join(wrong)


def _difference(name: str) -> float:
    """Relative, of hidden states and of the gradient at the embeddings, over two sequences in one row."""
    position_ids = torch.cat([torch.arange(90), torch.arange(70)])[None]
    found = []
    for each in (name, "sdpa"):
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=64, hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, use_cache=False, attn_implementation=each,
        )  # fmt: skip
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = AutoModelForCausalLM.from_config(config, attn_implementation=each).to(device, torch.bfloat16)
        embedded = torch.randn(1, 160, 256, device=device, dtype=torch.bfloat16, requires_grad=True)
        bounds = sequence_bounds(position_ids.to(device))
        hidden = model.model(inputs_embeds=embedded, position_ids=position_ids.to(device), **bounds).last_hidden_state
        (hidden * torch.linspace(-1, 1, 256, device=device, dtype=hidden.dtype)).sum().backward()
        found.append((hidden.detach().float(), embedded.grad.float()))
    return max(float((ours - theirs).norm() / theirs.norm()) for ours, theirs in zip(*found, strict=True))
