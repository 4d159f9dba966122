"""AutoGen (0.4 and later): messages and events of a team, and messages of a model's context, known by their type."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.messages import as_messages
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import lists_in, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "AutoGen messages and events {type: TextMessage, ToolCallRequestEvent, ToolCallExecutionEvent, ..., "
    "source, content}"
)
SAMPLE = {
    "messages": [
        {"type": "TextMessage", "source": "user", "content": "Oslo?"},
        {
            "type": "ToolCallRequestEvent",
            "source": "a",
            "content": [{"id": "1", "name": "weather", "arguments": '{"city": "Oslo"}'}],
        },
        {
            "type": "ToolCallExecutionEvent",
            "source": "a",
            "content": [{"call_id": "1", "content": "3C", "is_error": False}],
        },
        {"type": "TextMessage", "source": "a", "content": "It is 3C."},
    ]
}
_SAID = frozenset(
    (
        "TextMessage",
        "MultiModalMessage",
        "StopMessage",
        "HandoffMessage",
        "UserMessage",
        "AssistantMessage",
        "SystemMessage",
    )
)
_TYPES = _SAID | {
    *("ToolCallRequestEvent", "ToolCallExecutionEvent", "FunctionExecutionResultMessage", "ThoughtEvent"),
    *("ToolCallSummaryMessage", "MemoryQueryEvent", "ModelClientStreamingChunkEvent", "UserInputRequestedEvent"),
}
_LISTS = ("messages", "inner_messages", "llm_context")

KEYS = frozenset(_LISTS)


def line_key(row: Any) -> Hashable | None:
    """The messages of a file are one run."""
    return "autogen" if _is_message(row) else None


def looks_like(row: Any) -> bool:
    return _messages(row) is not None


def _messages(row: Any) -> list[Any] | None:
    return next((told for told in lists_in(row, _LISTS) if all(map(_is_message, told))), None)


def _is_message(item: Any) -> bool:
    return (
        type(item) is dict
        and type(item.get("type")) is str
        and item["type"] in _TYPES
        and "content" in item
        and "role" not in item
    )


def parse(row: Any) -> Trajectory:
    messages = _messages(row)
    if messages is None:
        raise RowError("not-a-conversation", "no messages of AutoGen")
    beside = row if type(row) is dict else {}
    builder = Builder(*read_tools(tools_field(beside)))
    last = beside.get("chat_message")  # of an agent's response, whose events stand under inner_messages
    for message in as_messages([*messages, last] if _is_message(last) else messages):
        _read(builder, message["type"], message)
    return builder.build(beside.get("id"))


def _read(builder: Builder, kind: str, message: dict[str, Any]) -> None:
    content = message["content"]
    if kind in ("ToolCallRequestEvent", "AssistantMessage") and isinstance(content, list):
        builder.thought(as_text(message.get("thought")))
        for call in content:
            builder.call(*call_of(call))
    elif kind in ("ToolCallExecutionEvent", "FunctionExecutionResultMessage"):
        for result in as_messages(content if isinstance(content, list) else []):
            builder.result(as_text(result.get("content")), result.get("call_id"), result.get("name"))
    elif kind == "ThoughtEvent":
        builder.thought(as_text(content))
    elif kind == "SystemMessage":
        builder.system(as_text(content))
    elif kind == "UserMessage" or (kind in _SAID and message.get("source") == "user"):
        builder.question(as_text(content))
    elif kind in _SAID:  # a summary repeats what a tool gave, the other events are news of the program
        builder.thought(as_text(message.get("thought")))
        builder.answer(as_text(content))
