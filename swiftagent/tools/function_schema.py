"""A Python function as a declared tool: JSON Schema from its signature and docstring, and JSON arguments as the Python
values that its type hints ask for.
"""

from __future__ import annotations

import inspect
import json
import keyword
import re
import typing
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

_INNER = ("items", "additionalProperties", "not", "allOf", "anyOf", "oneOf", "prefixItems")
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def describe(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """{"name", "description", "parameters"} of a function; `name` is what the file calls it."""
    about, explained = split_docstring(inspect.getdoc(function) or "")
    hints = hints_of(function)
    whole: dict[str, Any] = {"type": "object", "properties": {}}
    required = []
    for key, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            whole["additionalProperties"] = True
            continue
        schema, default = schema_of(hints.get(key, Any)), parameter.default
        key = key[:-1] if python_name(key[:-1]) == key else key
        several = parameter.kind is parameter.VAR_POSITIONAL
        if several:
            schema = {"type": "array", **({"items": schema} if schema else {})}
        if key in explained:
            schema["description"] = explained[key]
        if default is parameter.empty and not several:
            required.append(key)
        elif not several and default is not None:
            # What is not JSON has no place in a schema.
            with suppress(TypeError, ValueError):
                schema["default"] = json.loads(json.dumps(default, allow_nan=False))
        whole["properties"][key] = schema
    return {"name": name, "description": about, "parameters": whole | ({"required": required} if required else {})}


def python_name(name: str) -> str:
    """A parameter whose name is a keyword, such as `from`, is `from_` in Python."""
    return f"{name}_" if keyword.iskeyword(name) else name


def hints_of(function: Any) -> dict[str, Any]:
    """Type hints of a function, {} where they name what cannot be found."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def schema_of(hint: Any) -> dict[str, Any]:
    """JSON Schema of a type hint; {} where nothing is known of it."""
    said = next((text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)), "")
    try:
        (schema,), parts = msgspec.json.schema_components([hint], schema_hook=lambda kind: {})
    # Such as a union of two dataclasses.
    except TypeError:
        return {}
    return {**_written_out(schema, parts, ()), **({"description": said} if said else {})}


def _written_out(schema: dict[str, Any], parts: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    """A schema without references and titles, its unions as a list of types: the short form that models know best."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        # A type that holds itself has no end.
        return {"type": "object"} if name in inside else _written_out(parts[name], parts, (*inside, name))
    kept = {key: value for key, value in schema.items() if key != "title" and value not in ({}, [])}
    found = with_inner(kept, partial(_written_out, parts=parts, inside=inside))
    if "properties" in found:
        found["additionalProperties"] = False
    choices = found.get("anyOf", ())
    if {} in choices:
        return {}
    if choices and all(set(choice) == {"type"} for choice in choices):
        return {"type": [choice["type"] for choice in choices]}
    kinds = {_NAMES.get(type(value)) for value in found.get("enum", ())}
    return {"type": kinds.pop(), **found} if len(kinds) == 1 and None not in kinds else found


def with_inner(schema: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """A schema with every schema that it holds changed."""
    found = dict(schema)
    for key, value in schema.items():
        if key in ("properties", "patternProperties") and isinstance(value, dict):
            found[key] = {name: change(each) for name, each in value.items()}
        elif key in _INNER and isinstance(value, (dict, list)):
            found[key] = change(value) if isinstance(value, dict) else [change(each) for each in value]
    return found


def to_python(value: Any, hint: Any) -> Any:
    """A JSON value as the type that a function asks for: dataclasses, enums, tuples and sets are built. As it is where
    the type is unknown or does not fit."""
    try:
        return msgspec.convert(value, hint)
    except (TypeError, msgspec.ValidationError):
        return value


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """(what the function does, what each parameter means), from Google's, Sphinx's or NumPy's style."""
    import docstring_parser

    text = re.sub(r"^(\s*)参数\s*[:：]\s*$", r"\1Args:", text, flags=re.M)
    text = re.sub(r"^(\s*)返回\s*[:：]\s*$", r"\1Returns:", text, flags=re.M)
    text = re.sub(r"^(\s+\w+)\s*：", r"\1: ", text, flags=re.M)
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return " ".join(text.split()), {}
    about = " ".join(f"{parsed.short_description or ''} {parsed.long_description or ''}".split())
    # NumPy's style explains several names in one line.
    explained = ((name, each.description or "") for each in parsed.params for name in each.arg_name.split(","))
    return about, {name.strip(" *"): " ".join(text.split()) for name, text in explained}
