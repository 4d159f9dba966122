"""Which models and templates ms-swift knows, from a shipped table: so that a launch need not import it to decide on
flags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.models.files import read_object
from swiftagent.models.identity import bare_name

# Signs in a chat template's text of the ms-swift template that matches it; the first hit counts.
_TEMPLATE_SIGNS = (
    ("qwen3", ("<|im_start|>", "enable_thinking", "</think>")),
    ("qwen3_thinking", ("<|im_start|>", "</think>", "<think>\\n")),
    ("qwen2_5", ("<|im_start|>", "You are Qwen, created by Alibaba Cloud")),
    ("chatml", ("<|im_start|>",)),
    ("llama3_2", ("<|start_header_id|>", "Cutting Knowledge Date")),
    ("llama3", ("<|start_header_id|>",)),
    ("mistral_nemo", ("[INST]", "[AVAILABLE_TOOLS]")),
    ("llama", ("[INST]", "<<SYS>>")),
    ("gemma3_text", ("<start_of_turn>",)),
    ("phi4", ("<|im_sep|>",)),
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
    return next((name for name, signs in _TEMPLATE_SIGNS if all(sign in text for sign in signs)), "")
