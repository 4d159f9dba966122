"""The base and the tuned model asked the same: each has a conversation of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swiftagent.agent.drive import Listener, Runtime, answer
from swiftagent.agent.loop import Grammar, Limits, Turn, conversation_after
from swiftagent.trajectory.react import OBSERVATION
from swiftagent.trajectory.types import Event, Observation, Trajectory


class Sides:
    """runtimes: by the name of the side. A side whose answer was interrupted forgets the question."""

    def __init__(self, runtimes: Mapping[str, tuple[Runtime, Grammar]], before: Trajectory, limits: Limits) -> None:
        self.runtimes, self.before, self.limits = runtimes, before, limits
        self.reset()

    def reset(self, before: Trajectory | None = None) -> None:
        """Begin anew, after `before` where it is given."""
        self.conversations = dict.fromkeys(self.runtimes, before or self.before)
        self.turns: dict[str, list[Turn]] = {side: [] for side in self.runtimes}

    def ask(self, side: str, question: str) -> Turn:
        runtime, grammar = self.runtimes[side]
        turn = answer(runtime, self.conversations[side], question, self.limits, grammar)
        if turn.stopped_by != "interrupt":
            self.conversations[side] = conversation_after(self.conversations[side], turn)
            self.turns[side].append(turn)
        return turn


class ColumnListener(Listener):
    """Writes what a side says, and what its tools answer, into a column."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def text(self, piece: str) -> None:
        self.write(piece)

    def event(self, event: Event, error: str) -> None:
        if isinstance(event, Observation):
            self.write(f"\n{OBSERVATION} {event.text[:500]}\n")
