"""ToolRL: an instruction that lists tools, an input that is a tagged dialogue, an output with think and tool_call
tags."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.calls import calls_of
from swiftagent.formats.reading.schemas import as_schema
from swiftagent.formats.reading.tags import read_tag_text
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Tool, Trajectory

ABOUT = (
    "ToolRL: instruction with **Available Tools**, input with <user>/<obs> history, output with "
    "<think>/<tool_call>/<response>"
)
KEYS = frozenset(("instruction", "system", "extra_info"))
SAMPLE = {
    "instruction": "You are helpful.\n\n**Available Tools**\nUse these tools:\n1. Name: weather\n"
    'Description: tells the weather\nParameters: {"city": {"description": "a city", "type": "string"}}\n\n**Steps**',
    "input": "**Dialogue Records History**\n<user> Oslo? </user>",
    "output": '<think> I look. </think>\n<tool_call>\n{"name": "weather", "parameters": {"city": '
    '"Oslo"}}\n</tool_call>',
}
_TOOL = re.compile(
    r"(?:^|\n)\d+\. (?:Name: (.*?)\nDescription: |([\w.-]+): )(.*?)\nParameters: (.*?)(?=\n\d+\. (?:Name: |[\w.-]+: "
    r")|\n\n|\Z)",
    re.S,
)
_HISTORY = re.compile(r"<user>\s*(.*?)\s*</user>", re.S)


def looks_like(row: Any) -> bool:
    return type(row) is dict and _parts(row) is not None


def _parts(row: dict[str, Any]) -> tuple[str, str, Any] | None:
    """(instruction, history, output): flat, as API-Bank is kept for evaluation, or as verl keeps it in `extra_info`."""
    inner = row["extra_info"] if isinstance(row.get("extra_info"), dict) else row
    for asked, given, said in (("instruction", "input", "output"), ("system", "user", "answer")):
        system, history = inner.get(asked), inner.get(given)
        if (
            isinstance(system, str)
            and isinstance(history, str)
            and "**Available Tools**" in system
            and "<user>" in history
        ):
            return system, history, inner.get(said)
    return None


def parse(row: Any) -> Trajectory:
    parts = _parts(row)
    if parts is None:
        raise RowError("not-a-conversation", "no instruction with **Available Tools** and no dialogue history")
    instruction, history, output = parts
    tools, own = _tools(instruction)
    builder = Builder(tools)
    builder.system(own)
    place = 0
    for found in _HISTORY.finditer(history):
        before = history[place : found.start()]
        if place and before.strip():
            read_tag_text(
                builder, before, trained=False
            )  # what was said before is context, the output alone is trained
        builder.question(found.group(1))
        place = found.end()
    if history[place:].strip():
        read_tag_text(builder, history[place:], trained=False)
    if isinstance(output, list):
        for name, arguments, id in calls_of(output)[0]:
            builder.call(name, arguments, id)
    elif isinstance(output, str):
        read_tag_text(builder, output)
    else:
        raise RowError("nothing-trained", "no output")
    return builder.build(row.get("id"))


@lru_cache(maxsize=1024)
def _tools(text: str) -> tuple[tuple[Tool, ...], str]:
    own, _, rest = text.partition("**Available Tools**")
    listed = rest.partition("\n\n**")[0]
    tools: dict[str, Tool] = {}
    for spelled, short, about, parameters in _TOOL.findall(listed):
        name = spelled or short
        try:
            schema = as_schema(read_loose(parameters.strip())[0], [])
        except RowError:
            schema = {}
        tools.setdefault(name.strip(), Tool(name.strip(), about.strip(), schema))
    return tuple(tools.values()), own.strip()
