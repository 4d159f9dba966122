"""The tensors of a model from its config.json alone: enough to count parameters and to estimate memory before it is
loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from swiftagent.models.identity import bare_name

# Of hub models that the shipped recipes name, as in their own config.json: so that an estimate needs no download.
KNOWN_CONFIGS: dict[str, dict[str, Any]] = msgspec.json.decode(Path(__file__).with_name("shapes.json").read_bytes())
QKV_BIAS = {"qwen2", "qwen", "gpt_oss"}
QK_NORM = {"qwen3", "qwen3_moe", "gemma3_text"}
FULL_ATTENTION = {"llama", "mistral", "qwen2", "qwen3"}
FOUR_NORMS = {"gemma2", "gemma3_text", "gemma3"}


class Linear(msgspec.Struct, frozen=True):
    """One kind of linear layer: `count` of them in the model, each `rows` x `columns` (out x in), with or without a
    bias."""

    name: str
    rows: int
    columns: int
    count: int
    bias: bool = False

    @property
    def parameters(self) -> int:
        return self.count * (self.rows * self.columns + self.rows * self.bias)


class ModelShape(msgspec.Struct, frozen=True):
    """A decoder: its linear layers (without the output head), its embedding and what is neither (norms, experts)."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    linears: tuple[Linear, ...]
    tied: bool
    other: int
    context: int = 0
    full_attention: bool = False  # causal and without a window in every layer, as far as is known

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        head = 0 if self.tied else self.embedding
        return sum(linear.parameters for linear in self.linears) + self.embedding + head + self.other


def shape_of(config: dict[str, Any]) -> ModelShape | None:
    """Read a config.json; None where it is of no decoder family that is understood."""
    config = {**config, **config["text_config"]} if isinstance(config.get("text_config"), dict) else config
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        heads, vocabulary = int(config["num_attention_heads"]), int(config["vocab_size"])
        intermediate = int(config["intermediate_size"])
    except (KeyError, TypeError, ValueError):
        return None
    family = str(config.get("model_type", ""))
    groups = int(config.get("num_key_value_heads") or heads)
    head = int(config.get("head_dim") or hidden // heads)
    # Some families have biases on Q, K and V without a key that says so.
    bias = bool(config.get("attention_bias", family in QKV_BIAS))
    linears = [
        Linear("q_proj", heads * head, hidden, layers, bias),
        Linear("k_proj", groups * head, hidden, layers, bias),
        Linear("v_proj", groups * head, hidden, layers, bias),
        Linear("o_proj", hidden, heads * head, layers, bias and family not in ("qwen2", "qwen")),
    ]
    # Gemma normalises before and behind attention and MLP, others before each; one more ends the decoder.
    norms = layers * hidden * (4 if family in FOUR_NORMS else 2) + hidden
    norms += 2 * head * layers if family in QK_NORM else 0
    experts = int(config.get("num_local_experts") or config.get("num_experts") or 0)
    if experts:
        width = int(config.get("moe_intermediate_size") or intermediate)
        norms += layers * experts * 3 * width * hidden + layers * experts * hidden  # experts and their router
    else:
        linears += [
            Linear("gate_proj", intermediate, hidden, layers),
            Linear("up_proj", intermediate, hidden, layers),
            Linear("down_proj", hidden, intermediate, layers),
        ]
    tied = bool(config.get("tie_word_embeddings", False))
    context = int(config.get("max_position_embeddings") or 0)
    return ModelShape(
        hidden, intermediate, layers, vocabulary, tuple(linears), tied, norms, context, _full_attention(config)
    )


def _full_attention(config: dict[str, Any]) -> bool:
    window = config.get("sliding_window") and config.get("use_sliding_window", True)
    kinds = set(config.get("layer_types") or ["full_attention"])
    return config.get("model_type") in FULL_ATTENTION and not window and kinds == {"full_attention"}


def known_shape(model: str) -> ModelShape | None:
    """The shape of a hub model that the shipped recipes name."""
    config = KNOWN_CONFIGS.get(bare_name(model))
    return shape_of(config) if config else None
