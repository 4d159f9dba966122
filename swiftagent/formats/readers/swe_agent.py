"""Runs of SWE-agent (.traj): steps with the command, what it printed and what the model said, beside their history."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.messages import ROLES, as_messages
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "SWE-agent runs: trajectory of {thought, action, observation, response}, beside history; a command is a bash call"
)
SAMPLE = {
    "history": [{"role": "system", "content": "You fix bugs."}, {"role": "user", "content": "Fix it."}],
    "trajectory": [
        {"thought": "I look.", "action": "ls\n", "observation": "a.py\n", "response": "I look.\n```\nls\n```"},
        {"thought": "Done.", "action": "submit\n", "observation": "", "response": "Done.\n```\nsubmit\n```"},
    ],
}
_STEP = frozenset(("action", "observation", "response", "thought"))
_TASKS = ("problem_statement", "task", "question", "instruction")

KEYS = frozenset(("trajectory",))
READS = KEYS | {"history", *_STEP, *_TASKS}


def looks_like(row: Any) -> bool:
    steps = row.get("trajectory") if type(row) is dict else None
    return (
        isinstance(steps, list) and bool(steps) and all(type(step) is dict and step.keys() >= _STEP for step in steps)
    )


def parse(row: Any) -> Trajectory:
    builder = Builder()
    asked = _read_history(builder, as_messages(row.get("history") or []))
    builder.question(asked or next((row[key] for key in _TASKS if isinstance(row.get(key), str)), ""))
    for step in row["trajectory"]:
        command = as_text(step["action"]).strip()
        own = not command.startswith("exit_")  # what SWE-agent itself writes where a run breaks off
        builder.thought(as_text(step["thought"]).strip(), trained=own)
        if command:
            builder.call("bash", {"command": command}, trained=own)
            builder.result(as_text(step["observation"]))
    return builder.build(row.get("instance_id") or row.get("id"))


def _read_history(builder: Builder, turns: list[dict[str, Any]]) -> str:
    """Read the system text; returns what the model was asked, without the demonstration."""
    asked = []
    for turn in turns:
        kind = ROLES.get(str(turn.get("role")))
        if kind == "system":
            builder.system(as_text(turn.get("content")))
        elif turn.get("is_demo"):
            continue
        elif kind == "assistant":
            break
        else:
            asked.append(as_text(turn.get("content")))
    return "\n\n".join(asked)
