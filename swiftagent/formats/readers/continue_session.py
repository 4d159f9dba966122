"""Sessions of Continue: a history of messages, each with the context put before it and the states of its calls.

As core/index.d.ts of continuedev/continue declares them (`Session`, `ChatHistoryItem`, `ToolCallState`).
"""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.delegate import read_turns, step_turns
from swiftagent.trajectory.types import Trajectory

ABOUT = "Continue sessions: history of {message: {role, content, toolCalls}, contextItems, toolCallStates}"
KEYS = frozenset(("history",))
READS = KEYS | {"workspacedirectory"}
SAMPLE = {
    "sessionId": "s",
    "workspaceDirectory": "/",
    "history": [
        {"message": {"role": "user", "content": "List"}, "contextItems": []},
        {
            "message": {
                "role": "assistant",
                "content": "",
                "toolCalls": [{"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}],
            },
            "toolCallStates": [{"toolCallId": "c", "status": "done", "output": [{"name": "ls", "content": "a.py"}]}],
            "contextItems": [],
        },
        {"message": {"role": "assistant", "content": "a.py"}, "contextItems": []},
    ],
}


def looks_like(row: Any) -> bool:
    turns = row.get("history") if type(row) is dict else None
    return (
        isinstance(turns, list)
        and bool(turns)
        and all(type(item) is dict and type(item.get("message")) is dict and "contextItems" in item for item in turns)
    )


def parse(row: Any) -> Trajectory:
    told = {item["message"].get("toolCallId") for item in row["history"]}
    turns: list[dict[str, Any]] = []
    for item in row["history"]:
        message = item["message"]
        if message.get("role") == "assistant":
            turns += step_turns(message.get("content"), _calls(item, told))
        elif message.get("role") == "tool":
            turns.append({**message, "tool_call_id": message.get("toolCallId")})
        else:
            before = [as_text(context.get("content")) for context in item["contextItems"] if isinstance(context, dict)]
            content = "\n\n".join(filter(None, [*before, as_text(message.get("content"))]))
            turns.append({"role": message.get("role"), "content": content})
    return read_turns(turns, {"id": row.get("sessionId")})


def _calls(item: dict[str, Any], told: set[Any]) -> list[dict[str, Any]]:
    """The calls of a message; their results stand in their states where no message of their own holds them."""
    states = [*(item.get("toolCallStates") or ()), *filter(None, [item.get("toolCallState")])]
    outputs = {state.get("toolCallId"): state.get("output") for state in states if isinstance(state, dict)}
    calls = []
    for call in item["message"].get("toolCalls") or ():
        given = outputs.get(call.get("id")) if call.get("id") not in told else None
        texts = [as_text(part.get("content")) for part in given] if isinstance(given, list) else None
        function = call.get("function") or {}
        calls.append(
            {
                "name": function.get("name"),
                "arguments": function.get("arguments"),
                "id": call.get("id"),
                "result": None if texts is None else "\n\n".join(texts),
            }
        )
    return calls
