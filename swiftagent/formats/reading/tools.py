"""Declared tools in every spelling that real rows hold, as Tools with a JSON Schema; what was normalised is named."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.calls import json_sequence
from swiftagent.formats.reading.schemas import as_schema
from swiftagent.io.jsonl import encode
from swiftagent.trajectory.escape import show_control_tokens, show_value
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Tool

Declared = tuple[tuple[Tool, ...], tuple[str, ...]]
_NONE: Declared = ((), ())
_SERVER_TOOLS = {"code_interpreter": "python"}  # the name that calls of it carry
_GEMINI = ("function_declarations", "functionDeclarations")
_CACHED = 512
_LONGEST_KEPT = 65536
_cache: OrderedDict[str | bytes, Declared] = OrderedDict()


def read_tools(raw: Any) -> Declared:
    """(tools, repairs) of a JSON string, a list of any shape, one tool, a map of tools, names, or nothing.

    Raises RowError("bad-tools", ...) where something stands there that is no tool.
    """
    if not raw:
        return _NONE
    key = raw if isinstance(raw, (str, bytes)) else encode(raw)
    found = _cache.get(key)
    if found is None:
        found = _read(raw)
        if len(key) < _LONGEST_KEPT:
            _cache[key] = found
            if len(_cache) > _CACHED:
                _cache.popitem(last=False)
    return found


def _read(raw: Any) -> Declared:
    repairs: list[str] = []
    if isinstance(raw, str):
        raw = _parse(raw, repairs)
    items = _items(raw)
    tools: dict[str, Tool] = {}
    for item in items:
        for tool in _tools_of(item, repairs):
            if tool.name in tools:
                if tools[tool.name] != tool:
                    repairs.append("tool-declared-twice")
                continue
            tools[tool.name] = tool
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
        return [
            {"name": name, **value}
            if isinstance(value, dict) and _spec(value)
            else {"name": name, "description": _about(value)}
            for name, value in raw.items()
        ]
    raise RowError("bad-tools", f"tools are a {type(raw).__name__}")


def _is_tool(item: dict[str, Any]) -> bool:
    return isinstance(_name(item), str) or isinstance(item.get("function"), dict)


def _spec(value: dict[str, Any]) -> bool:
    return any(key in value for key in ("description", "parameters", "input_schema", "inputSchema", "desc"))


def _about(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(item: dict[str, Any]) -> Any:
    for key in ("name", "api_name", "tool_name", "func_name", "function_name", "tool", "api", "Name", "name_for_model"):
        if isinstance(item.get(key), str):
            return item[key]
    return None


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
    if isinstance(inner, dict):
        return (
            _tools_of(inner, repairs)
            if "function" not in inner or isinstance(inner["function"], dict)
            else [_tool(inner, repairs)]
        )
    return [_tool(item, repairs)]


def _tool(item: dict[str, Any], repairs: list[str]) -> Tool:
    name = _name(item)
    if name is None:
        if isinstance(item.get("type"), str):  # a tool of the server itself: {"type": "code_interpreter"}
            return Tool(_SERVER_TOOLS.get(item["type"], item["type"]))
        raise RowError("bad-tools", f"a tool has no name: {str(item)[:80]}")
    about = next(
        (
            item[key]
            for key in ("description", "desc", "api_description", "Description", "description_for_model")
            if isinstance(item.get(key), str)
        ),
        "",
    )
    tool = Tool(name.strip(), about, _parameters(item, repairs))
    return Tool(show_control_tokens(tool.name), show_control_tokens(tool.description), show_value(tool.parameters))


def _parameters(item: dict[str, Any], repairs: list[str]) -> dict[str, Any]:
    for key in (
        *("parameters", "input_schema", "inputSchema", "parameters_schema", "arguments", "params", "args"),
        *("Parameters",),
    ):
        if key in item:
            given = item[key]
            if isinstance(given, str) and given.strip():
                try:
                    given, mended = read_loose(given)
                    repairs += mended
                except RowError:
                    return {}
            schema = as_schema(given, repairs)
            outer = item.get("required")
            if (
                isinstance(outer, list)
                and "required" not in schema
                and schema.get("properties")
                and all(isinstance(x, str) for x in outer)
            ):
                known = [name for name in outer if name in schema["properties"]]
                schema = {**schema, "required": known} if known else schema
            return schema
    return {}
