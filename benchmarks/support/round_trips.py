"""Trajectories written in a format and read back: they are equal, but for what the writer reports as lost."""

from __future__ import annotations

import importlib
from typing import Any

import msgspec

from swiftagent.formats.table import FORMATS
from swiftagent.formats.writers.table import writer_of
from swiftagent.io.jsonl import encode, parse_json
from swiftagent.trajectory.react import NO_THOUGHT
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory

READERS = {
    "react": "swiftagent",
    "native": "swift",
    "openai": "openai",
    "sharegpt": "sharegpt",
    "alpaca": "alpaca",
    "hermes": "hermes",
    "anthropic": "anthropic",
}


def read_back(row: Any, to: str, agentic: bool) -> Trajectory:
    """As `convert --from` does: through JSON, by the reader of the format.

    Alpaca with tools is ReAct text, Hermes without them ShareGPT.
    """
    value, _ = parse_json(encode(row))
    name = "react" if to == "alpaca" and agentic else "sharegpt" if to == "hermes" and not agentic else READERS[to]
    found = importlib.import_module(FORMATS[name]).parse(value)
    assert isinstance(found, Trajectory)
    return found


def as_readers_give(trajectory: Trajectory) -> Trajectory:
    """What every reader leaves out: blank thoughts, and the sentence that stands for none. A turn is never empty."""
    events: list[Event] = []
    for event in trajectory.events:
        if isinstance(event, Thought) and (event.text == NO_THOUGHT or not event.text.strip()):
            continue
        blank = isinstance(event, (System, Question, Answer)) and not event.text.strip()
        events.append(msgspec.structs.replace(event, text=f"x{event.text}") if blank else event)
    return msgspec.structs.replace(trajectory, events=tuple(events))


def speaking(trajectory: Trajectory) -> Trajectory:
    """The same with text beside the calls of every step, after its reasoning."""
    events: list[Event] = []
    for event in trajectory.events:
        if isinstance(event, Call) and not isinstance(events[-1], Call):
            events.append(Thought(f"I call {event.tool}\n<think>", said=True, trained=event.trained))
        events.append(event)
    return msgspec.structs.replace(trajectory, events=tuple(events))


def silent(trajectory: Trajectory) -> Trajectory:
    """ReAct has one kind of thought."""
    events = [
        msgspec.structs.replace(event, said=False) if isinstance(event, Thought) else event
        for event in trajectory.events
    ]
    return msgspec.structs.replace(trajectory, events=tuple(events))


def one_call_a_step(trajectory: Trajectory) -> Trajectory:
    """Each call directly before its result, as ReAct text holds them."""
    results = {event.call_id: event for event in trajectory.events if isinstance(event, Observation)}
    events: list[Event] = []
    last = max((place for place, event in enumerate(trajectory.events) if isinstance(event, Call)), default=0)
    for place, event in enumerate(trajectory.events):
        if isinstance(event, Call):
            found = results.get(event.id) or (Observation("", event.id) if place < last else None)
            events += [event, found] if found else [event]
        elif not isinstance(event, Observation):
            events.append(event)
    return msgspec.structs.replace(trajectory, events=tuple(events))


def all_trained(trajectory: Trajectory) -> Trajectory:
    events = [
        msgspec.structs.replace(event, trained=True) if isinstance(event, (Thought, Call, Answer)) else event
        for event in trajectory.events
    ]
    return msgspec.structs.replace(trajectory, events=tuple(events))


def check_round_trip(trajectory: Trajectory, to: str) -> tuple[str, ...]:
    """Assert that it comes back, but for what the writer reports as lost; returns those losses."""
    trajectory = as_readers_give(trajectory)
    row, losses = writer_of(to, "schema", "auto")(trajectory)
    back = read_back(row, to, trajectory.is_agentic)
    if "mask-lost" in losses:
        trajectory = all_trained(trajectory)
    if to in ("react", "alpaca"):
        trajectory = silent(one_call_a_step(trajectory))
    if not set(losses) - {
        "mask-lost",
        "results-trained",
        "react-words",
        "text-as-thought",
        "calls-in-turn",
        "result-inserted",
    }:
        assert back.events == trajectory.events
        assert back.tools == trajectory.tools
    return losses
