"""LLaMA-Factory v1: messages of blocks {"type": text, reasoning or tool_call, "value"}, with a loss_weight each."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers.openai import parse_turns
from swiftagent.formats.reading.view import view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "LLaMA-Factory v1 blocks: content is a list of {type, value}; loss_weight 0 is not trained"
SAMPLE = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "value": "Oslo?"}], "loss_weight": 0.0},
        {
            "role": "assistant",
            "content": [
                {"type": "reasoning", "value": "I look."},
                {"type": "tool_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
            ],
            "loss_weight": 1.0,
        },
        {"role": "tool", "content": [{"type": "text", "value": "3C"}]},
        {"role": "assistant", "content": [{"type": "text", "value": "It is 3C."}], "loss_weight": 1.0},
    ],
    "tools": '[{"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]',
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "llamafactory-v1"


def parse(row: Any) -> Trajectory:
    return parse_turns(row)
