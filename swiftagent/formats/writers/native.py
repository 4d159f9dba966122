"""The roles of ms-swift's agent templates (hermes, qwen3, ...): `tool_call`, `tool_response`, tools as JSON text in
every row."""

from __future__ import annotations

import json
from typing import Any

from swiftagent.formats.writers.openai import function_tool
from swiftagent.formats.writers.turns import StepTurn, turns_of, with_thinking
from swiftagent.trajectory.escape import hide_control_tokens, hide_value
from swiftagent.trajectory.react import ACTION_LABEL, INPUT_LABEL
from swiftagent.trajectory.record import set_loss
from swiftagent.trajectory.types import Call, Question, System, Trajectory

Message = dict[str, Any]


def render(trajectory: Trajectory) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row, and what the format could not hold. `loss` is false on every message that is not trained."""
    messages: list[Message] = []
    losses: list[str] = []
    for turn in turns_of(trajectory.events):
        match turn:
            case System(text=text):
                messages.append(_untrained("system", text))
            case Question(text=text):
                messages.append(_untrained("user", text))
            case StepTurn():
                messages += _step(turn)
                losses += ["mask-widened"] if turn.mixed else []
                losses += ["react-words" for call in turn.calls if _looks_like_react(call_json(call))]
            case _:
                messages += [_untrained("tool_response", seen.text) for seen in turn.observations]
    tools = json.dumps([function_tool(tool) for tool in trajectory.tools], ensure_ascii=False)
    beside = {"channel": trajectory.channel, "id": trajectory.id, "source": trajectory.source}
    return {"messages": messages, "tools": tools, **beside}, tuple(losses)


def call_json(call: Call) -> str:
    """A call as the JSON text that stands between `<tool_call>` tags."""
    value = {"name": call.tool, "arguments": call.arguments}
    return json.dumps(hide_value(value), ensure_ascii=False)


def _looks_like_react(text: str) -> bool:
    return ACTION_LABEL.strip() in text and INPUT_LABEL.strip() in text


def _untrained(role: str, text: str) -> Message:
    return set_loss({"role": role, "content": hide_control_tokens(text)}, 0)


def _step(step: StepTurn) -> list[Message]:
    text = hide_control_tokens(step.text)
    if text and step.calls:
        text += "\n"  # ms-swift sets nothing between text and `<tool_call>`, the models' own templates a newline
    text = with_thinking(hide_control_tokens(step.thought), text)
    messages: list[Message] = [{"role": "assistant", "content": text}] if text else []
    messages += [{"role": "tool_call", "content": call_json(call)} for call in step.calls]
    # ms-swift masks each message by its own mark, but all parallel calls where one is masked.
    text_weight, call_weight = int(step.trained), int(step.calls_trained)
    return [set_loss(message, text_weight if message["role"] == "assistant" else call_weight) for message in messages]
