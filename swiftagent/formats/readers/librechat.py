"""Chats exported from LibreChat: messages that name their parent, or a tree of them; the last branch is read.

As client/src/hooks/Conversations/useExportConversation.ts and api/server/utils/import of danny-avila/LibreChat write
and read them.
"""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "LibreChat exports: messages {text or content parts, isCreatedByUser, parentMessageId}, flat or as a tree"
SAMPLE = {
    "conversationId": "c",
    "messages": [
        {"messageId": "1", "parentMessageId": "0", "sender": "User", "text": "Oslo?", "isCreatedByUser": True},
        {"messageId": "2", "parentMessageId": "1", "text": "The capital of Norway.", "isCreatedByUser": False},
    ],
}
_LISTS = ("messagesTree", "messages")

KEYS = frozenset(_LISTS)
READS = KEYS | {"children", "options", "endpoint", "exportAt"}


def looks_like(row: Any) -> bool:
    turns = next((row[key] for key in _LISTS if row.get(key)), None) if type(row) is dict else None
    return isinstance(turns, list) and all(isinstance(turn, dict) and "isCreatedByUser" in turn for turn in turns)


def parse(row: Any) -> Trajectory:
    builder = Builder()
    options = row.get("options")
    builder.system(as_text(options.get("promptPrefix")) if isinstance(options, dict) else "")
    for turn in _branch(next(row[key] for key in _LISTS if row.get(key))):
        _read_turn(builder, turn)
    return builder.build(row.get("conversationId"))


def _branch(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The turns from the first one to the one that was written last."""
    path: list[dict[str, Any]] = []
    if any("children" in turn for turn in turns):
        while turns:
            path.append(turns[-1])
            turns = turns[-1].get("children") or []
        return path
    by_id = {turn["messageId"]: turn for turn in turns if turn.get("messageId")}
    last = turns[-1].get("messageId")
    while last in by_id and len(path) < len(turns):
        path.append(by_id[last])
        last = by_id[last].get("parentMessageId")
    return path[::-1] or turns


def _read_turn(builder: Builder, turn: dict[str, Any]) -> None:
    parts = turn.get("content") or [{"type": "text", "text": turn.get("text")}]
    texts = [part for part in parts if isinstance(part, dict)]
    if turn["isCreatedByUser"]:
        builder.question("\n".join(_text(part, "text") for part in texts))
        return
    last_call = max((place for place, part in enumerate(texts) if part.get("type") == "tool_call"), default=-1)
    for place, part in enumerate(texts):
        if part.get("type") == "think":
            builder.thought(_text(part, "think"))
        elif part.get("type") == "tool_call":
            _read_call(builder, part["tool_call"])
        elif text := _text(part, "text"):
            builder.say(text, place < last_call)


def _text(part: dict[str, Any], key: str) -> str:
    value = part.get(key)
    return as_text(value.get("value") if isinstance(value, dict) else value)


def _read_call(builder: Builder, call: dict[str, Any]) -> None:
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    builder.call(*call_of(call))
    if inner.get("output") is not None:
        builder.result(as_text(inner["output"]), call.get("id"))
