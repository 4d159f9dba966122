"""Entries of Mistral's Conversations API, read as the items of OpenAI's Responses.

Types as mistralai/client-python declares them (`MessageInputEntry`, `FunctionCallEntry`, `ToolExecutionEntry`, ...).
"""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers import responses
from swiftagent.formats.reading.builder import as_text
from swiftagent.trajectory.types import Trajectory

ABOUT = "Mistral conversation entries: message.input, message.output, function.call, function.result, tool.execution"
KEYS = frozenset(("entries", "outputs"))
READS = KEYS | {"inputs", "object", "instructions"}
SAMPLE = {
    "object": "conversation.history",
    "entries": [
        {"type": "message.input", "role": "user", "content": "Oslo?"},
        {"type": "function.call", "tool_call_id": "c", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"type": "function.result", "tool_call_id": "c", "result": "3C"},
        {"type": "message.output", "role": "assistant", "content": "It is 3C."},
    ],
}
_ROLES = {"message.input": "user", "message.output": "assistant"}
_TYPES = frozenset((*_ROLES, "function.call", "function.result", "tool.execution", "agent.handoff"))


def looks_like(row: Any) -> bool:
    return type(row) is dict and any(
        type(entry) is dict and str(entry.get("type")) in _TYPES for key in KEYS for entry in _entries(row.get(key))
    )


def parse(row: Any) -> Trajectory:
    entries = [*_entries(row.get("inputs")), *_entries(row.get("entries")), *_entries(row.get("outputs"))]
    items = [item for entry in entries for item in _items(entry)]
    beside = {key: row[key] for key in ("tools", "instructions") if row.get(key)}
    return responses.parse({"input": items, "id": row.get("conversation_id"), **beside})


def _entries(value: Any) -> list[Any]:
    """Entries; a text is what the user said."""
    if isinstance(value, str):
        return [{"type": "message.input", "content": value}]
    return value if isinstance(value, list) else []


def _executed(call: dict[str, Any], info: Any) -> list[dict[str, Any]]:
    """What a connector did: code and what it printed stand in `info`, what others were asked for and found often in no
    entry; a call of unknown arguments is context."""
    given = info if isinstance(info, dict) else {}
    if not call.get("arguments") and isinstance(given.get("code"), str):
        call, given = {**call, "arguments": {"code": given["code"]}}, {"output": given.get("code_output")}
    elif not call.get("arguments"):
        call = {**call, "weight": 0}
    output = given["output"] if given.keys() == {"output"} else info
    return [call, {**call, "type": "function_call_output", "output": as_text(output)}]


def _items(entry: dict[str, Any]) -> list[dict[str, Any]]:
    kind, content = entry.get("type", "message.input"), entry.get("content")
    call = {**entry, "type": "function_call", "call_id": entry.get("tool_call_id") or entry.get("id")}
    if kind == "function.call":
        return [call]
    if kind == "function.result":
        return [{**call, "type": "function_call_output", "output": entry.get("result")}]
    if kind == "tool.execution":
        return _executed(call, entry.get("info"))
    if kind not in _ROLES:
        return []
    parts = content if isinstance(content, list) else [{"type": "text", "text": as_text(content)}]
    said = [part for part in parts if isinstance(part, dict) and part.get("type") != "tool_reference"]
    return [{"type": "message", "role": entry.get("role") or _ROLES[kind], "content": said}]
