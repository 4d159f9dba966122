"""LangChain messages: `type` human, ai, tool for a role, the message flat or under `data` or `kwargs`."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.delegate import read_turns
from swiftagent.formats.reading.view import lists_in
from swiftagent.trajectory.types import Trajectory

ABOUT = "LangChain messages: type human/ai/system/tool, with their content flat, under data, or serialised under kwargs"
SAMPLE = {
    "messages": [
        {"type": "human", "data": {"content": "Oslo?"}},
        {
            "type": "ai",
            "data": {"content": "", "tool_calls": [{"name": "weather", "args": {"city": "Oslo"}, "id": "1"}]},
        },
        {"type": "tool", "data": {"content": "3C", "tool_call_id": "1"}},
        {"type": "ai", "data": {"content": "It is 3C."}},
    ]
}
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "function"}
_SAID = frozenset(("content", "data", "kwargs"))
_LISTS = ("messages", "conversation", "chat_history", "history")

KEYS = frozenset(_LISTS)


def looks_like(row: Any) -> bool:
    return _turns(row) is not None


def _turns(row: Any) -> list[Any] | None:
    for turns in lists_in(row, _LISTS):
        if len(turns) == 1 and isinstance(turns[0], list):  # LangSmith keeps batches of one
            turns = turns[0]
        first = turns[0] if turns else None
        if type(first) is dict and not _SAID.isdisjoint(first) and "role" not in first and _role(first) in _ROLES:
            return turns
    return None


def _role(message: Any) -> str:
    """human, ai, ...; "" for what is no message."""
    kind = message.get("type") if isinstance(message, dict) else None
    name = message.get("id") if kind == "constructor" else kind
    if isinstance(name, list) and name:  # ["langchain", "schema", "messages", "HumanMessage"]
        name = name[-1]
    return str(name).removesuffix("Chunk").removesuffix("Message").lower() if isinstance(name, str) else ""


def parse(row: Any) -> Trajectory:
    return read_turns([turn_of(message) for message in _turns(row) or []], row if type(row) is dict else {})


def turn_of(message: Any) -> Any:
    """A message as OpenAI spells it."""
    if not isinstance(message, dict):
        return message
    inner: dict[str, Any] = next(
        (message[key] for key in ("data", "kwargs") if isinstance(message.get(key), dict)), message
    )
    given = inner.get("additional_kwargs")
    extra: dict[str, Any] = given if isinstance(given, dict) else {}
    turn = {"role": _ROLES.get(_role(message), _role(message)), "content": inner.get("content")}
    for key in ("tool_calls", "function_call", "tool_call_id", "name", "reasoning_content"):
        value = inner.get(key) or extra.get(key)
        if value:
            turn[key] = value
    return turn
