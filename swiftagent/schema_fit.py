"""Whether arguments fit a tool's JSON Schema."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from swiftagent.trajectory import Json, Tool

_encode = msgspec.json.Encoder(order="deterministic").encode


def fits(tool: Tool, arguments: Json) -> bool:
    """Whether the arguments fit the tool's schema; an empty schema, or one that is itself wrong, fits everything."""
    if not tool.parameters:
        return True
    validator = _validator(_encode(tool.parameters))
    return validator is None or validator.is_valid(arguments)


@lru_cache(maxsize=4096)
def _validator(schema: bytes) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    parsed = msgspec.json.decode(schema)
    try:
        Draft202012Validator.check_schema(parsed)
    except SchemaError:
        return None
    return Draft202012Validator(parsed)
