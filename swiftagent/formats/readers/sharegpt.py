"""ShareGPT: from/value turns; calls as `function_call` and results as `observation` turns."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers.openai import parse_turns
from swiftagent.formats.reading.view import view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "ShareGPT conversations (from/value: human, gpt, function_call, observation) with tools, or plain chat (ms_bench)"
)
SAMPLE = {
    "conversations": [
        {"from": "human", "value": "Oslo?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
        {"from": "observation", "value": "3C"},
        {"from": "gpt", "value": "It is 3C."},
    ],
    "tools": '[{"name": "weather", "description": "tells the weather", "parameters": {"type": "object", "properties": '
    '{"city": {"type": "string"}}, "required": ["city"]}}]',
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "sharegpt"


def parse(row: Any) -> Trajectory:
    return parse_turns(row)
