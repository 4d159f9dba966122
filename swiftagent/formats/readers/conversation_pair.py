"""`conversation_pair`: question and answer with `thinking` and `system_prompt` beside them, one pair or a list."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers.alpaca import system_of
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.messages import read_messages
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "conversation_pair: a question and an answer, with thinking and system_prompt (one pair or a list of them)"
SAMPLE = {
    "system_prompt": "Be brief.",
    "conversation_pair": {"user": "Oslo?", "thinking": "I know it.", "assistant": "The capital of Norway."},
}
_KEYS = (
    "conversation_pair",
    "conversation_pairs",
    "conversationPair",
    "conversations",
    "conversation",
    "pairs",
    "turns",
    "dialogue",
    "data",  # UltraChat: question and answer by turns
)
_ASKED = ("user", "question", "input", "human", "query", "prompt", "instruction", "user_message", "request")
_ANSWERED = ("assistant", "answer", "output", "gpt", "response", "completion", "bot", "assistant_message", "reply")
_THOUGHT = ("thinking", "reasoning", "thought", "reasoning_content", "think")

KEYS = frozenset(_KEYS)


def looks_like(row: Any) -> bool:
    return type(row) is dict and _pairs(row) is not None


def _pairs(row: dict[str, Any]) -> list[Any] | None:
    for key in _KEYS:
        value = row.get(key)
        if not value:
            continue
        items = value if isinstance(value, list) else [value]
        if all(
            isinstance(item, dict) and _first(item, _ASKED) is not None and _first(item, _ANSWERED) is not None
            for item in items
        ):
            return items
        if key == "data" and len(items) % 2 == 0 and all(isinstance(item, str) for item in items):
            return [{"user": items[place], "assistant": items[place + 1]} for place in range(0, len(items), 2)]
        if key.startswith("conversation_pair") or key == "conversationPair":
            return _other(items)
    return None


def _other(items: list[Any]) -> list[Any] | None:
    """Pairs as [question, answer] lists, or turns with roles."""
    if len(items) == 2 and all(isinstance(item, str) for item in items):
        return [{"user": items[0], "assistant": items[1]}]
    if all(isinstance(item, list) and len(item) == 2 for item in items):
        return [{"user": item[0], "assistant": item[1]} for item in items]
    return items if all(isinstance(item, dict) and ("role" in item or "from" in item) for item in items) else None


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if isinstance(item.get(key), (str, list))), None)


def parse(row: Any) -> Trajectory:
    items = _pairs(row)
    if items is None:
        raise RowError("not-a-conversation", "no conversation_pair")
    builder = Builder(*read_tools(tools_field(row)))
    builder.system(system_of(row))
    outer = _first(row, _THOUGHT)
    for place, item in enumerate(items):
        if "role" in item or "from" in item:
            read_messages(builder, [item])
            continue
        if place == 0 and system_of(item):
            builder.system(system_of(item))
        builder.question(as_text(_first(item, _ASKED)))
        thought = _first(item, _THOUGHT)
        if thought is None and place == len(items) - 1:
            thought = outer
        if thought:
            builder.thought(as_text(thought).strip())
        builder.say(as_text(_first(item, _ANSWERED)))
    return builder.build(row.get("id"))
