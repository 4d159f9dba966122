"""Calls as tagged text in the turns of a chat: Hermes and Qwen `<tool_call>`, XML, the older ms-agent form."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.formats.readers.openai import starts_with_system
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.marks import RETURNED, command_in_tags
from swiftagent.formats.reading.messages import ROLES, as_messages, read_message
from swiftagent.formats.reading.tags import read_system, read_tag_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import is_trained
from swiftagent.formats.reading.user_results import outputs_of
from swiftagent.formats.reading.view import system_field, tools_field, view_of
from swiftagent.formats.writers.hermes import AFTER_TOOLS, BEFORE_TOOLS
from swiftagent.trajectory.react import THINK_CLOSE, THINK_OPEN
from swiftagent.trajectory.read_loose import read_loose
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
_WRITTEN_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)
_WRITTEN_RESPONSE = re.compile(r"<tool_response>\n(.*?)\n</tool_response>", re.S)
# What a user turn says where it is the answer to such a call.
_RESULT = re.compile(
    r"\s*(?:(?=<returncode>)|EXECUTION RESULT of \[[^\]\n]*\]:\s?|OBSERVATION:\s?|Observation:\s?|Result:\s?"
    r"|```tool_output\n|<function_results>\s*)(.*?)"
    r"(?:\n?```|\s*</function_results>)?\s*\Z",
    re.S,
)
_RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.S)


def looks_like(row: Any) -> bool:
    return view_of(row).format == "hermes"


def parse(row: Any) -> Trajectory:
    if _is_written(row):
        return _read_written(row)
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
        elif kind == "user" and builder.waits_for_result and (told := _result_in_user_turn(text, marked)) is not None:
            marked = True
            builder.result(told)
        else:
            read_message(builder, message, read_tag_text)
    return builder.build(row.get("id") if isinstance(row, dict) else "")


def _result_in_user_turn(text: str, marked: bool) -> str | None:
    """What a tool gave, where a user turn tells it in one of the known ways; else None.

    `marked` says that it did so before in this conversation: then the environment speaks there, and what has no mark is
    its word too ("Your command ran successfully and did not produce any output." of SWE-agent).
    """
    found = _RESULT.match(text)
    if found is None:
        return text if marked else None
    return outputs_of(found[1]) if "<function_results>" in text else found[1]


def _is_written(row: Any) -> bool:
    """Whether it is a row with tools that our own writer wrote."""
    turns = row.get("conversations") if isinstance(row, dict) else None
    head = turns[0] if isinstance(turns, list) and turns else None
    if not isinstance(head, dict) or head.get("from") != "system" or not isinstance(head.get("value"), str):
        return False
    return BEFORE_TOOLS in head["value"] and head["value"].endswith(AFTER_TOOLS) and all(map(_is_turn, turns or ()))


def _is_turn(turn: Any) -> bool:
    return (
        isinstance(turn, dict)
        and isinstance(turn.get("value"), str)
        and turn.get("from") in ("system", "human", "gpt", "tool")
    )


def _read_written(row: dict[str, Any]) -> Trajectory:
    """Read a row with tools that our own writer wrote, exactly. Raises RowError where a call or a tool is malformed."""
    head, *turns = row["conversations"]
    own, _, block = head["value"].rpartition(BEFORE_TOOLS)
    builder = Builder(*read_tools(block.removesuffix(AFTER_TOOLS)))
    builder.system(own.removesuffix("\n\n"))
    for turn in turns:
        text = turn["value"]
        match turn["from"]:
            case "human":
                builder.question(text)
            case "tool":
                for found in _WRITTEN_RESPONSE.finditer(text):
                    builder.result(found.group(1))
            case _:
                calls = _WRITTEN_CALL.findall(text)
                said = text[: text.find("<tool_call>\n")].removesuffix("\n") if calls else text
                if said.startswith(THINK_OPEN) and said.endswith(THINK_CLOSE[:-1]):
                    said += "\n"  # reasoning alone before the calls: the newline belongs to it
                if said:
                    builder.say(said, bool(calls))
                for call in calls:
                    builder.call(*call_of(read_loose(call)[0]))
    return builder.build(row.get("id"))
