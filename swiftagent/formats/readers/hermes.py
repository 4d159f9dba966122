"""Calls as tagged text in the turns of a chat: Hermes and Qwen `<tool_call>`, XML, the older ms-agent form."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.formats.readers.openai import starts_with_system
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.marks import RETURNED, command_in_tags
from swiftagent.formats.reading.messages import ROLES, as_messages, read_message
from swiftagent.formats.reading.tags import read_system, read_tag_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import is_trained
from swiftagent.formats.reading.user_results import result_in_user_turn
from swiftagent.formats.reading.view import system_field, tools_field, view_of
from swiftagent.formats.writers import hermes
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "Hermes/Qwen text: <tool_call> and <tool_response> inside turns; also XML calls and "
    "<|startofthink|>/<|startofexec|>"
)
SAMPLE = {
    "conversations": [
        {"from": "system", "value": '<tools>[{"name": "weather", "description": "", "parameters": {}}]</tools>'},
        {"from": "human", "value": "Oslo?"},
        {"from": "gpt", "value": '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'},
        {"from": "tool", "value": "<tool_response>\n3C\n</tool_response>"},
        {"from": "gpt", "value": "It is 3C."},
    ]
}
_RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.S)


def looks_like(row: Any) -> bool:
    return view_of(row).format == "hermes"


def parse(row: Any) -> Trajectory:
    if hermes.is_written(row):
        return hermes.parse(row)
    view = view_of(row)
    tools, repairs = read_tools(tools_field(row))
    builder = Builder(tools, view.repairs + repairs)
    system = system_field(row)
    if isinstance(system, str) and not starts_with_system(view.messages, system):
        read_system(builder, system)
    marked = False  # whether the user's turns were results so far
    for message in as_messages(view.messages):
        role = message.get(view.style)
        text = message.get("content") if "content" in message else message.get("value")
        kind = ROLES.get(role.lower()) if type(role) is str else None
        if type(text) is not str or kind is None:
            read_message(builder, message, read_tag_text)
        elif kind == "assistant" and view.tag == RETURNED:
            read_tag_text(builder, command_in_tags(text), False, is_trained(message))
        elif kind == "system":
            read_system(builder, text)
        elif kind == "assistant" and len(message) == 2:
            read_tag_text(builder, text, False, is_trained(message))
        elif kind in ("result", "user") and "<tool_response>" in text:
            for result in _RESPONSE.findall(text):
                builder.result(result)
            if rest := _RESPONSE.sub("", text).strip():
                (builder.question if kind == "user" else builder.result)(rest)
        elif kind == "user" and builder.waits_for_result and (told := result_in_user_turn(text, marked)) is not None:
            marked = True
            builder.result(told)
        else:
            read_message(builder, message, read_tag_text)
    return builder.build(row.get("id") if isinstance(row, dict) else "")
