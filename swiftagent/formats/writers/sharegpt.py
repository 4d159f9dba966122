"""ShareGPT as LLaMA-Factory takes it: human or observation and gpt or function_call take turns, or it skips the row."""

from __future__ import annotations

import json
from typing import Any

from swiftagent.formats.writers.native import call_json
from swiftagent.formats.writers.turns import Results, StepTurn, turns_below_system, with_thinking
from swiftagent.trajectory.escape import hide_control_tokens, hide_value
from swiftagent.trajectory.types import Question, Tool, Trajectory

_ASKS = ("human", "observation")


def render(trajectory: Trajectory) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row, and what the format could not hold."""
    written: list[dict[str, str]] = []
    losses: list[str] = []
    system, turns = turns_below_system(trajectory, losses)
    for turn in turns:
        match turn:
            case Question(text=text):
                _add(written, "human", hide_control_tokens(text), losses)
            case Results():
                _add(written, "observation", _results(turn), losses)
            case StepTurn():
                _add(written, "function_call" if turn.calls else "gpt", _value(turn), losses)
    row = {"conversations": written, "system": system, "tools": tools_text(trajectory.tools), "id": trajectory.id}
    return row, tuple(losses)


def tools_text(tools: tuple[Tool, ...]) -> str:
    """Tools as a JSON list of bare functions; no text where there are none."""
    bare = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools]
    return json.dumps(hide_value(bare), ensure_ascii=False) if bare else ""


def _add(turns: list[dict[str, str]], role: str, value: str, losses: list[str]) -> None:
    """Add a turn so that both sides still take turns: two of one kind are joined, a missing one is put in empty."""
    asks = role in _ASKS
    before = turns[-1]["from"] if turns else "gpt"
    if (before in _ASKS) == asks:
        if before == role and role in ("human", "gpt") and turns:
            turns[-1]["value"] += f"\n\n{value}"
            losses.append("turns-joined")
            return
        filler = "gpt" if asks else "observation" if before == "function_call" else "human"
        turns.append({"from": filler, "value": ""})
        losses.append("turn-inserted")
    turns.append({"from": role, "value": value})


def _value(step: StepTurn) -> str:
    """A call is JSON, after its reasoning; where text stands beside it, the JSON is in the tags that LLaMA-Factory
    looks for."""
    text = hide_control_tokens(step.text)
    if step.calls:
        calls = [call_json(call) for call in step.calls]
        written = calls[0] if len(calls) == 1 else f"[{', '.join(calls)}]"
        text = f"{text}\n<tool_call>{written}</tool_call>" if text else written
    return with_thinking(hide_control_tokens(step.thought), text)


def _results(results: Results) -> str:
    texts = [hide_control_tokens(seen.text) for seen in results.observations]
    return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)
