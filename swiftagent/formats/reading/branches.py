"""Several tellings of one conversation, as traces hold them: each is kept once, in its longest form."""

from __future__ import annotations

from typing import Any

from swiftagent.trajectory.types import Call, System, Trajectory


def each_once(found: list[Trajectory]) -> list[Trajectory]:
    """The trajectories that are no stretch of another one, in their order."""
    kept: list[tuple[Trajectory, list[Any]]] = []
    for said, trajectory in sorted(((_said(one), one) for one in found), key=lambda pair: -len(pair[0])):
        if not any(_holds(longer, said) for _, longer in kept):
            kept.append((trajectory, said))
    return [trajectory for trajectory in found if any(trajectory is one for one, _ in kept)]


def _said(trajectory: Trajectory) -> list[Any]:
    """What was said, without ids and without how the model was instructed: some observations hold these and some do
    not."""
    told: list[Any] = []
    for event in trajectory.events:
        if isinstance(event, Call):
            told.append((event.tool, event.arguments))
        elif not isinstance(event, System):
            told.append((type(event).__name__, event.text))
    return told


def _holds(longer: list[Any], said: list[Any]) -> bool:
    """Whether one conversation is a stretch of another."""
    return any(longer[place : place + len(said)] == said for place in range(len(longer) - len(said) + 1))
