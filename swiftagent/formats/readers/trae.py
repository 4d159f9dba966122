"""Trajectories of Trae Agent: a task and steps, each with the model's answer, its calls and what they gave.

As trae_agent/utils/trajectory_recorder.py of bytedance/trae-agent writes them.
"""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.delegate import read_turns, step_turns
from swiftagent.trajectory.types import Trajectory

ABOUT = "Trae Agent trajectories: task, llm_interactions {input_messages, response}, agent_steps {llm_response, ...}"
KEYS = frozenset(("llm_interactions", "agent_steps"))
READS = KEYS | {"task", "finalresult", "provider"}
SAMPLE = {
    "task": "List",
    "llm_interactions": [],
    "agent_steps": [
        {
            "llm_response": {"content": "I look."},
            "tool_calls": [{"call_id": "c", "name": "bash", "arguments": {"command": "ls"}}],
            "tool_results": [{"call_id": "c", "success": True, "result": "a.py"}],
        },
        {"llm_response": {"content": "a.py"}},
    ],
    "success": True,
}


def looks_like(row: Any) -> bool:
    return type(row) is dict and "task" in row and any(_objects(row.get(key)) for key in KEYS)


def parse(row: Any) -> Trajectory:
    asked = _objects(row.get("llm_interactions"))
    steps = _objects(row.get("agent_steps")) or _steps_of(asked)
    first = _objects(asked[0].get("input_messages")) if asked else []
    turns = [{"role": turn["role"], "content": turn.get("content")} for turn in first if turn.get("content")]
    if not any(turn["role"] == "user" for turn in turns):
        turns.append({"role": "user", "content": row["task"]})
    for step in steps:
        said = step.get("llm_response") or {}
        results = {item.get("call_id"): _given(item) for item in _objects(step.get("tool_results"))}
        made = _objects(step.get("tool_calls")) or _objects(said.get("tool_calls"))
        calls = [{**call, "id": call.get("call_id"), "result": results.get(call.get("call_id"))} for call in made]
        turns += step_turns(as_text(said.get("content")), calls)
    final = row.get("final_result")
    if isinstance(final, str) and final and not any(turn["content"] == final for turn in turns):
        turns += step_turns(final, [])
    return read_turns(turns, {})


def _steps_of(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps as the requests hold them: what the tools of one gave stands in the messages of the next."""
    given = [
        [
            turn["tool_result"]
            for turn in _objects(one.get("input_messages"))
            if isinstance(turn.get("tool_result"), dict)
        ]
        for one in asked
    ]
    return [
        {"llm_response": one.get("response"), "tool_results": results}
        for one, results in zip(asked, [*given[1:], []], strict=True)
    ]


def _given(item: dict[str, Any]) -> str:
    return as_text(item.get("result") if item.get("result") is not None else item.get("error"))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
