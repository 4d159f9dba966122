"""OpenAI messages: `tool_calls` with arguments as JSON text, reasoning as `reasoning_content`, masked turns `weight:
0`."""

from __future__ import annotations

import json
from typing import Any

from swiftagent.formats.writers.turns import StepTurn, turns_of
from swiftagent.trajectory.escape import hide_control_tokens, hide_value
from swiftagent.trajectory.types import Call, Question, System, Tool, Trajectory


def render(trajectory: Trajectory) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row, and what the format could not hold."""
    messages: list[dict[str, Any]] = []
    losses: list[str] = []
    for turn in turns_of(trajectory.events):
        match turn:
            case System(text=text):
                messages.append({"role": "system", "content": hide_control_tokens(text)})
            case Question(text=text):
                messages.append({"role": "user", "content": hide_control_tokens(text)})
            case StepTurn():
                messages.append(_assistant(turn))
                losses += ["mask-widened"] if turn.mixed else []
            case _:
                for seen in turn.observations:
                    messages.append(
                        {"role": "tool", "tool_call_id": seen.call_id, "content": hide_control_tokens(seen.text)}
                    )
    row: dict[str, Any] = {"messages": messages}
    if trajectory.tools:
        row["tools"] = [function_tool(tool) for tool in trajectory.tools]
    return {**row, "id": trajectory.id}, tuple(losses)


def function_tool(tool: Tool) -> dict[str, Any]:
    """A tool as OpenAI declares it."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": hide_value(function)}


def arguments_text(arguments: Any) -> str:
    """Arguments as JSON text that holds no control token."""
    return json.dumps(hide_value(arguments), ensure_ascii=False)


def _assistant(step: StepTurn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": hide_control_tokens(step.text) or None}
    if step.thought:
        message["reasoning_content"] = hide_control_tokens(step.thought)
    if step.calls:
        message["tool_calls"] = [_call(call) for call in step.calls]
    if not step.trained:
        message["weight"] = 0
    return message


def _call(call: Call) -> dict[str, Any]:
    function = {"name": hide_control_tokens(call.tool), "arguments": arguments_text(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}
