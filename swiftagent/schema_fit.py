"""Whether arguments fit a tool's JSON Schema, thousands of times a second.

Flat schemas, which nearly all tools have, are turned into a plain Python check; any keyword beyond them goes to jsonschema.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from swiftagent.trajectory import Json, Tool

Check = Callable[[Any], bool]
_encode = msgspec.json.Encoder(order="deterministic").encode
_ANNOTATIONS = {"title", "description", "default", "examples", "example", "format", "deprecated"}
_TYPES: dict[str, Check] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}


def fits(tool: Tool, arguments: Json) -> bool:
    """Whether the arguments fit the tool's schema; an empty schema, or one that is itself wrong, fits everything."""
    return not tool.parameters or _check(_encode(tool.parameters))(arguments)


@lru_cache(maxsize=4096)
def _check(schema: bytes) -> Check:
    parsed = msgspec.json.decode(schema)
    return _plain(parsed) or _by_jsonschema(parsed)


def _plain(schema: Any) -> Check | None:
    """The schema as one Python check; None where it says more than types, properties, required, items and enum."""
    if not isinstance(schema, dict) or not schema.keys() <= _ANNOTATIONS | {"type", "properties", "required", "items", "enum"}:
        return None
    checks: list[Check] = []
    for keyword in schema.keys() - _ANNOTATIONS:
        check = _KEYWORDS[keyword](schema[keyword])
        if check is None:
            return None
        checks.append(check)
    return lambda value: all(check(value) for check in checks)


def _type(name: Any) -> Check | None:
    return _TYPES.get(name) if isinstance(name, str) else None


def _properties(properties: Any) -> Check | None:
    if not isinstance(properties, dict):
        return None
    checks = {name: check for name, schema in properties.items() if (check := _plain(schema))}
    if len(checks) < len(properties):
        return None
    return lambda value: not isinstance(value, dict) or all(checks[name](item) for name, item in value.items() if name in checks)


def _required(names: Any) -> Check | None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _items(schema: Any) -> Check | None:
    check = _plain(schema)
    return check and (lambda value: not isinstance(value, list) or all(check(item) for item in value))


def _enum(values: Any) -> Check | None:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return lambda value: value in values


_KEYWORDS: dict[str, Callable[[Any], Check | None]] = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "items": _items,
    "enum": _enum,
}


def _by_jsonschema(schema: Any) -> Check:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return lambda value: True
    validator = Draft202012Validator(schema)
    return lambda value: bool(validator.is_valid(value))
