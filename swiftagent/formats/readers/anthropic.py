"""Anthropic messages: content blocks with tool_use, tool_result and thinking; tools with input_schema."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers.openai import parse_turns
from swiftagent.formats.reading.view import view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "Anthropic content blocks: text, thinking, tool_use, tool_result; system apart; tools with input_schema"
SAMPLE = {
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "3C"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It is 3C."}]},
    ],
    "tools": [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}],
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "anthropic"


def parse(row: Any) -> Trajectory:
    return parse_turns(row)
