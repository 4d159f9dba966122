"""MOSS with plugins: turns of Human, Inner Thoughts, Commands, Tool Responses and MOSS, each text with its own
marks."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.formats.reading.builder import Builder
from swiftagent.trajectory.types import Tool, Trajectory

ABOUT = "MOSS plugin conversations: chat {turn_1: {Human, Inner Thoughts, Commands, Tool Responses, MOSS}}, API: Search(query)"
SAMPLE = {
    "meta_instruction": "You are MOSS.\nCapabilities and tools that MOSS can possess.\n- Web search: enabled. API: Search(query)",
    "chat": {
        "turn_1": {
            "Human": "<|Human|>: Oslo?<eoh>\n",
            "Inner Thoughts": "<|Inner Thoughts|>: I search.<eot>\n",
            "Commands": '<|Commands|>: Search("Oslo")<eoc>\n',
            "Tool Responses": "<|Results|>:\nSearch(\"Oslo\") =>\n<|1|>: 'a city'\n<eor>\n",
            "MOSS": "<|MOSS|>: A city.<eom>\n",
        }
    },
}
_API = re.compile(r"- ([^\n:]+): enabled\. API: (\w+)\(([^)\n]*)\)")
_CALL = re.compile(r'(\w+)\((?:"(.*?)"|([^"(),][^,()]*)?)\)(?=\s*(?:,\s*\w+\(|\Z))', re.S)
_NO_CALL = re.compile(r"(?:\s*,\s*(?:None)?)+\s*\Z")  # what stands behind the last command: a comma, or None
_MARK = re.compile(r"<\|(?:Human|Inner Thoughts|Commands|Results|MOSS)\|>:\s*|<(?:eoh|eot|eoc|eor|eom)>\s*\Z")

KEYS = frozenset(("chat",))


def looks_like(row: Any) -> bool:
    if type(row) is not dict or type(row.get("chat")) is not dict or not row["chat"]:
        return False
    return all(type(turn) is dict and "Human" in turn and "MOSS" in turn for turn in row["chat"].values())


def parse(row: Any) -> Trajectory:
    own, _, listed = str(row.get("meta_instruction") or "").partition("Capabilities and tools that MOSS can possess")
    builder = Builder(tuple(_tool(*found) for found in _API.findall(listed)))
    builder.system(own.strip())
    inputs = {tool.name: next(iter(tool.parameters["properties"]), "input") for tool in builder.tools}
    for turn in row["chat"].values():
        texts = {key: _text(value) for key, value in turn.items()}
        builder.question(texts["Human"])
        builder.thought(texts.get("Inner Thoughts", ""))
        _read_commands(builder, texts.get("Commands", ""), texts.get("Tool Responses", ""), inputs)
        builder.answer(texts["MOSS"])
    return builder.build(row.get("conversation_id"))


def _tool(about: str, name: str, parameters: str) -> Tool:
    names = [parameter.strip() for parameter in parameters.split(",") if parameter.strip()]
    properties = {parameter: {"type": "string"} for parameter in names}
    return Tool(name, about.strip(), {"type": "object", "properties": properties, "required": names[:1]})


def _text(value: Any) -> str:
    """What a turn says without its marks; the word None is nothing."""
    text = _MARK.sub("", value).strip() if isinstance(value, str) else ""
    return "" if text == "None" else text


def _read_commands(builder: Builder, commands: str, results: str, inputs: dict[str, str]) -> None:
    calls = list(_CALL.finditer(_NO_CALL.sub("", commands)))
    for call in calls:
        given = call.group(2) if call.group(2) is not None else call.group(3)
        builder.call(call.group(1), {inputs.get(call.group(1), "input"): given} if given else {})
    if not calls:
        return
    places = [results.find(f"{call.group()} =>") for call in calls]
    if -1 in places or places != sorted(places):
        builder.result(results)
        return
    for call, place, end in zip(calls, places, [*places[1:], len(results)], strict=True):
        builder.result(results[place + len(call.group()) + len(" =>") : end].strip())
