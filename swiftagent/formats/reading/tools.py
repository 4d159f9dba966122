"""Declared tools in every spelling that real rows hold, as Tools with a JSON Schema; what was normalised is named."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.calls import json_sequence
from swiftagent.formats.reading.schemas import as_schema, is_names
from swiftagent.io.jsonl import decode, encode
from swiftagent.trajectory.escape import show_control_tokens, show_value
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Tool

Declared = tuple[tuple[Tool, ...], tuple[str, ...]]
_NONE: Declared = ((), ())
_SERVER_TOOLS = {"code_interpreter": "python"}  # the name that calls of it carry
_NAMES = ("name", "api_name", "tool_name", "func_name", "function_name", "tool", "api", "Name", "name_for_model")
_ABOUTS = ("description", "desc", "api_description", "Description", "description_for_model")
_PARAMETERS = (
    *("parameters", "input_schema", "inputSchema", "parameters_schema", "arguments", "params", "args"),
    "Parameters",
)
_GEMINI = ("function_declarations", "functionDeclarations")
_LONGEST_KEPT = 65536


def read_tools(raw: Any) -> Declared:
    """(tools, repairs) of a JSON string, a list of any shape, one tool, a map of tools, names, or nothing.

    Raises RowError("bad-tools", ...) where something stands there that is no tool.
    """
    if not raw:
        return _NONE
    text = raw if isinstance(raw, str) else encode(raw)
    return _read(text) if len(text) < _LONGEST_KEPT else _read.__wrapped__(text)


def types_of(name: str, tools: tuple[Tool, ...]) -> dict[str, Any]:
    """The declared schemas of a tool's parameters, {} where it is not declared."""
    for tool in tools:
        if tool.name == name.strip():
            properties = tool.parameters.get("properties")
            return properties if isinstance(properties, dict) else {}
    return {}


@lru_cache(maxsize=512)
def _read(text: str | bytes) -> Declared:
    """text: as a row has it, or (bytes) a value of it as JSON."""
    repairs: list[str] = []
    tools: dict[str, Tool] = {}
    for item in _items(_parse(text, repairs) if isinstance(text, str) else decode(text)):
        for tool in _tools_of(item, repairs):
            if tools.setdefault(tool.name, tool) != tool:
                repairs.append("tool-declared-twice")
    return tuple(tools.values()), tuple(repairs)


def _parse(text: str, repairs: list[str]) -> Any:
    text = text.strip()
    if not text:
        return []
    several: list[Any] = []
    wrong = text
    try:
        several = json_sequence(text, strict=False)
    except json.JSONDecodeError as error:
        wrong = text[error.pos :]
    except RecursionError:
        pass
    try:
        value, mended = read_loose(text)
        if "mended-json" in mended and len(several) > 1:  # which the library reads as one object
            value, mended = several, ()
    except RowError:
        if not several:
            raise RowError("bad-tools", f"tools are neither JSON nor a Python literal: {wrong[:60]!r}") from None
        value, mended = several, ()
    repairs += mended
    return _parse(value, repairs) if isinstance(value, str) else value


def _items(raw: Any) -> list[Any]:
    if isinstance(raw, list):
        return raw
    if isinstance(raw, dict):
        if _is_tool(raw):
            return [raw]
        for key in ("tools", "functions", *_GEMINI):
            if isinstance(raw.get(key), list):
                return list(raw[key])
        specs = {name: value if _is_spec(value) else {"description": _about(value)} for name, value in raw.items()}
        return [{"name": name, **spec} for name, spec in specs.items()]
    raise RowError("bad-tools", f"tools are a {type(raw).__name__}")


def _is_tool(item: dict[str, Any]) -> bool:
    return _text_under(item, _NAMES) is not None or isinstance(item.get("function"), dict)


def _is_spec(value: Any) -> bool:
    keys = ("description", "parameters", "input_schema", "inputSchema", "desc")
    return isinstance(value, dict) and any(key in value for key in keys)


def _about(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text_under(item: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((item[key] for key in keys if isinstance(item.get(key), str)), None)


def _tools_of(item: Any, repairs: list[str]) -> list[Tool]:
    if isinstance(item, str):
        if item.lstrip()[:1] in "{[" and item.strip():
            return [tool for part in _items(_parse(item, repairs)) for tool in _tools_of(part, repairs)]
        return [Tool(item.strip())] if item.strip() else []
    if isinstance(item, list):
        return [tool for part in item for tool in _tools_of(part, repairs)]
    if not isinstance(item, dict):
        raise RowError("bad-tools", f"a tool is a {type(item).__name__}")
    for key in (*_GEMINI, "functions", "tools"):  # groups: Gemini, and servers with their tools
        if isinstance(item.get(key), list) and "name" not in item:
            return [tool for part in item[key] for tool in _tools_of(part, repairs)]
    if isinstance(item.get("toolSpec"), dict):  # Bedrock: the schema stands under `json`
        spec = item["toolSpec"]
        held = spec.get("inputSchema")
        return [_tool({**spec, "inputSchema": held.get("json", held) if isinstance(held, dict) else {}}, repairs)]
    inner = item.get("function")
    if isinstance(inner, str) and not isinstance(item.get("name"), str):
        inner = {**item, "name": inner}
    if not isinstance(inner, dict):
        return [_tool(item, repairs)]
    nested = "function" not in inner or isinstance(inner["function"], dict)
    return _tools_of(inner, repairs) if nested else [_tool(inner, repairs)]


def _tool(item: dict[str, Any], repairs: list[str]) -> Tool:
    name = _text_under(item, _NAMES)
    if name is None:
        if isinstance(item.get("type"), str):  # a tool of the server itself: {"type": "code_interpreter"}
            return Tool(_SERVER_TOOLS.get(item["type"], item["type"]))
        raise RowError("bad-tools", f"a tool has no name: {str(item)[:80]}")
    tool = Tool(name.strip(), _text_under(item, _ABOUTS) or "", _parameters(item, repairs))
    return Tool(show_control_tokens(tool.name), show_control_tokens(tool.description), show_value(tool.parameters))


def _parameters(item: dict[str, Any], repairs: list[str]) -> dict[str, Any]:
    given = next((item[key] for key in _PARAMETERS if key in item), None)
    if isinstance(given, str) and given.strip():
        try:
            given, mended = read_loose(given)
            repairs += mended
        except RowError:
            return {}
    schema, outer = as_schema(given, repairs), item.get("required")
    if is_names(outer) and "required" not in schema and schema.get("properties"):
        known = [name for name in outer if name in schema["properties"]]
        schema = {**schema, "required": known} if known else schema
    return schema
