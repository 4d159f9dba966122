"""The ReAct system prompt of ms-agent, written and read back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from swiftagent.trajectory.escape import JOINER, hide_control_tokens, json_text, parse_json_text, show_control_tokens
from swiftagent.trajectory.types import Call, Event, Tool, by_identity

PromptStyle = Literal["auto", "ms-agent", "schema"]
STYLES: tuple[PromptStyle, ...] = ("auto", "ms-agent", "schema")

# Written into the data of every run and looked for when it is read back: a change makes older data another format.
_WHOLE = {
    language: Path(__file__).with_name(f"prompt_{language}.txt").read_text(encoding="utf-8").removesuffix("\n")
    for language in ("en", "zh")
}
HEAD, FORMAT = ({language: text.split("{tools}")[part] for language, text in _WHOLE.items()} for part in (0, 1))
PARAMETERS = " Parameters: "
_REQUIRED = {"True": True, "true": True, "False": False, "false": False}


def called_tools(events: Iterable[Event]) -> tuple[Tool, ...]:
    """The tools of a row that declares none, from its calls, with an open schema."""
    return tuple(map(Tool, dict.fromkeys(event.tool for event in events if isinstance(event, Call))))


@by_identity
def react_prompt(tools: tuple[Tool, ...], style: PromptStyle, language: str) -> str:
    """The prompt that names the tools and shows the format, ending in "Begin!"."""
    style = style_for(tools, style)
    lines = [f"{number}. {_tool_line(tool, style)}" for number, tool in enumerate(tools, 1)]
    names = ", ".join(hide_control_tokens(tool.name) for tool in tools)
    return HEAD[language] + "\n\n".join(lines) + FORMAT[language].format(names=names)


@by_identity
def _tool_line(tool: Tool, style: PromptStyle) -> str:
    """A tool as the prompt shows it."""
    shown = tool.parameters if style == "schema" else flat_parameters(tool.parameters)
    about = f" {_write(tool.description, _DESCRIPTION)}" if tool.description else ""
    return f"{_write(tool.name, _NAME)}:{about}{PARAMETERS}{json_text(shown)}"


def style_for(tools: tuple[Tool, ...], style: PromptStyle = "auto") -> PromptStyle:
    """The style that `auto` means for these tools: the flat list where it holds all that they declare, else the
    schema."""
    return style if style != "auto" else "ms-agent" if all(map(is_flat, tools)) else "schema"


# What says no more than the list: a title repeats the name.
FLAT_OBJECT = ("type", "properties", "required", "title", "$schema", "additionalProperties")
FLAT_PARAMETER = ("type", "description", "title")


@by_identity
def is_flat(tool: Tool) -> bool:
    """Whether the flat list of parameters (name, description, required) holds all that a tool declares: each is untyped
    or a plain string, without enum, default, inner fields or null."""
    schema = tool.parameters
    properties = schema.get("properties") or {}
    return (
        all(key in FLAT_OBJECT for key in schema)
        and schema.get("type", "object") == "object"
        and not isinstance(schema.get("additionalProperties"), dict)
        and isinstance(properties, dict)
        and all(name in properties for name in schema.get("required") or ())
        and all(map(_is_plain_string, properties.values()))
    )


def _is_plain_string(parameter: Any) -> bool:
    return (
        isinstance(parameter, dict)
        and all(key in FLAT_PARAMETER for key in parameter)
        and parameter.get("type", "string") == "string"
    )


def flat_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """A JSON Schema as ms-agent lists it: name, description, required. Nested parameters and types do not survive
    this."""
    properties = schema.get("properties")
    required = schema.get("required")
    required = required if isinstance(required, list) else []
    listed = []
    for name, value in (properties if isinstance(properties, dict) else {}).items():
        about = value.get("description", "") if isinstance(value, dict) else ""
        listed.append({"name": name, "description": about, "required": str(name in required)})
    return listed


def schema_of_flat_parameters(parameters: list[Any]) -> dict[str, Any]:
    """The JSON Schema that a `Parameters: [...]` list of any of its dialects stands for; types only where it gives
    them."""
    properties: dict[str, Any] = {}
    required = []
    for item in parameters:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            continue
        name = item["name"]
        given = item.get("schema")
        schema = dict(given) if isinstance(given, dict) else {}
        if isinstance(item.get("type"), str):
            schema["type"] = item["type"]
        if item.get("description"):
            schema["description"] = item["description"]
        properties[name] = schema
        # ms-agent writes booleans as text; a word of neither kind makes nothing required.
        if _REQUIRED.get(str(item.get("required")), False):
            required.append(name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def split_prompt(system: str) -> tuple[str, tuple[Tool, ...]] | None:
    """Read a system message of `react.render` back: (the user's own part, the tools). None where it holds no such
    block."""
    for language, head in HEAD.items():
        start = system.rfind(head)
        if start < 0 or not system.endswith("\nBegin!"):
            continue
        tools = _read_tools(system[start + len(head) :], FORMAT[language].split("{names}")[0])
        if tools is not None:
            return show_control_tokens(system[:start].removesuffix("\n\n")), tools
    return None


@lru_cache(maxsize=4096)
def _read_tools(block: str, end: str) -> tuple[Tool, ...] | None:
    tools: list[Tool] = []
    rest = block
    while rest.startswith(number := f"{len(tools) + 1}. "):
        name, colon, rest = rest[len(number) :].partition(": ")
        description, found, rest = f" {rest}".partition(PARAMETERS)
        if not (colon and found):
            return None
        try:
            length = json.JSONDecoder().raw_decode(rest)[1]
            shown = parse_json_text(rest[:length])
        except ValueError:
            return None
        schema = schema_of_flat_parameters(shown) if isinstance(shown, list) else shown
        tools.append(Tool(_read(name, _NAME), _read(description[1:], _DESCRIPTION), schema))
        rest = rest[length:]
        if rest.startswith("\n\n") and not rest.startswith(end):
            rest = rest[2:]
    return tuple(tools) if rest.startswith(end) else None


def _ends(before: str, after: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What would end a text when it is read back: as it is found, and as it is written, with one joiner more."""
    return tuple(re.compile(rf"({before}):{more}({JOINER}*)(?={after})") for more in ("", JOINER))  # type: ignore


_NAME, _DESCRIPTION = _ends("", " "), _ends("Parameters|APIs|工具", r"\s|$")


def _write(text: str, ends: tuple[re.Pattern[str], re.Pattern[str]]) -> str:
    return ends[0].sub(rf"\1:{JOINER}\2", hide_control_tokens(text))


def _read(text: str, ends: tuple[re.Pattern[str], re.Pattern[str]]) -> str:
    return show_control_tokens(ends[1].sub(r"\1:\2", text))
