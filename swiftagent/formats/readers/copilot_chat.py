"""Chats exported from GitHub Copilot in VS Code: requests, each with the rounds of calls that answered it.

`result.metadata` of a request holds `toolCallRounds` (response, toolCalls) and `toolCallResults` (by id), as
microsoft/vscode-copilot-chat keeps them (`IToolCallRound`); `response` holds what the user was shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.delegate import read_turns, step_turns
from swiftagent.trajectory.types import Trajectory

ABOUT = "chats exported from GitHub Copilot: requests {message, response, result: {metadata: {toolCallRounds}}}"
KEYS = frozenset(("requests",))
READS = KEYS | {"requesterusername", "responderusername"}
SAMPLE = {
    "responderUsername": "GitHub Copilot",
    "requests": [
        {
            "message": {"text": "List"},
            "response": [{"value": "a.py"}],
            "result": {
                "metadata": {
                    "toolCallRounds": [
                        {"response": "", "toolCalls": [{"id": "c", "name": "list_dir", "arguments": '{"path": "."}'}]},
                        {"response": "a.py", "toolCalls": []},
                    ],
                    "toolCallResults": {"c": {"content": [{"value": "a.py"}]}},
                }
            },
        }
    ],
}


def looks_like(row: Any) -> bool:
    asked = row.get("requests") if type(row) is dict else None
    return isinstance(asked, list) and bool(asked) and all(type(item) is dict and "message" in item for item in asked)


def parse(row: Any) -> Trajectory:
    turns: list[dict[str, Any]] = []
    for request in row["requests"]:
        message = request["message"]
        turns.append({"role": "user", "content": message.get("text") if isinstance(message, dict) else message})
        turns += _answer(request)
    return read_turns(turns, {"id": row.get("sessionId")})


def _answer(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns that answer a request. Raises RowError where its calls were not exported."""
    held = (request.get("result") or {}).get("metadata") or {}
    results = held.get("toolCallResults") or {}
    turns: list[dict[str, Any]] = []
    for step in held.get("toolCallRounds") or ():
        calls = [{**call, "result": _text(results.get(call.get("id")))} for call in step.get("toolCalls") or ()]
        turns += step_turns(step.get("response"), calls, _reasoning(step.get("thinking")))
    shown = [item for item in request.get("response") or () if isinstance(item, dict)]
    if not turns and any("toolId" in item for item in shown):
        raise RowError("unread-call", "tools were called, and the export holds neither their arguments nor results")
    if not turns or turns[-1]["role"] == "tool":
        told = "".join(item["value"] for item in shown if isinstance(item.get("value"), str) and not item.get("kind"))
        turns += step_turns(told, [])
    return turns


def _reasoning(thinking: Any) -> str:
    text = thinking.get("text") if isinstance(thinking, dict) else thinking
    return "\n".join(text) if isinstance(text, list) else text if isinstance(text, str) else ""


def _text(result: Any) -> str | None:
    """The text of a tool's result: plain parts, and the text nodes of parts that are trees (prompt-tsx)."""
    return "".join(_texts(result.get("content"))).removeprefix("\n") if isinstance(result, dict) else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        if isinstance(value.get("value"), str):
            yield value["value"]
        elif isinstance(value.get("text"), str):
            yield ("\n" if value.get("lineBreakBefore") else "") + value["text"]
        else:
            yield from _texts([value.get(key) for key in ("value", "node", "children") if key in value])
