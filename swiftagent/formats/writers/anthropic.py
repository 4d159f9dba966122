"""Anthropic messages: blocks `thinking`, `text`, `tool_use` and `tool_result`, tools with `input_schema`, one system
text."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.writers.turns import Results, StepTurn, turns_below_system
from swiftagent.trajectory.escape import hide_control_tokens, hide_value
from swiftagent.trajectory.types import Question, Trajectory

Block = dict[str, Any]


def render(trajectory: Trajectory) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row, and what the format could not hold."""
    messages: list[Block] = []
    losses: list[str] = []
    system, turns = turns_below_system(trajectory, losses)
    for turn in turns:
        match turn:
            case Question(text=text):
                messages.append({"role": "user", "content": hide_control_tokens(text)})
            case StepTurn():
                losses += ["arguments-wrapped" for call in turn.calls if not isinstance(call.arguments, dict)]
                messages.append({"role": "assistant", "content": _blocks(turn)})
            case Results():
                messages.append({"role": "user", "content": _results(turn)})
    row: dict[str, Any] = {"system": system} if system else {}
    row["messages"] = messages
    if trajectory.tools:
        row["tools"] = [
            hide_value({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
            for tool in trajectory.tools
        ]
    return {**row, "id": trajectory.id}, tuple(losses)


def _blocks(step: StepTurn) -> list[Block]:
    blocks: list[Block] = []
    if step.thought:
        blocks.append({"type": "thinking", "thinking": hide_control_tokens(step.thought), "signature": ""})
    if step.text:
        blocks.append({"type": "text", "text": hide_control_tokens(step.text)})
    for call in step.calls:
        given = call.arguments if isinstance(call.arguments, dict) else {"input": call.arguments}
        blocks.append(
            {"type": "tool_use", "id": call.id, "name": hide_control_tokens(call.tool), "input": hide_value(given)}
        )
    return blocks


def _results(results: Results) -> list[Block]:
    return [
        {"type": "tool_result", "tool_use_id": seen.call_id, "content": hide_control_tokens(seen.text)}
        for seen in results.observations
    ]
