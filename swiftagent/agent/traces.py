"""What came of a run, for others to read: a trace as `infer --json` prints it, and training rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.agent.loop import Turn
from swiftagent.errors import SetupError
from swiftagent.formats.writers.openai import render
from swiftagent.io.jsonl import encode, writing
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Call, Event, Thought, Trajectory
from swiftagent.trajectory.wellformed import trim_untrained_tail


def trace(turn: Turn) -> dict[str, Any]:
    """One JSON object: question, steps, answer, stopped_by."""
    end = {"answer": turn.answer, "stopped_by": turn.stopped_by}
    return {"question": turn.question, "steps": msgspec.to_builtins(turn.steps), **end}


def is_good(turns: Iterable[Turn]) -> bool:
    """Whether every turn was answered and every call in it succeeded."""
    return all(turn.stopped_by == "answer" and not turn.failed for turn in turns)


def recorded(turns: Sequence[Turn], source: str) -> Trajectory | None:
    """The conversation as data to train on: steps whose call failed are context and not trained. None: nothing is
    left."""
    failed = {call_id for turn in turns for call_id in turn.failed}
    conversation, events = turns[-1].conversation, list[Event]()
    for event in conversation.events:
        # Kept as context: the step that corrects it refers to it.
        if isinstance(event, Call) and event.id in failed:
            if events and isinstance(events[-1], Thought):
                events[-1] = msgspec.structs.replace(events[-1], trained=False)
            event = msgspec.structs.replace(event, trained=False)
        events.append(event)
    return trim_untrained_tail(Trajectory(tuple(events), conversation.tools, conversation.id, source, "agent"))


class Recorder(msgspec.Struct):
    """Adds runs to a file as rows to train on. format: "record" (the training record) or "openai" (messages and
    tools)."""

    path: Path | None
    format: str
    only_good: bool
    prompt: PromptStyle
    language: str

    def __post_init__(self) -> None:
        # Reported before a model is asked anything.
        if self.path is not None and self.path.is_dir():
            raise SetupError(f"cannot write {self.path}: Is a directory; choose another place with --record")

    def to(self, path: Path) -> Recorder:
        """The same for another file, whatever became of the runs."""
        return msgspec.structs.replace(self, path=path, only_good=False)

    def add(self, turns: list[Turn]) -> bool:
        """Add one conversation; False where there is nothing in it to train on, or it is not good enough."""
        is_refused = any(turn.stopped_by == "interrupt" for turn in turns) or (self.only_good and not is_good(turns))
        if self.path is None or not turns or is_refused:
            return False
        row = recorded(turns, f"infer:{self.path.name}")
        if row is None:
            return False
        value = render(row)[0] if self.format == "openai" else to_record(row, self.prompt, self.language)
        with writing(self.path, "--record"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as out:
                out.write(encode(value) + b"\n")
        return True
