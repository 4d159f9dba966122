"""The one check of a call's arguments against its tool's JSON Schema: each fault with its code, place and sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from swiftagent.io.jsonl import decode, encode
from swiftagent.trajectory.types import Call, Tool, by_identity


class ArgumentFault(NamedTuple):
    """code: of wellformed.CODES. place: within the arguments ("a.b[0]"), "" for the whole. sentence: for the model."""

    code: str
    place: str
    sentence: str


_CODES = {
    "required": "missing-argument",
    "additionalProperties": "unknown-argument",
    "unevaluatedProperties": "unknown-argument",
    "type": "wrong-type",
    "enum": "bad-enum",
    "const": "bad-enum",
}
# Where one of these stands, names that `properties` lacks are for the validator to judge.
_OPEN: tuple[str, ...] = ("additionalProperties", "unevaluatedProperties", "patternProperties", "dependentSchemas")
_OPEN += ("anyOf", "oneOf", "allOf", "$ref", "if")
_UNTYPED = frozenset(("description", "title", "default", "examples", "example"))
_LARGEST = 100_000  # subschemas that references may expand to
_BACKTRACKS = 100_000  # of a pattern with lookaround; all others are matched in linear time


class Checker(NamedTuple):
    """A compiled schema. known: argument names; None where the schema allows others. validator: of jsonschema-rs; None
    where names say everything. broken: why the schema itself cannot be used, or ""."""

    required: tuple[str, ...]
    known: frozenset[str] | None
    validator: Any
    broken: str


def faults_of(call: Call, tools: tuple[Tool, ...]) -> Sequence[ArgumentFault]:
    """Every fault of one call; empty where it fits. Tools without a schema fit everything."""
    for tool in tools:
        if tool.name == call.tool:
            return faults(tool.parameters, call.arguments) if tool.parameters else ()
    names = ", ".join(tool.name for tool in tools[:8])
    more = ", ..." if len(tools) > 8 else ""
    return [ArgumentFault("undeclared-tool", "", f"the call names {call.tool!r}; declared are {names}{more}")]


def faults(schema: dict[str, Any], arguments: Any) -> Sequence[ArgumentFault]:
    """Every fault of the arguments. An object with properties takes no others unless its schema allows them.

    A schema that cannot be applied is the one fault `bad-schema`.
    """
    if type(arguments) is not dict:
        return [ArgumentFault("wrong-type", "", f"the arguments must be one JSON object, not {_kind(arguments)}")]
    if not schema:
        return ()
    checker = _checker(schema)
    if checker.broken:
        return [ArgumentFault("bad-schema", "", f"the schema is itself wrong: {checker.broken}")]
    missing = [name for name in checker.required if name not in arguments]
    found = [ArgumentFault("missing-argument", name, f"missing required parameter {name!r}") for name in missing]
    if checker.known is not None and not checker.known.issuperset(arguments):
        takes = ", ".join(map(repr, schema.get("properties") or ())) or "no parameters"
        for name in arguments:
            if name not in checker.known:
                found.append(ArgumentFault("unknown-argument", name, f"unknown parameter {name!r}, it takes {takes}"))
    try:
        if checker.validator is not None and not checker.validator.is_valid(arguments):
            found += _validator_faults(checker.validator, arguments, {fault.code for fault in found})
    # A value deeper or larger than the validator takes is not judged.
    except (ValueError, OverflowError, RecursionError):
        pass
    return found


def _validator_faults(validator: Any, arguments: dict[str, Any], found: set[str]) -> Iterator[ArgumentFault]:
    for error in validator.iter_errors(arguments):
        code = _CODES.get(error.kind.name, "schema-fault")
        path = list(error.instance_path)
        # Names at the top are reported already.
        if path or code not in found or code not in ("missing-argument", "unknown-argument"):
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
            yield ArgumentFault(code, place, _sentence(error, place))


def _sentence(error: Any, place: str) -> str:
    kind = error.kind
    match kind.name:
        case "required":
            return f"missing required parameter {kind.property!r}{f' in {place}' if place else ''}"
        case "type":
            given = f"{_kind(error.instance)} {_short(error.instance)}"
            return f"{place!r} must be of type {' or '.join(kind.types)}, not {given}"
        case "enum":
            return f"{place!r} must be one of {_short(kind.options, 300)}, not {_short(error.instance)}"
    return f"{place!r}: {error.message[:300]}" if place else str(error.message[:300])


def _kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")


def _short(value: Any, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[:most] + "..."


@by_identity
def _checker(schema: dict[str, Any]) -> Checker:
    """The compiled schema: found by the object itself, else by its content."""
    return _compile(encode(schema))


@lru_cache(maxsize=2048)
def _compile(text: bytes) -> Checker:
    schema = decode(text)
    given = schema.get("properties", {})
    properties = given if isinstance(given, dict) else {}
    required = schema.get("required")
    names = tuple(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()
    is_open = any(key in schema for key in _OPEN)
    names_all = schema.get("additionalProperties") is False or not is_open and "properties" in schema
    known = frozenset(properties) if names_all else None
    if properties is given and not is_open and not any(_says_more(value) for value in properties.values()):
        return Checker(names, known, None, "")
    import jsonschema_rs

    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS)
    try:
        if (b'Ref"' in text or b'$ref"' in text) and _expanded(schema) > _LARGEST:
            raise ValueError("its references expand to too many schemas")
        validator = jsonschema_rs.Draft202012Validator(schema, retriever=_refuse_to_fetch, pattern_options=options)
    except (ValueError, RecursionError) as error:  # a wrong schema, one too deep, or a $ref that leads nowhere
        return Checker(names, known, None, str(error).splitlines()[0][:120])
    return Checker(names, known, validator, "")


def _says_more(value: Any) -> bool:
    return isinstance(value, dict) and not _UNTYPED.issuperset(value) or value is False


def _expanded(schema: dict[str, Any]) -> int:
    """How many subschemas the schema has with every reference written out, one that leads back to itself counted once.

    The validator follows references as often as they stand, so that 28 definitions of two references each hang it.
    """
    named: dict[str, Any] = {"": schema, "#": schema}
    sizes: dict[int, int] = {}

    def name(value: Any, pointer: str) -> None:
        if isinstance(value, dict):
            named[pointer] = value
            for key in ("$anchor", "$dynamicAnchor", "$id"):
                if isinstance(value.get(key), str):
                    named[value[key] if key == "$id" else f"#{value[key]}"] = value
        if isinstance(value, (dict, list)):
            children: Any = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in children:
                name(inner, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")

    def size(value: Any) -> int:
        if not isinstance(value, (dict, list)):
            return 0
        if id(value) not in sizes:
            sizes[id(value)] = 1  # while it is counted: a reference back to it
            inner = list(value.values() if isinstance(value, dict) else value)
            if isinstance(value, dict):
                inner += [named.get(value[key]) for key in ("$ref", "$dynamicRef") if isinstance(value.get(key), str)]
            sizes[id(value)] = 1 + sum(map(size, inner))
        return sizes[id(value)]

    name(schema, "#")
    return size(schema)


def _refuse_to_fetch(uri: str) -> Any:
    raise ValueError(f"$ref {uri} leads out of the schema")
