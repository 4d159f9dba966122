"""ms-agent: ReAct text inside from/value or role/content turns, the tools in the prompt (iic/ms_agent, Qwen's
examples)."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers.openai import starts_with_system
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import ROLES, as_messages, read_message
from swiftagent.formats.reading.react_text import read_prompt, read_react_text, read_user_text
from swiftagent.formats.reading.tags import read_system
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import is_trained
from swiftagent.formats.reading.view import system_field, tools_field, view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "ms-agent: turns of ReAct text with a prompt that names the tools (English or Chinese); also as a stringified list"
)
SAMPLE = {
    "conversations": [
        {
            "from": "system",
            "value": "Answer the following questions as best you can. You have access to the following APIs:\n"
            '1. weather: tells the weather. Parameters: [{"name": "city", "description": "a city", "required": '
            '"True"}]\n\n'
            "Use the following format:\n\nThought: you should always think about what to do\n"
            "Action: the action to take, should be one of the above tools[weather]\nBegin!",
        },
        {"from": "user", "value": "Oslo?"},
        {
            "from": "assistant",
            "value": "Action: weather\nAction Input: {'city': 'Oslo'}\nObservation: 3C\n"
            "Thought: I now know the final answer\nFinal Answer: It is 3C.",
        },
    ]
}


def looks_like(row: Any) -> bool:
    return view_of(row).format == "ms-agent"


def parse(row: Any) -> Trajectory:
    view = view_of(row)
    tools, repairs = read_tools(tools_field(row))
    builder = Builder(tools, view.repairs + repairs)
    system = system_field(row)
    if isinstance(system, str) and not starts_with_system(view.messages, system):
        read_asking(builder, system, "system")
    for message in as_messages(view.messages):
        role = message.get(view.style)
        text = message.get("content") if "content" in message else message.get("value")
        kind = ROLES.get(role) if type(role) is str else None
        if type(text) is not str or kind is None:
            read_message(builder, message, read_react_text)
        elif kind == "assistant":
            read_react_text(builder, text, False, is_trained(message))
        elif kind == "user" or kind == "system":
            read_asking(builder, text, kind)
        else:
            read_message(builder, message, read_react_text)
    return builder.build(row.get("id") if isinstance(row, dict) else "")


def read_asking(builder: Builder, text: str, kind: str) -> None:
    """A system or user turn: the prompt gives the tools, and a question may stand behind its Begin!."""
    prompt = read_prompt(text)
    if prompt is None:
        if kind == "system":
            read_system(builder, text)
        else:
            read_user_text(builder, text)
        return
    builder.repairs += prompt.repairs
    if not builder.tools:
        builder.tools = prompt.tools
    elif prompt.tools:
        known = {tool.name for tool in builder.tools}
        new = tuple(tool for tool in prompt.tools if tool.name not in known)
        if new:
            builder.tools = builder.tools + new
    builder.system(prompt.own)
    if prompt.question:
        builder.question(prompt.question)
