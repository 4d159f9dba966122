"""The export of a user's chats from ChatGPT and Claude: conversations.json."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.messages import as_messages, read_message, say_plainly
from swiftagent.trajectory.types import Trajectory

ABOUT = "chats exported from ChatGPT (mapping: a tree of messages) and from Claude (chat_messages with a sender)"
SAMPLE = {
    "title": "Oslo",
    "current_node": "b",
    "mapping": {
        "a": {
            "parent": None,
            "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Oslo?"]}},
        },
        "b": {
            "parent": "a",
            "message": {
                "author": {"role": "assistant"},
                "recipient": "all",
                "content": {"content_type": "text", "parts": ["The capital of Norway."]},
            },
        },
    },
}

KEYS = frozenset(("mapping", "chat_messages"))


def looks_like(row: Any) -> bool:
    if type(row) is not dict:
        return False
    mapping = row.get("mapping")
    if isinstance(mapping, dict) and mapping:
        return all(isinstance(node, dict) and "parent" in node and "message" in node for node in mapping.values())
    said = row.get("chat_messages")
    return isinstance(said, list) and bool(said) and all(isinstance(turn, dict) and "sender" in turn for turn in said)


def parse(row: Any) -> Trajectory:
    builder = Builder()
    if isinstance(row.get("mapping"), dict):
        for message in _path(row["mapping"], row.get("current_node")):
            _read_node(builder, message)
    else:
        for turn in _branch(as_messages(row["chat_messages"]), row.get("current_leaf_message_uuid")):
            _read_claude(builder, turn)
    return builder.build(row.get("conversation_id") or row.get("uuid") or row.get("id"))


def _path(mapping: dict[str, Any], last: Any) -> list[dict[str, Any]]:
    """The messages from the root to the current node: what was edited or generated again lies on other branches."""
    if last not in mapping:
        parents = {node["parent"] for node in mapping.values()}
        last = [name for name in mapping if name not in parents][-1:]
        last = last[0] if last else None
    path: list[dict[str, Any]] = []
    seen = set()
    while last in mapping and last not in seen:
        seen.add(last)
        message = mapping[last]["message"]
        if isinstance(message, dict):
            path.append(message)
        last = mapping[last]["parent"]
    return path[::-1]


def _branch(turns: list[dict[str, Any]], last: Any) -> list[dict[str, Any]]:
    """The turns that lead to the last one that was shown, where the chat names it; else all."""
    by_id = {turn.get("uuid"): turn for turn in turns}
    path: list[dict[str, Any]] = []
    while last is not None and last in by_id and len(path) < len(turns):
        path.append(by_id[last])
        last = by_id[last].get("parent_message_uuid")
    return path[::-1] or turns


def _read_node(builder: Builder, message: dict[str, Any]) -> None:
    author, content = message.get("author"), message.get("content")
    if not isinstance(author, dict) or not isinstance(content, dict):
        raise RowError("bad-message", "a node of the tree names no author or holds no content")
    role, kind = author.get("role"), content.get("content_type")
    text = _text(content)
    if kind == "user_editable_context":  # what the user wrote about themselves, in all chats
        builder.system(
            "\n\n".join(filter(None, (as_text(content.get(key)) for key in ("user_profile", "user_instructions"))))
        )
    elif kind in ("thoughts", "reasoning_recap"):
        if kind == "thoughts":
            builder.thought(text)
    elif role == "tool":
        if builder.waits_for_result:
            builder.result(text, name=author.get("name"))
    elif role == "assistant" and message.get("recipient", "all") != "all":
        given = text if text.lstrip()[:1] == "{" else {"input": text}
        builder.call(message["recipient"], given, trained=message.get("weight") != 0)
    elif text:
        trained = {} if message.get("weight") != 0 else {"weight": 0}
        read_message(builder, {"role": role, "content": text, **trained}, say_plainly)


def _text(content: dict[str, Any]) -> str:
    if isinstance(content.get("thoughts"), list):
        return "\n\n".join(as_text(item.get("content")) for item in content["thoughts"] if isinstance(item, dict))
    parts = content.get("parts")
    if isinstance(parts, list):
        return "\n".join(filter(None, (part if isinstance(part, str) else _part(part) for part in parts)))
    return as_text(next((content[key] for key in ("text", "result", "content") if content.get(key)), ""))


def _part(part: Any) -> str:
    if isinstance(part, dict):
        text = part.get("text")
        return text if isinstance(text, str) else f"<{str(part.get('content_type', 'file')).split('_')[0]}>"
    return as_text(part)


def _read_claude(builder: Builder, turn: dict[str, Any]) -> None:
    blocks = turn.get("content")
    content = blocks if isinstance(blocks, list) and blocks else turn.get("text")
    attached = [
        {"type": "text", "text": item["extracted_content"]}
        for item in turn.get("attachments") or []
        if isinstance(item, dict) and isinstance(item.get("extracted_content"), str) and item["extracted_content"]
    ]
    if attached:
        content = [*(content if isinstance(content, list) else [{"type": "text", "text": as_text(content)}]), *attached]
    read_message(builder, {"role": turn["sender"], "content": content}, say_plainly)
