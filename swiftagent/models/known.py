"""Which models and templates ms-swift knows, from a shipped table: so that a launch need not import it to decide on
flags."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent


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
    return msgspec.json.decode((HERE / "known.json").read_bytes(), type=dict[str, Any])


def known_model(model: str, train: dict[str, Any], config_json: dict[str, Any] | None = None) -> KnownModel:
    """Recognise a model as ms-swift does: by `model_type` where given, by its name, by the architecture in
    config.json."""
    table = _table()
    model_type, template = str(train.get("model_type", "")), str(train.get("template", ""))
    candidates: tuple[str, ...] = ()
    if not model_type and (found := table["names"].get(bare_name(model))):
        model_type, _, named = found.partition("/")
        template = template or named
    if not model_type and config_json:
        architectures = config_json.get("architectures") or ["null"]
        candidates = tuple(table["architectures"].get(architectures[0], ()))
        named_by_config = config_json.get("model_type")
        model_type = candidates[0] if len(candidates) == 1 else named_by_config if named_by_config in candidates else ""
    # A template that the config names wins: the type's own is only a default.
    known = table["types"].get(model_type, {})
    template = template or known.get("template") or ""
    return KnownModel(
        model_type,
        template,
        template in table["thinking_templates"],
        bool(known.get("multimodal")),
        table["agent_templates"].get(template, ""),
        candidates,
    )


def bare_name(model: str) -> str:
    """The name by which ms-swift matches: hub caches keep it in their folder names."""
    inside_cache = re.search(r"/models(?:--|/)(?:.+?--)?(.+?)/snapshots/", model)
    name = inside_cache.group(1) if inside_cache else model.rstrip("/").rsplit("/", 1)[-1]
    return name.replace("___", ".").lower()
