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
_TOLD = _CALLS | _OUTPUTS | {"reasoning"}

KEYS = frozenset(_LISTS)


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
    """Add the events of one item; items of other kinds (web searches of the server, ...) are passed over."""
    kind = item.get("type", "message")
    if kind in _CALLS:
        given = item.get("arguments", item.get("input"))
        builder.call(item.get("name"), given, item.get("call_id"), is_trained(item))
    elif kind == "mcp_call":  # of a server's tool, with what it answered
        builder.call(item.get("name"), item.get("arguments"), item.get("id"), is_trained(item))
        builder.result(as_text(item.get("output") or item.get("error")), item.get("id"))
    elif kind in _OUTPUTS:
        builder.result(as_text(item.get("output")), item.get("call_id"))
    elif kind == "reasoning":
        builder.thought("\n\n".join(filter(None, (as_text(item.get("content")), as_text(item.get("summary"))))).strip())
    elif "role" in item:
        content = item.get("content")
        read_message(builder, {"role": item["role"], "content": content}, read_marked_text)
