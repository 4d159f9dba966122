"""OpenAI messages with tools: tool_calls, the older function_call, content as text, blocks or nothing."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.delegate import asked_first
from swiftagent.formats.reading.messages import ROLES, read_messages
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import system_field, tools_field, view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "OpenAI messages (role/content) with tools and tool_calls or function_call, or plain chat; also under "
    "conversations or traj"
)
SAMPLE = {
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {
            "role": "assistant",
            "content": "look",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "3C"},
        {"role": "assistant", "content": "It is 3C."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "tells the weather",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        }
    ],
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "openai"


def parse(row: Any) -> Trajectory:
    return parse_turns(row)


def parse_turns(row: Any) -> Trajectory:
    """Any row that holds a list of turns."""
    view = view_of(row)
    tools, repairs = read_tools(tools_field(row))
    system = system_field(row) if view.key != "" else None
    messages = asked_first(view.messages, row) if type(row) is dict and len(row) > 1 else view.messages
    builder = Builder(tools, view.repairs + repairs if view.repairs or repairs else ())
    if system is not None and not starts_with_system(messages, system):
        read_messages(builder, [{"role": "system", "content": system}])
    read_messages(builder, messages)
    return builder.build(row.get("id") if type(row) is dict else "")


def starts_with_system(messages: list[Any], text: Any) -> bool:
    """Whether the turns begin with the system text that stands beside them too."""
    first = messages[0] if messages else None
    if type(first) is not dict or first.get("content", first.get("value")) != text:
        return False
    return ROLES.get(str(first.get("role", first.get("from"))).lower()) == "system"
