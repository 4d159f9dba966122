"""The base and the tuned model asked the same: each has a conversation of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swiftagent.agent.drive import Dialog, Listener, Runtime
from swiftagent.agent.loop import Grammar, Limits, Turn
from swiftagent.trajectory.react import OBSERVATION
from swiftagent.trajectory.types import Event, Observation, Trajectory


class Sides:
    """runtimes: by the name of the side."""

    def __init__(self, runtimes: Mapping[str, tuple[Runtime, Grammar]], before: Trajectory, limits: Limits) -> None:
        self.runtimes, self.before = runtimes, before
        self.dialogs = {side: Dialog(runtime, before, limits, how) for side, (runtime, how) in runtimes.items()}

    def reset(self, before: Trajectory | None = None) -> None:
        """Begin again, after `before` where it is given."""
        for dialog in self.dialogs.values():
            dialog.reset(before or self.before)

    def ask(self, side: str, question: str) -> Turn:
        return self.dialogs[side].ask(question)


class ColumnListener(Listener):
    """Writes what a side says, and what its tools answer, into a column."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def text(self, piece: str) -> None:
        self.write(piece)

    def event(self, event: Event, error: str) -> None:
        if isinstance(event, Observation):
            self.write(f"\n{OBSERVATION} {event.text[:500]}\n")
