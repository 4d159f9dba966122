"""Bedrock Converse: content blocks without a type, known by their key: text, toolUse, toolResult, reasoningContent."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.trajectory.types import Trajectory

ABOUT = "Bedrock Converse messages: blocks with text, toolUse, toolResult; toolConfig with toolSpec"
SAMPLE = {
    "schemaVersion": "bedrock-conversation-2024",
    "messages": [
        {"role": "user", "content": [{"text": "Oslo?"}]},
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Oslo"}}}],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "3C"}]}}]},
        {"role": "assistant", "content": [{"text": "It is 3C."}]},
    ],
}
_MARKS = frozenset(("toolUse", "toolResult", "reasoningContent"))

KEYS = frozenset(("messages",))


def looks_like(row: Any) -> bool:
    if type(row) is not dict or type(row.get("messages")) is not list:
        return False
    if "toolConfig" in row or str(row.get("schemaVersion", "")).startswith("bedrock"):
        return True
    return any(
        type(turn) is dict
        and type(turn.get("content")) is list
        and any(type(b) is dict and _MARKS & b.keys() for b in turn["content"])
        for turn in row["messages"]
    )


def parse(row: Any) -> Trajectory:
    turns = [
        {**turn, "content": [_typed(block) for block in turn["content"]]}
        if isinstance(turn, dict) and isinstance(turn.get("content"), list)
        else turn
        for turn in row["messages"]
    ]
    config = row.get("toolConfig")
    tools = [
        {**item["toolSpec"], "inputSchema": (item["toolSpec"].get("inputSchema") or {}).get("json")}
        for item in (config.get("tools") or [] if isinstance(config, dict) else [])
        if isinstance(item, dict) and isinstance(item.get("toolSpec"), dict)
    ]
    return read_turns(turns, {**row, "tools": tools} if tools else row)


def _typed(block: Any) -> Any:
    """A block as Anthropic spells it."""
    if not isinstance(block, dict) or "type" in block:
        return block
    if isinstance(block.get("toolUse"), dict):
        use = block["toolUse"]
        return {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
    if isinstance(block.get("toolResult"), dict):
        result = block["toolResult"]
        content = result.get("content")
        parts = [part.get("json", part.get("text")) if isinstance(part, dict) else part for part in content or []]
        text = "\n".join(as_text(part) for part in parts) if isinstance(content, list) else as_text(content)
        return {"type": "tool_result", "tool_use_id": result.get("toolUseId"), "content": text}
    if isinstance(block.get("reasoningContent"), dict):
        inner = block["reasoningContent"].get("reasoningText")
        return {"type": "thinking", "thinking": as_text(inner.get("text") if isinstance(inner, dict) else inner)}
    return {"type": "text", **block} if "text" in block else block
