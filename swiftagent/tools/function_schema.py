"""A Python function as a declared tool: JSON Schema from its signature and docstring, and JSON arguments as Python
values.

It runs in the worker process and imports the standard library alone.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

_PLAIN: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    tuple: "array",
    set: "array",
    dict: "object",
}
_GOOGLE = re.compile(r"^\s*(?:Args|Arguments|Parameters|参数)\s*[:：]\s*$", re.M)
_GOOGLE_ITEM = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*[:：]\s*(.*)$")
_SPHINX_ITEM = re.compile(r"^\s*:param\s+(?:[\w\[\], .|]+\s+)?(\w+)\s*:\s*(.*)$")
_SPHINX_OTHER = re.compile(r"^\s*:(?:type|keyword|var|meta)\b")
_NUMPY = re.compile(r"^\s*(?:(Other )?Parameters|Arguments)\s*$")
_NUMPY_ITEM = re.compile(r"^\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_UNDERLINE = re.compile(r"^\s*-{3,}\s*$")
_SECTION = re.compile(
    r"^\s*(?:Returns?|Raises|Yields?|Examples?|Notes?|返回)\s*[:：]\s*$|^\s*:(?:returns?|raises|rtype)\b"
)


def describe(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """{"name", "description", "parameters"} of a function; `name` is what the file calls it."""
    about, parameters = split_docstring(inspect.getdoc(function) or "")
    hints = _hints(function)
    properties: dict[str, Any] = {}
    required = []
    open_ended = False
    for key, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            open_ended = True
            continue
        schema = schema_of(hints.get(key, Any))
        several = parameter.kind is parameter.VAR_POSITIONAL
        if several:
            schema = {"type": "array", **({"items": schema} if schema else {})}
        if key in parameters:
            schema = {**schema, "description": parameters[key]}
        if parameter.default is parameter.empty and not several:
            required.append(key)
        elif not several and _is_json(parameter.default) and parameter.default is not None:
            schema = {**schema, "default": parameter.default}
        properties[key] = schema
    whole: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        whole["required"] = required
    if open_ended:
        whole["additionalProperties"] = True
    return {"name": name, "description": about, "parameters": whole}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def schema_of(hint: Any, seen: tuple[Any, ...] = ()) -> dict[str, Any]:
    """JSON Schema of a type hint; {} where nothing is known of it."""
    if hint in seen:
        # A type that holds itself.
        return {"type": "object"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        about = next((extra for extra in arguments[1:] if isinstance(extra, str)), "")
        return {**schema_of(arguments[0], seen), **({"description": about} if about else {})}
    if origin is Literal:
        names = {_PLAIN.get(type(value)) for value in arguments}
        name = names.pop() if len(names) == 1 else None
        return {**({"type": name} if name else {}), "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _schema_of_union(arguments, seen)
    if origin is tuple and arguments and Ellipsis not in arguments:
        items = [schema_of(argument, seen) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    kind = origin if isinstance(origin, type) else object
    if issubclass(kind, Mapping):
        item = schema_of(arguments[1], seen) if len(arguments) == 2 else {}
        return {"type": "object", **({"additionalProperties": item} if item else {})}
    if issubclass(kind, Iterable):
        item = schema_of(arguments[0], seen) if arguments and arguments[0] is not Ellipsis else {}
        return {"type": "array", **({"items": item} if item else {})}
    if hint is None or hint is type(None):
        return {"type": "null"}
    return _schema_of_class(hint, seen)


def _schema_of_union(arguments: tuple[Any, ...], seen: tuple[Any, ...]) -> dict[str, Any]:
    schemas = [schema_of(argument, seen) for argument in arguments]
    if {} in schemas:
        return {}
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _schema_of_class(hint: Any, seen: tuple[Any, ...]) -> dict[str, Any]:
    if not isinstance(hint, type):
        return {}
    if issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if dataclasses.is_dataclass(hint):
        hints = _hints(hint)
        fields = dataclasses.fields(hint)
        required = [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        properties = {field.name: schema_of(hints.get(field.name, Any), (*seen, hint)) for field in fields}
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if typing.is_typeddict(hint):
        hints = _hints(hint)
        properties = {name: schema_of(inner, (*seen, hint)) for name, inner in hints.items()}
        return {"type": "object", "properties": properties, "required": sorted(hint.__required_keys__)}  # type: ignore
    # bool stands before int, whose subclass it is.
    for kind, name in _PLAIN.items():
        if issubclass(hint, kind):
            return {"type": name}
    return {}


def to_python(value: Any, hint: Any) -> Any:
    """A JSON value as the type that a function asks for: dataclasses, enums, tuples and sets are built."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return to_python(value, arguments[0])
    if origin in (Union, types.UnionType):
        return next((built for choice in arguments if (built := _try(value, choice)) is not _UNFIT), value)
    if origin is tuple and isinstance(value, list) and len(arguments) == len(value) and Ellipsis not in arguments:
        return tuple(to_python(item, argument) for item, argument in zip(value, arguments, strict=True))
    if origin in (list, set, frozenset, tuple) and isinstance(value, list):
        built_items = [to_python(item, arguments[0]) if arguments else item for item in value]
        return origin(built_items)
    if origin is dict and isinstance(value, dict) and len(arguments) == 2:
        return {name: to_python(item, arguments[1]) for name, item in value.items()}
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            hints = _hints(hint)
            return hint(**{name: to_python(item, hints.get(name, Any)) for name, item in value.items()})
        if issubclass(hint, enum.Enum):
            return hint(value)
        if hint in (tuple, set) and isinstance(value, list):
            return hint(value)
        if hint is float and type(value) is int:
            return float(value)
    return value


_UNFIT = object()


def _try(value: Any, choice: Any) -> Any:
    if choice is type(None):
        return None if value is None else _UNFIT
    if isinstance(choice, type) and dataclasses.is_dataclass(choice):
        names = {field.name for field in dataclasses.fields(choice)}
        return to_python(value, choice) if isinstance(value, dict) and set(value) <= names else _UNFIT
    if isinstance(choice, type) and issubclass(choice, enum.Enum):
        return choice(value) if value in [member.value for member in choice] else _UNFIT
    plain = get_origin(choice) or choice
    return to_python(value, choice) if isinstance(plain, type) and isinstance(value, plain) else _UNFIT


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """(what the function does, what each parameter means), from Google's, Sphinx's or NumPy's style."""
    lines = text.splitlines()
    about: list[str] = []
    parameters: dict[str, str] = {}
    part, names, indent = "about", [""], 0
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        sphinx = _SPHINX_ITEM.match(line)
        if sphinx:
            part, names = "sphinx", [sphinx.group(1)]
            parameters[names[0]] = sphinx.group(2).strip()
        elif _UNDERLINE.match(following) and line.strip():
            part, names = "numpy" if _NUMPY.match(line) else "other", []
        elif _GOOGLE.match(line):
            part, names, indent = "google", [], 0
        elif _SECTION.match(line) or _SPHINX_OTHER.match(line):
            part = "other"
        elif part == "about":
            about.append(line)
        elif line.strip() and not _UNDERLINE.match(line):
            item = _item(part, line, indent)
            if item is not None:
                names, said, indent = item
                parameters.update(dict.fromkeys(names, said))
            else:
                parameters.update(
                    {name: f"{parameters[name]} {line.strip()}".strip() for name in names if name in parameters}
                )
    return " ".join(" ".join(about).split()), parameters


def _item(part: str, line: str, indent: int) -> tuple[list[str], str, int] | None:
    """The names that a line explains, what it says about them and how far it is indented; None where it continues the
    last."""
    if part == "google":
        item = _GOOGLE_ITEM.match(line)
        if item and (not indent or len(item.group(1)) <= indent):
            return [item.group(2)], item.group(3).strip(), len(item.group(1))
    elif part == "numpy":
        item = _NUMPY_ITEM.match(line)
        if item:
            return [name.strip() for name in item.group(1).split(",")], "", 0
    return None


def _is_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (str, int, float, bool)) and not isinstance(value, enum.Enum)
