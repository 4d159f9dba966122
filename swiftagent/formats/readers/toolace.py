"""ToolACE: turns in which a call is written `[Func Name(arg="value"), ...]`, the tools as JSON in the system prompt."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import ROLES, read_message
from swiftagent.formats.reading.python_calls import looks_like_calls, python_calls
from swiftagent.formats.reading.tags import read_system
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import is_trained
from swiftagent.formats.reading.view import tools_field, view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = 'ToolACE: calls as [Func Name(arg="value")] in assistant turns, tools as JSON in the system prompt'
SAMPLE = {
    "system": 'Here is a list of functions in JSON format that you can invoke:\n[{"name": "Get Weather", '
    '"description": "", '
    '"parameters": {"type": "dict", "properties": {"city": {"type": "str"}}, "required": ["city"]}}]',
    "conversations": [
        {"from": "user", "value": "Oslo?"},
        {"from": "assistant", "value": '[Get Weather(city="Oslo")]'},
        {"from": "tool", "value": '[{"name": "Get Weather", "results": "3C"}]'},
        {"from": "assistant", "value": "It is 3C."},
    ],
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "toolace"


def speak(builder: Builder, text: str, calls_follow: bool, trained: bool) -> None:
    """What an assistant turn says: calls like Python, or plain text."""
    if not looks_like_calls(text):
        builder.say(text, calls_follow, trained)
        return
    for name, arguments in python_calls(text):
        builder.call(name, arguments, trained=trained)


def parse(row: Any) -> Trajectory:
    view = view_of(row)
    tools, repairs = read_tools(tools_field(row))
    builder = Builder(tools, view.repairs + repairs)
    if isinstance(row, dict) and isinstance(row.get("system"), str):
        read_system(builder, row["system"])
    for message in view.messages:
        text = message.get("content") if "content" in message else message.get("value")
        kind = ROLES.get(str(message.get(view.style)))
        if kind == "system" and isinstance(text, str):
            read_system(builder, text)
        elif kind == "assistant" and isinstance(text, str):
            speak(builder, text, False, is_trained(message))
        else:
            read_message(builder, message, speak)
    return builder.build(row.get("id") if isinstance(row, dict) else "")
