"""The JSON Schema of a config, made of its types and of ms-swift's options: editors complete and check with it."""

from __future__ import annotations

from typing import Any

import msgspec

from swiftagent.train.config import OURS, TOP_KEYS, Config
from swiftagent.train.options import Option, options

_TYPES = {"bool": "boolean", "int": "integer", "float": "number", "str": "string", "dict": "object"}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
# Where YAML may say more than the type that it is read into.
_AS_WRITTEN: dict[str, dict[str, Any]] = {
    "data": _TEXTS,
    "val": {"anyOf": [*_TEXTS["anyOf"], {"const": False}]},
    "gpus": {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "auto"}]},
    "preflight": {"enum": ["off", "sample", "full", False]},  # YAML reads a bare `off` as false
    "extends": {"type": "string", "description": "another config, whose values hold where this one says nothing"},
}


def config_schema() -> dict[str, Any]:
    """The schema; a `train:` option that does not exist is an error in it too."""
    _, components = msgspec.json.schema_components([Config])
    own = components["Config"]["properties"]
    train = {name: _of_option(option) for name, option in sorted(options().items()) if name not in OURS}
    properties = {key: _AS_WRITTEN.get(key) or _of_field(own[key]) for key in TOP_KEYS}
    properties["train"] = {"type": "object", "properties": train, "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a training config of swiftagent",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _of_field(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "default"}


def _of_option(option: Option) -> dict[str, Any]:
    kinds = [_of_kind(kind) for kind in option.kinds]
    if option.choices:
        # YAML reads an unquoted `no` as false.
        return {"enum": [*option.choices, *([False] if "no" in option.choices else [])]}
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _of_kind(kind: str) -> dict[str, Any]:
    if kind.startswith("list["):
        item = {"type": _TYPES[kind[5:-1]]}
        return {"anyOf": [{"type": "array", "items": item}, item]}
    # YAML 1.1 reads 5e-5 as text, and numbers written so are accepted.
    return {"type": ["number", "string"]} if kind == "float" else {"type": _TYPES[kind]}
