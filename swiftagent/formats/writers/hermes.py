"""Hermes: calls in `<tool_call>`, results in `<tool_response>`, tools in the system prompt that Qwen's own template
writes."""

from __future__ import annotations

import json
from typing import Any

from swiftagent.formats.writers.native import call_json
from swiftagent.formats.writers.openai import function_tool
from swiftagent.formats.writers.turns import Results, StepTurn, turns_below_system, with_thinking
from swiftagent.trajectory.escape import hide_control_tokens
from swiftagent.trajectory.types import Question, Tool, Trajectory

BEFORE_TOOLS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
)
AFTER_TOOLS = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


def render(trajectory: Trajectory) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row, and what the format could not hold."""
    written: list[dict[str, str]] = []
    losses: list[str] = []
    system, turns = turns_below_system(trajectory, losses)
    for turn in turns:
        match turn:
            case Question(text=text):
                written.append({"from": "human", "value": hide_control_tokens(text)})
            case Results():
                written.append({"from": "tool", "value": "\n".join(_response(seen.text) for seen in turn.observations)})
            case StepTurn():
                written.append({"from": "gpt", "value": _said(turn)})
    if trajectory.tools:
        system = f"{system}\n\n{tools_block(trajectory.tools)}" if system else tools_block(trajectory.tools)
    head = [{"from": "system", "value": system}] if system else []
    return {"conversations": [*head, *written], "id": trajectory.id}, tuple(losses)


def tools_block(tools: tuple[Tool, ...]) -> str:
    """The part of the system prompt that names the tools."""
    lines = "\n".join(json.dumps(function_tool(tool), ensure_ascii=False) for tool in tools)
    return f"{BEFORE_TOOLS}{lines}{AFTER_TOOLS}"


def _response(text: str) -> str:
    return f"<tool_response>\n{hide_control_tokens(text)}\n</tool_response>"


def _said(step: StepTurn) -> str:
    calls = "\n".join(f"<tool_call>\n{call_json(call)}\n</tool_call>" for call in step.calls)
    text = hide_control_tokens(step.text)
    both = f"{text}\n{calls}" if text and calls else text + calls
    return with_thinking(hide_control_tokens(step.thought), both)
