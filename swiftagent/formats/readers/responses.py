"""OpenAI Responses: items in a list, where calls, their outputs and reasoning stand beside messages."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.messages import as_messages, read_marked_text, read_message
from swiftagent.formats.reading.tags import read_system
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import is_trained
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "OpenAI Responses items: message, reasoning, function_call, function_call_output, under input, output or items"
SAMPLE = {
    "input": [
        {"role": "user", "content": "Oslo?"},
        {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"type": "function_call_output", "call_id": "1", "output": "3C"},
    ],
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is 3C."}]}],
}
_LISTS = ("input", "items", "output")
_CALLS = frozenset(("function_call", "custom_tool_call"))
_OUTPUTS = frozenset(("function_call_output", "custom_tool_call_output"))
# Calls of the server's own tools, and those that an output with their id answers.
_SERVED = frozenset(
    ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call")
)
_ANSWERED = frozenset(("computer_call", "local_shell_call", "shell_call", "apply_patch_call"))
_TOLD = _CALLS | _OUTPUTS | _SERVED | _ANSWERED | {"reasoning"}

KEYS = frozenset(_LISTS)
_INSIDE = frozenset(("action", "code", "operation", "outputs", "queries", "results"))


def reads(row: Any) -> frozenset[str]:
    """Inside its items; beside them these keys are no reader's."""
    return KEYS | (_INSIDE.difference(row) if type(row) is dict else _INSIDE)


def looks_like(row: Any) -> bool:
    if type(row) is not dict:
        return False
    items = [item for key in _LISTS if isinstance(row.get(key), list) for item in row[key]]
    return any(is_item(item) for item in items) or any(map(_is_message, row["output"] if _is_asked(row) else ()))


def _is_asked(row: dict[str, Any]) -> bool:
    return isinstance(row.get("output"), list) and (isinstance(row.get("input"), (str, list)))


def _is_message(item: Any) -> bool:
    """A message whose parts are of this interface alone."""
    parts = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
    return isinstance(parts, list) and any(
        isinstance(part, dict) and part.get("type") == "output_text" for part in parts
    )


def is_item(item: Any) -> bool:
    """Whether it is an item that no other format has."""
    return isinstance(item, dict) and str(item.get("type")) in _TOLD


def parse(row: Any) -> Trajectory:
    builder = Builder(*read_tools(tools_field(row)))
    system = row.get("instructions")
    if isinstance(system, str) and system:
        read_system(builder, system)
    for key in _LISTS:
        items = row.get(key)
        if isinstance(items, str) and items:
            builder.question(items)
        for item in as_messages(items if isinstance(items, list) else []):
            read_item(builder, item)
    return builder.build(row.get("id"))


def read_item(builder: Builder, item: dict[str, Any]) -> None:
    """Add the events of one item; a call that cannot be read, or whose result the item leaves out, is noted."""
    kind = str(item.get("type", "message"))
    if kind in _CALLS:
        given = item.get("arguments", item.get("input"))
        builder.call(item.get("name"), given, item.get("call_id"), is_trained(item))
    elif kind.endswith("_call"):
        _read_served(builder, item, kind)
    elif kind in _OUTPUTS or kind.endswith("_call_output"):
        builder.result(_output(builder, item.get("output")), item.get("call_id"))
    elif kind == "reasoning":
        parts = [as_text(item[key]) for key in ("content", "summary") if item.get(key)]
        builder.thought("\n\n".join(filter(None, parts)).strip())
    elif "role" in item:
        content = item.get("content")
        read_message(builder, {"role": item["role"], "content": content}, read_marked_text)


def _read_served(builder: Builder, item: dict[str, Any], kind: str) -> None:
    """A call that the server made, with what it gave."""
    name = item.get("name") or kind.removesuffix("_call")
    given = next((item[key] for key in ("arguments", "action", "operation") if item.get(key)), None)
    if given is None:
        given = {key: item[key] for key in ("code", "queries") if item.get(key)}
    if kind in _ANSWERED and given:
        builder.call(name, given, item.get("call_id") or item.get("id"), is_trained(item))
        return
    result = next((item[key] for key in ("results", "outputs", "output", "error") if item.get(key) is not None), None)
    if isinstance(given, dict) and result is None:
        result = given.get("sources")
        given = {key: value for key, value in given.items() if key != "sources"}
    if not given or result is None:
        builder.repairs.append("unread-turns")
        return
    builder.call(name, given, item.get("id"), is_trained(item))
    builder.result(_output(builder, result), item.get("id"))


def _output(builder: Builder, value: Any) -> str:
    """What a tool gave as text: what was logged or found as it is, <image> for a picture."""
    if isinstance(value, dict) and "image_url" in value:
        builder.repairs.append("media-left-out")
        return "<image>"
    if isinstance(value, list) and value and all(map(_is_part, value)):
        return "\n\n".join(_part(builder, part) for part in value)
    return as_text(value) if value else ""


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and ("logs" in part or "filename" in part or part.get("type") == "image")


def _part(builder: Builder, part: dict[str, Any]) -> str:
    if part.get("type") == "image":
        return _output(builder, {"image_url": part.get("url")})
    return as_text(part["logs"]) if "logs" in part else f"{part['filename']}\n{as_text(part.get('text'))}"
