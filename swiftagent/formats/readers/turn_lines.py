"""Files that are one conversation: every row is a turn or an event of it, as programs save what was said."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.formats.reading.messages import ROLES

_SAID = frozenset(("content", "parts", "tool_calls", "function_call"))
# A row with one of these is a conversation by itself, a gold answer, or a node of a tree.
_MORE = frozenset(
    ("messages", "conversations", "conversation", "parent_id", "parentId", "parent", "replies", "children", "output")
)
_SESSIONS = ("session_id", "sessionId", "conversation_id", "thread_id", "chat_id", "trace_id", "group_id")
_LANGCHAIN = frozenset(("human", "ai", "system", "tool"))
_ITEMS = frozenset(
    ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning")
)


def line_key(row: Any) -> Hashable | None:
    """Turns of one session stand together; those of a file that names no session are one conversation."""
    if type(row) is not dict or not _MORE.isdisjoint(row) or not _is_turn(row):
        return None
    return ("turns", next((str(row[key]) for key in _SESSIONS if isinstance(row.get(key), (str, int))), ""))


def _is_turn(row: dict[str, Any]) -> bool:
    role, kind = row.get("role"), row.get("type")
    if type(role) is str and role.lower() in ROLES and not _SAID.isdisjoint(row):
        return True
    if type(kind) is str and "role" not in row:
        if kind in _LANGCHAIN:
            return "data" in row or ("content" in row and ("additional_kwargs" in row or "response_metadata" in row))
        return kind in _ITEMS and ("call_id" in row or "summary" in row)
    return row.get("kind") in ("request", "response") and isinstance(row.get("parts"), list)
