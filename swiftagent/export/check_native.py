"""The same prompt everywhere, for models trained on native calls: rows with `tools`, `tool_call` and
`tool_response`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from swiftagent.export.check import PromptCase, case_name, chat_of, control_tokens, odd_arguments
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


def ollama_tool(tool: dict[str, Any]) -> dict[str, Any]:
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
