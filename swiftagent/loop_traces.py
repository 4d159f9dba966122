"""What came of a run, for others to read: a trace as `infer --json` prints it, and training rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.jsonl import encode
from swiftagent.loop import Turn
from swiftagent.prompts import PromptStyle
from swiftagent.record import to_record, trim_untrained_tail
from swiftagent.trajectory import Call, Event, Observation, Thought, Trajectory


def trace(turn: Turn) -> dict[str, Any]:
    """One JSON object: question, steps, answer, stopped_by."""
    return {
        "question": turn.question,
        "steps": [msgspec.to_builtins(step) for step in turn.steps if step.action is not None],
        "answer": turn.answer,
        "stopped_by": turn.stopped_by,
    }


def is_good(turns: Iterable[Turn]) -> bool:
    """Whether every turn was answered and every call in it succeeded."""
    return all(turn.stopped_by == "answer" and not any(step.error for step in turn.steps) for turn in turns)


def recorded(conversation: Trajectory, turns: Iterable[Turn], source: str) -> Trajectory | None:
    """The conversation as data to train on: steps whose call failed are context and not trained. None: nothing is left."""
    failed = {
        event.call_id
        for turn in turns
        for event, step in zip(
            (event for event in turn.events if type(event) is Observation),
            (step for step in turn.steps if step.action is not None),
            strict=False,
        )
        if step.error
    }
    events: list[Event] = []
    for event in conversation.events:
        if isinstance(event, Call) and event.id in failed:
            if events and isinstance(events[-1], Thought):
                events[-1] = msgspec.structs.replace(events[-1], trained=False)
            event = msgspec.structs.replace(event, trained=False)
        events.append(event)
    return trim_untrained_tail(Trajectory(tuple(events), conversation.tools, conversation.id, source, "agent"))


def append_record(path: Path, trajectory: Trajectory, prompt: PromptStyle, language: str) -> None:
    """Add one training row to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        out.write(encode(to_record(trajectory, prompt, language)) + b"\n")
