"""Sessions of the coding agent Pi: entries of a tree in lines, of which the last branch is what was shown.

As packages/coding-agent/docs/session.md of badlogic/pi-mono describes them. Sessions before version 2 are no tree: each
entry follows the one before it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "Pi sessions: lines {type: session}, then {type: message, id, parentId, message}; the branch that was shown last"
)
KEYS = frozenset[str]()
SAMPLE = [
    {"type": "session", "version": 3, "id": "s", "cwd": "/"},
    {"type": "message", "id": "1", "parentId": None, "message": {"role": "user", "content": "List"}},
    {
        "type": "message",
        "id": "2",
        "parentId": "1",
        "message": {
            "role": "assistant",
            "content": [{"type": "toolCall", "id": "c", "name": "bash", "arguments": {"command": "ls"}}],
        },
    },
    {
        "type": "message",
        "id": "3",
        "parentId": "2",
        "message": {"role": "toolResult", "toolCallId": "c", "content": [{"type": "text", "text": "a.py"}]},
    },
    {
        "type": "message",
        "id": "4",
        "parentId": "3",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "a.py"}]},
    },
]
_ENTRIES = frozenset(
    ("model_change", "thinking_level_change", "compaction", "branch_summary", "custom", "custom_message", "label")
    + ("session_info",)
)


def line_key(row: Any) -> Hashable | None:
    """The header of a session starts a row; its entries belong to the session around them (key True)."""
    if type(row) is not dict:
        return None
    if row.get("type") == "session" and "cwd" in row:
        return ("pi", str(row.get("id", "")))
    if row.get("type") == "message":
        return True if isinstance(row.get("message"), dict) and "role" in row["message"] else None
    return True if str(row.get("type")) in _ENTRIES and ("parentId" in row or "timestamp" in row) else None


def looks_like(row: Any) -> bool:
    return (
        isinstance(row, list)
        and all(line_key(line) is not None for line in row)
        and any(type(line) is dict and line.get("type") == "message" for line in row)
    )


def parse(row: Any) -> Trajectory:
    turns = [turn for entry in _branch(row) if (turn := _turn(entry)) is not None]
    if not turns:
        raise RowError("not-a-conversation", "a session without messages")
    return read_turns(turns, {"id": next((line["id"] for line in row if line.get("type") == "session"), "")})


def _branch(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries from the root to the last one."""
    tree = {entry["id"]: entry for entry in entries if "parentId" in entry and "id" in entry}
    if not tree:
        return entries
    path: list[dict[str, Any]] = []
    last: Any = list(tree)[-1]
    while last in tree and len(path) < len(tree):
        path.append(tree[last])
        last = tree[last]["parentId"]
    return path[::-1]


def _turn(entry: dict[str, Any]) -> dict[str, Any] | None:
    """What an entry adds to the conversation; None where the model is not shown it."""
    if entry["type"] == "custom_message":
        return {"role": "user", "content": entry.get("content")}
    message = entry.get("message") if entry["type"] == "message" else None
    if not isinstance(message, dict) or message.get("excludeFromContext") is True:
        return None
    role, content = message.get("role"), message.get("content")
    if role == "toolResult":
        return {"role": "tool", "tool_call_id": message.get("toolCallId"), "content": content}
    if role == "bashExecution":  # a command that the user ran, which the model reads as the user's words
        return {"role": "user", "content": f"Ran `{message.get('command')}`\n```\n{message.get('output')}\n```"}
    if role in ("branchSummary", "compactionSummary"):
        return None
    return {"role": "user" if role in ("custom", "hookMessage") else role, "content": content}
