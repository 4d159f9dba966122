"""A trajectory as the turns that message formats are made of: what each holds is the same, how it is spelled
differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

import msgspec

from swiftagent.trajectory.escape import hide_control_tokens
from swiftagent.trajectory.react import THINK_CLOSE, THINK_OPEN
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory


class StepTurn(msgspec.Struct, frozen=True):
    """What the model writes in one go: reasoning, then text and calls, or the answer. `mixed`: parts of it are not
    trained."""

    thought: str = ""
    said: str = ""
    calls: tuple[Call, ...] = ()
    answer: str = ""
    trained: bool = True
    mixed: bool = False
    calls_trained: bool = True

    @property
    def text(self) -> str:
        return self.answer or self.said


class Results(msgspec.Struct, frozen=True):
    """What the tools answered to the calls of one step."""

    observations: tuple[Observation, ...]


Turn = Union[System, Question, StepTurn, Results]  # noqa: UP007 (a name for the types below)


def turns_of(events: tuple[Event, ...]) -> Iterator[Turn]:
    """The turns of a trajectory, each result beside those of the same step."""
    parts: list[Thought | Call | Answer] = []
    results: list[Observation] = []
    for event in (*events, None):
        if parts and (event is None or not _continues(parts, event)):
            yield _step(parts)
            parts = []
        if results and type(event) is not Observation:
            yield Results(tuple(results))
            results = []
        if isinstance(event, (System, Question)):
            yield event
        elif isinstance(event, Observation):
            results.append(event)
        elif event is not None:
            parts.append(event)


def turns_below_system(trajectory: Trajectory, losses: list[str]) -> tuple[str, list[Question | StepTurn | Results]]:
    """The system texts as one, and all other turns: for formats that hold one system text and no masks."""
    system: list[str] = []
    turns: list[Question | StepTurn | Results] = []
    for place, turn in enumerate(turns_of(trajectory.events)):
        if isinstance(turn, System):
            losses += ["system-joined"] if place else []
            system.append(hide_control_tokens(turn.text))
        else:
            losses += ["mask-lost"] if isinstance(turn, StepTurn) and not turn.trained else []
            turns.append(turn)
    return "\n\n".join(system), turns


def _continues(parts: list[Thought | Call | Answer], event: Event) -> bool:
    last = parts[-1]
    match event:
        case Call():
            return type(last) is not Answer
        case Answer() | Thought(said=True):
            return type(last) is Thought and not last.said
    return False


def _step(parts: list[Thought | Call | Answer]) -> StepTurn:
    trained = all(part.trained for part in parts)
    return StepTurn(
        next((part.text for part in parts if type(part) is Thought and not part.said), ""),
        next((part.text for part in parts if type(part) is Thought and part.said), ""),
        tuple(part for part in parts if type(part) is Call),
        next((part.text for part in parts if type(part) is Answer), ""),
        trained,
        not trained and any(part.trained for part in parts),
        all(part.trained for part in parts if type(part) is Call),
    )


def with_thinking(thought: str, text: str) -> str:
    """Reasoning as models write it before the text."""
    return f"{THINK_OPEN}{thought}{THINK_CLOSE}{text}" if thought else text
