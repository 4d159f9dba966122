"""ms-swift's own agent rows: roles tool_call and tool_response beside system, user and assistant; tools as a JSON
string."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers.openai import parse_turns
from swiftagent.formats.reading.view import view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "ms-swift messages with roles tool_call and tool_response, tools as a JSON string (`--to native` writes it)"
SAMPLE = {
    "tools": '[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": '
    "{}}}}]",
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {"role": "tool_call", "content": '{"name": "weather", "arguments": {}}'},
        {"role": "tool_response", "content": "3C"},
        {"role": "assistant", "content": "It is 3C."},
    ],
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "swift"


def parse(row: Any) -> Trajectory:
    return parse_turns(row)
