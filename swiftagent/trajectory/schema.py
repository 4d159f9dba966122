"""What is wrong with a call's arguments, by code, against its tool's JSON Schema; validators are compiled once per
schema."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from swiftagent.io.jsonl import encode
from swiftagent.trajectory.types import Call, Tool

Fault = tuple[str, str]  # (code of wellformed.CODES, sentence)
_NO_FAULTS: tuple[Fault, ...] = ()
_CODES = {
    "required": "missing-argument",
    "dependentRequired": "missing-argument",
    "additionalProperties": "unknown-argument",
    "unevaluatedProperties": "unknown-argument",
    "type": "wrong-type",
    "enum": "bad-enum",
    "const": "bad-enum",
}
_OPEN = (
    "additionalProperties",
    "patternProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "if",
    "unevaluatedProperties",
    "dependentSchemas",
)
_UNTYPED = frozenset(("description", "title", "default", "examples", "example"))
_CACHED = 2048


class Checker(NamedTuple):
    required: tuple[str, ...]
    known: frozenset[str] | None  # argument names; None where the schema allows others
    validator: Any  # of jsonschema-rs; None where names say everything
    broken: str  # why the schema itself cannot be used, or ""


_by_tool: dict[int, tuple[Tool, Checker | None]] = {}  # by identity: readers give rows of one tool the same object
_MOST_TOOLS = 16384
_by_schema: OrderedDict[bytes, Checker] = OrderedDict()


def faults_of(call: Call, tools: tuple[Tool, ...]) -> tuple[Fault, ...] | list[Fault]:
    """Every fault of one call; empty where it fits. Tools without a schema fit everything."""
    tool = next((tool for tool in tools if tool.name == call.tool), None)
    if tool is None:
        names = ", ".join(tool.name for tool in tools[:8])
        return [
            (
                "undeclared-tool",
                f"the call names {call.tool!r}; declared are {names}{', ...' if len(tools) > 8 else ''}",
            )
        ]
    checker = checker_of(tool)
    return _NO_FAULTS if checker is None else faults_of_arguments(call.tool, call.arguments, checker)


def faults_of_arguments(tool: str, arguments: Any, checker: Checker) -> tuple[Fault, ...] | list[Fault]:
    """Every fault of the arguments of one call."""
    if type(arguments) is not dict:
        return [("wrong-type", f"{tool}: arguments are a {type(arguments).__name__}, not an object")]
    if checker.broken:
        return [("bad-schema", f"{tool}: the schema is itself wrong: {checker.broken}")]
    return _faults(tool, arguments, checker)


def _faults(tool: str, arguments: dict[str, Any], checker: Checker) -> tuple[Fault, ...] | list[Fault]:
    faults: list[Fault] = []
    for name in checker.required:
        if name not in arguments:
            faults.append(("missing-argument", f"{tool}: required argument {name!r} is missing"))
    if checker.known is not None and not checker.known.issuperset(arguments):
        faults += [
            ("unknown-argument", f"{tool}: no argument {name!r}") for name in arguments if name not in checker.known
        ]
    if checker.validator is not None and not _is_valid(checker.validator, arguments):
        faults += _validator_faults(tool, arguments, checker, {code for code, _ in faults})
    return faults or _NO_FAULTS


def _is_valid(validator: Any, arguments: dict[str, Any]) -> bool:
    try:
        return bool(validator.is_valid(arguments))
    except (
        ValueError,
        OverflowError,
        RecursionError,
    ):  # a value deeper or larger than the validator takes is not judged
        return True


def _validator_faults(tool: str, arguments: dict[str, Any], checker: Checker, told: set[str]) -> list[Fault]:
    faults = []
    for error in checker.validator.iter_errors(arguments):
        keyword = _keyword(error)
        code = _CODES.get(keyword, "schema-fault")
        place = "/".join(map(str, error.instance_path))
        if not place and code in told and code in ("missing-argument", "unknown-argument"):
            continue  # names at the top are told already
        faults.append((code, f"{tool}: {place or 'arguments'}: {error.message[:160]}"))
    return faults


def _keyword(error: Any) -> str:
    """The schema keyword that failed: the last text of the path that is a keyword."""
    path = [str(part) for part in error.schema_path]
    return next((part for part in reversed(path) if not part.isdigit()), "")


def checker_of(tool: Tool) -> Checker | None:
    """What the arguments of this tool are held to; None where it has no schema."""
    known = _by_tool.get(id(tool))
    if known is not None and known[0] is tool:
        return known[1]
    checker = _compiled(tool)
    if len(_by_tool) >= _MOST_TOOLS:
        _by_tool.clear()
    _by_tool[id(tool)] = (tool, checker)
    return checker


def _compiled(tool: Tool) -> Checker | None:
    schema = tool.parameters
    if not schema:
        return None
    key = encode(schema)
    checker = _by_schema.get(key)
    if checker is None:
        checker = _compile(schema)
        _by_schema[key] = checker
        if len(_by_schema) > _CACHED:
            _by_schema.popitem(last=False)
    return checker


def _compile(schema: dict[str, Any]) -> Checker:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = schema.get("required")
    names = tuple(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()
    closed = not any(key in schema for key in _OPEN) or schema.get("additionalProperties") is False
    known = (
        frozenset(properties)
        if closed and ("properties" in schema or schema.get("additionalProperties") is False)
        else None
    )
    if not any(_says_more(value) for value in properties.values()) and not any(key in schema for key in _OPEN):
        return Checker(names, known, None, "")
    build = _validator()
    try:
        return Checker(names, known, build(schema), "")
    except ValueError as error:  # jsonschema-rs names a wrong schema or a $ref that leads nowhere
        return Checker(names, known, None, str(error).splitlines()[0][:120])


def _says_more(value: Any) -> bool:
    return isinstance(value, dict) and not _UNTYPED.issuperset(value) or value is False


def _validator() -> Callable[[dict[str, Any]], Any]:
    import jsonschema_rs

    def build(schema: dict[str, Any]) -> Any:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_nothing_is_fetched)

    return build


def _nothing_is_fetched(uri: str) -> Any:
    raise ValueError(f"$ref {uri} leads out of the schema")
