"""Arguments against a tool's JSON Schema: each fault as a sentence that a model can act on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from swiftagent.io.words import nearest
from swiftagent.trajectory.types import Json

MOST = 5  # faults told at once


def problems(schema: dict[str, Json], arguments: Any) -> list[str]:
    """The faults of the arguments, at most five. An object with properties takes no others unless its schema says
    so."""
    if not isinstance(arguments, dict):
        return [f"the Action Input must be one JSON object, not {_kind(arguments)}"]
    faults = [*_faults(schema, arguments), *_unknown_names(schema, arguments)]
    return list(dict.fromkeys(faults))[:MOST]


def _faults(schema: dict[str, Json], arguments: dict[str, Json]) -> list[str]:
    """What the schema says of them; nothing where it cannot be applied: a `$ref` to nowhere, a value too deep or too
    large."""
    validator = _validator(json.dumps(schema, sort_keys=True))
    try:
        return [] if validator is None else [_sentence(error) for error in validator.iter_errors(arguments)]
    except (Unresolvable, OverflowError, RecursionError):
        return []


@lru_cache(maxsize=512)
def _validator(schema: str) -> Any:
    """A validator, or None for a schema that is none itself: then nothing is known of the arguments.

    A `$ref` is followed within the schema only: nothing is fetched.
    """
    from referencing import Registry

    value = json.loads(schema)
    kind = jsonschema.validators.validator_for(value, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(value)
    except (SchemaError, RecursionError):
        return None
    return kind(value, registry=Registry())


def _unknown_names(schema: dict[str, Json], arguments: dict[str, Json]) -> Iterator[str]:
    properties = schema.get("properties")
    if (
        not isinstance(properties, dict)
        or not properties
        or "additionalProperties" in schema
        or "patternProperties" in schema
    ):
        return
    if any(key in schema for key in ("allOf", "anyOf", "oneOf", "$ref")):
        return
    for name in arguments:
        if name not in properties:
            near = nearest(name, properties)
            hint = f"did you mean {near!r}?" if near else f"it takes {', '.join(map(repr, properties))}"
            yield f"unknown parameter {name!r}, {hint}"


def _sentence(error: ValidationError) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    value = error.instance
    match error.validator:
        case "required":
            names: Any = error.validator_value
            missing = [name for name in names if isinstance(value, dict) and name not in value]
            where = f" in {place}" if place else ""
            return f"missing required parameter{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}{where}"
        case "type":
            wanted: Any = error.validator_value
            wanted = " or ".join(wanted) if isinstance(wanted, list) else wanted
            return f"{place!r} must be of type {wanted}, not {_kind(value)} {_short(value)}"
        case "enum":
            return f"{place!r} must be one of {_short(error.validator_value, 300)}, not {_short(value)}"
        case "additionalProperties":
            return f"{place!r}: {error.message}" if place else error.message
    return f"{place!r}: {error.message[:300]}" if place else error.message[:300]


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _short(value: Any, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[:most] + "..."
