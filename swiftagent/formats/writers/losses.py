"""What a writable format cannot hold, by the code that the report counts under `lost`."""

from __future__ import annotations

from swiftagent.trajectory.prompts import PromptStyle, is_flat
from swiftagent.trajectory.types import Call, Event, Observation, Thought, Trajectory

LOSSES: dict[str, tuple[str, tuple[str, ...]]] = {  # code: (what it says, the formats that lose it)
    "mask-lost": (
        "a step is not trained here, but the format has no masks",
        ("sharegpt", "alpaca", "hermes", "anthropic"),
    ),
    "mask-widened": ("one part of a step is not trained; the format masks the whole step", ("native", "openai")),
    "results-trained": (
        "calls and results are one text, so a trainer of the format trains on results too",
        ("alpaca",),
    ),
    "system-joined": (
        "a system message that is not the first was joined to it",
        ("sharegpt", "alpaca", "hermes", "anthropic"),
    ),
    "turns-joined": ("two turns of one side in a row became one", ("sharegpt", "alpaca")),
    "turn-inserted": ("an empty turn was put in, since both sides have to take turns", ("sharegpt",)),
    "arguments-wrapped": ('arguments that are no object became {"input": ...}', ("anthropic",)),
    "react-words": (
        "ms-swift takes a call whose arguments hold `Action:` and `Action Input:` for ReAct text",
        ("native",),
    ),
    "flat-prompt": (
        "types, enums, defaults or inner fields of parameters do not stand in the flat list (`--prompt auto` and "
        "`schema` have them)",
        ("react", "alpaca"),
    ),
    "text-as-thought": ("text shown to the user beside a call became a thought", ("react", "alpaca")),
    "calls-in-turn": ("parallel calls stand one after the other, each with its result", ("react", "alpaca")),
    "result-inserted": (
        "parallel calls of a row that holds no results are parted by an empty one",
        ("react", "alpaca"),
    ),
}


_STEPS = frozenset((Thought, Call))


def react_losses(trajectory: Trajectory, prompt: PromptStyle = "auto") -> tuple[str, ...]:
    """What ReAct text, with one kind of thought and one call a step, cannot hold of a trajectory."""
    events = trajectory.events
    if not trajectory.tools and _STEPS.isdisjoint(map(type, events)):
        return ()
    lost: tuple[str, ...] = ()
    parallel: list[Call] = []
    before: Event | None = None
    for event in events:
        if type(event) is Call:
            if type(before) is Call:
                parallel.append(before)
        elif type(event) is Thought and event.said:
            lost = ("text-as-thought",)
        before = event
    if prompt == "ms-agent" and not all(map(is_flat, trajectory.tools)):
        lost = ("flat-prompt", *lost)
    if parallel:
        answered = {event.call_id for event in events if type(event) is Observation}
        inserted = any(call.id not in answered for call in parallel)
        lost = (*lost, "calls-in-turn", *(("result-inserted",) if inserted else ()))
    return lost
