"""ATIF, the trajectories of Harbor and Terminal-Bench: steps of a source, with tool calls and what they gave."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.messages import as_messages, kind_of
from swiftagent.formats.reading.tools import read_tools
from swiftagent.trajectory.types import Trajectory

ABOUT = "ATIF (Harbor, Terminal-Bench): steps {source, message, reasoning_content, tool_calls, observation: {results}}"
SAMPLE = {
    "schema_version": "ATIF-v1.5",
    "session_id": "s",
    "agent": {"name": "a"},
    "steps": [
        {"step_id": 1, "source": "user", "message": "Oslo?"},
        {
            "step_id": 2,
            "source": "agent",
            "message": "",
            "reasoning_content": "I look.",
            "tool_calls": [{"tool_call_id": "1", "function_name": "weather", "arguments": {"city": "Oslo"}}],
            "observation": {"results": [{"source_call_id": "1", "content": "3C"}]},
        },
        {"step_id": 3, "source": "agent", "message": "It is 3C."},
    ],
}

KEYS = frozenset(("steps",))


def looks_like(row: Any) -> bool:
    if type(row) is not dict or not isinstance(row.get("steps"), list):
        return False
    steps = row["steps"]
    return bool(steps) and all(type(step) is dict and "source" in step and "message" in step for step in steps)


def parse(row: Any) -> Trajectory:
    agent = row.get("agent")
    builder = Builder(*read_tools(agent.get("tool_definitions") if isinstance(agent, dict) else None))
    for step in as_messages(row["steps"]):
        kind = kind_of(step["source"])
        text = as_text(step["message"])
        if kind == "assistant":
            _read_step(builder, step, text)
        elif text:
            (builder.system if kind == "system" else builder.question)(text)
    return builder.build(row.get("session_id"))


def _read_step(builder: Builder, step: dict[str, Any], text: str) -> None:
    builder.thought(as_text(step.get("reasoning_content")).strip())
    calls = step.get("tool_calls") or []
    if not isinstance(calls, list):
        raise RowError("broken-call", f"tool_calls are a {type(calls).__name__}")
    if text or not calls:
        builder.say(text, bool(calls))
    for call in calls:
        builder.call(*call_of(call))
    observed = step.get("observation")
    results = observed.get("results") if isinstance(observed, dict) else None
    for result in as_messages(results if isinstance(results, list) else []):
        told = as_text(result.get("content"))
        if builder.waits_for_result:
            builder.result(told, result.get("source_call_id"))
        elif told:  # an agent without tools is answered by a turn of the terminal
            builder.question(told)
