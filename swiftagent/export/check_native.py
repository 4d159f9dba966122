"""The same prompt everywhere, for models trained on native calls: rows with `tools`, `tool_call` and
`tool_response`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from swiftagent.export.check import PromptCase, case_name, chat_of, control_tokens, go_json, odd_arguments
from swiftagent.export.templates import Turns
from swiftagent.formats.readers.openai import parse_turns
from swiftagent.trajectory.record import Record
from swiftagent.trajectory.types import Trajectory


def native_cases(rows: list[Record]) -> Iterator[PromptCase]:
    """Native rows (`tools`, `tool_call`, `tool_response`) as they are compared."""
    for number, row in enumerate(rows):
        trajectory = parse_turns(row)
        yield PromptCase(case_name(row, number), row, trajectory, control_tokens(row) or odd_arguments(trajectory))


def native_chat(trajectory: Trajectory) -> dict[str, Any]:
    """The conversation as a chat client sends it, with call ids of nine letters and digits: Mistral's template takes no
    other."""
    chat = chat_of(trajectory)
    for message in chat["messages"]:
        for call in message.get("tool_calls") or []:
            call["id"] = f"call{int(call['id'][1:]):05d}"
        if message["role"] == "tool":
            message["tool_call_id"] = f"call{int(message['tool_call_id'][1:]):05d}"
    return chat


def hermes_text(trajectory: Trajectory, turns: Turns, before: str, after: str) -> str:
    """What ms-swift trains on for hermes calls, up to the last end token, with tools and arguments as Ollama writes
    them."""
    chat = chat_of(trajectory)
    own = "\n\n".join(message["content"] for message in chat["messages"] if message["role"] == "system")
    tools = "\n".join(go_json(_ollama_tool(tool), sort=False) for tool in chat["tools"])
    system = (own or turns.default_system) + (before + tools + after if chat["tools"] else "")
    text = turns.system_open + system + turns.system_close if system else ""
    messages = [message for message in chat["messages"] if message["role"] != "system"]
    for number, message in enumerate(messages):
        last, following = messages[number - 1]["role"] if number else "", messages[number + 1 :][:1]
        if message["role"] == "user":
            text += (turns.between if number else "") + turns.user_open + message["content"] + turns.user_close
        elif message["role"] == "tool":
            text += "\n" if last == "tool" else turns.between + turns.user_open
            text += f"<tool_response>\n{message['content']}\n</tool_response>"
            text += "" if following and following[0]["role"] == "tool" else turns.user_close
        else:
            thought = message.get("reasoning_content")
            text += (f"<think>\n{thought}\n</think>\n\n" if thought else "") + (message.get("content") or "")
            calls = [call["function"] for call in message.get("tool_calls") or []]
            written = (f'{{"name": {json.dumps(f["name"])}, "arguments": {go_json(f["arguments"])}}}' for f in calls)
            text += "\n" if calls and message.get("content") else ""
            text += "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in written)
    return text


def _ollama_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as Ollama keeps it: its own fields in its own order, properties sorted by name."""
    function = tool["function"]
    given = function.get("parameters") or {}
    required = {"required": given["required"]} if given.get("required") else {}
    named = given.get("properties")
    properties = None if named is None else {name: _ollama_property(one) for name, one in sorted(named.items())}
    parameters = {"type": given.get("type", ""), **required, "properties": properties}
    kept = {"name": function["name"], "description": function.get("description") or "", "parameters": parameters}
    return {"type": "function", "function": kept}


def _ollama_property(one: dict[str, Any]) -> dict[str, Any]:
    kept = {name: one[name] for name in ("anyOf", "type", "items", "description", "enum") if one.get(name)}
    if one.get("properties"):
        kept["properties"] = {name: _ollama_property(inner) for name, inner in sorted(one["properties"].items())}
    if one.get("required"):
        kept["required"] = one["required"]
    if "items" in kept:
        kept["items"] = json.loads(json.dumps(kept["items"], sort_keys=True))
    return kept
