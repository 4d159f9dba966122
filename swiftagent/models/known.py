"""What is known of a model before it is loaded: its type and template by ms-swift, from a shipped table, so that a
launch need not import it to decide on flags; and its tensors, from config.json alone, to count its parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.models.files import read_object
from swiftagent.models.identity import bare_name

# Signs in a chat template's text of the ms-swift template that matches it; the first hit counts.
_TEMPLATE_SIGNS: dict[str, list[str]] = msgspec.json.decode(
    Path(__file__).with_name("template_signs.json").read_bytes()
)


class KnownModel(msgspec.Struct, frozen=True):
    """What ms-swift makes of a model: its type and template; "" where it cannot recognise it and needs an option."""

    model_type: str = ""
    template: str = ""
    thinking: bool = False
    multimodal: bool = False
    agent_template: str = ""  # how the template writes native tool calls; "" where it has no way
    candidates: tuple[str, ...] = ()  # where the config's architecture fits several model types


@lru_cache
def _table() -> dict[str, Any]:
    return msgspec.json.decode(Path(__file__).with_name("known.json").read_bytes(), type=dict[str, Any])


def known_model(model: str, given: Mapping[str, Any]) -> KnownModel:
    """Recognise a model folder or hub id: by `model_type` and `template` where given, else as a trainer wrote them
    beside it (args.json), by its name, by the architecture in config.json, by the text of its chat template."""
    table, folder = _table(), Path(model)
    config, written = read_object(folder / "config.json"), read_object(folder / "args.json")
    model_type, template = (str(given.get(key) or written.get(key) or "") for key in ("model_type", "template"))
    candidates: tuple[str, ...] = ()
    if not model_type and (found := table["names"].get(bare_name(model))):
        model_type, _, named = found.partition("/")
        template = template or named
    if not model_type and config:
        architectures = config.get("architectures") or ["null"]
        candidates = tuple(table["architectures"].get(architectures[0], ()))
        named_by_config = config.get("model_type")
        model_type = candidates[0] if len(candidates) == 1 else named_by_config if named_by_config in candidates else ""
    known = table["types"].get(model_type, {})
    default = known.get("template") or ""
    # Of an architecture that several types share, the default says less than the model's own chat template.
    template = template or (default if len(candidates) < 2 else "") or _of_chat_template(folder) or default
    thinking, way = template in table["thinking_templates"], table["agent_templates"].get(template, "")
    return KnownModel(model_type, template, thinking, bool(known.get("multimodal")), way, candidates)


def _of_chat_template(folder: Path) -> str:
    """The template whose signs stand in the text of a folder's chat template; "" where there is none, or none fits."""
    text = read_object(folder / "tokenizer_config.json").get("chat_template") or ""
    text = text if isinstance(text, str) else json.dumps(text)
    for path in (folder / "chat_template.jinja", folder / "chat_template.json"):
        if not text and path.is_file():
            text = path.read_text(encoding="utf-8")
    return next((name for name, signs in _TEMPLATE_SIGNS.items() if all(sign in text for sign in signs)), "")


# shapes
# ---------------------------------------------------------------------------------------------------------------

# Of hub models, by how their names begin, as in their own config.json: so that an estimate needs no download.
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
    bits: int = 0  # of its weights, where they are quantized in the model's own files
    full_attention: bool = False  # causal and without a window in every layer, as far as is known

    @property
    def parameters(self) -> int:
        embeddings = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return sum(linear.parameters for linear in self.linears) + embeddings + self.other


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
    heads_of = {"q_proj": heads, "k_proj": groups, "v_proj": groups}
    linears = [Linear(name, count * head, hidden, layers, bias) for name, count in heads_of.items()]
    linears.append(Linear("o_proj", hidden, heads * head, layers, bias and family not in ("qwen2", "qwen")))
    # Gemma normalises before and behind attention and MLP, others before each; one more ends the decoder.
    norms = layers * hidden * (4 if family in FOUR_NORMS else 2) + hidden
    norms += 2 * head * layers if family in QK_NORM else 0
    experts = int(config.get("num_local_experts") or config.get("num_experts") or 0)
    if experts:
        width = int(config.get("moe_intermediate_size") or intermediate)
        norms += layers * experts * 3 * width * hidden + layers * experts * hidden  # experts and their router
    else:
        linears += [Linear(name, intermediate, hidden, layers) for name in ("gate_proj", "up_proj")]
        linears.append(Linear("down_proj", hidden, intermediate, layers))
    tied = bool(config.get("tie_word_embeddings", False))
    stored = config.get("quantization_config") or {}
    is_four = stored.get("load_in_4bit") or "4" in str(stored.get("quant_method"))
    bits = int(stored.get("bits") or (4 if is_four or "'num_bits': 4" in str(stored) else 8)) if stored else 0
    return ModelShape(
        hidden, intermediate, layers, vocabulary, tuple(linears), tied, norms, bits, _full_attention(config)
    )


def _full_attention(config: dict[str, Any]) -> bool:
    window = config.get("sliding_window") and config.get("use_sliding_window", True)
    kinds = set(config.get("layer_types") or ["full_attention"])
    return config.get("model_type") in FULL_ATTENTION and not window and kinds == {"full_attention"}


def known_shape(model: str) -> ModelShape | None:
    """The shape of a hub model of a known family and size; of one that is quantized with the bits that its name has."""
    name = re.sub("-(coder|math)", "", bare_name(model))
    family = max((known for known in KNOWN_CONFIGS if name.startswith(known)), key=len, default="")
    if re.search(r"gguf|mlx|int[23]|[2356]bit", name):
        return None
    bits = re.search(r"(awq|gptq(?!-int8)|w4a16|4bit|int4|[mn][xv]fp4|fp4)|(int8|fp8|w8a|8bit)", name)
    quantized = {"bits": 4 if bits[1] else 8} if bits and "unquantized" not in name else None
    return shape_of({**KNOWN_CONFIGS[family], "quantization_config": quantized}) if family else None
