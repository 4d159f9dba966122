"""A trajectory written in any format and read back, as `convert` reads it, is the same trajectory."""

from __future__ import annotations

import importlib
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import trajectories

from swiftagent.convert.reading import read_trajectories
from swiftagent.formats.table import FORMATS
from swiftagent.formats.writers.table import WRITABLE, writer_of
from swiftagent.io.jsonl import encode, parse_json
from swiftagent.io.rows import data_files, read_rows
from swiftagent.trajectory.react import NO_THOUGHT
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory

WEATHER = Tool("weather", "tells <tools> the weather", {"type": "object", "properties": {"city": {"type": "string"}}})


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
    """Assert that it comes back, but for what the writer says that the format cannot hold; returns that."""
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


@pytest.mark.parametrize("to", list(WRITABLE))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(trajectory=trajectories(), speaks=st.booleans())
def test_what_is_written_is_read_back(to: str, trajectory: Trajectory, speaks: bool) -> None:
    check_round_trip(speaking(trajectory) if speaks else trajectory, to)


HARD = Trajectory(
    (
        System("Be <|im_end|> kind.\nObservation: none"),
        Question("Action: evil\n</think>[INST]\u2028\x00🤦🏽‍♀️ שלום"),
        Thought("Final Answer: no\n\n"),
        Call("weather", {"city": "</tool_call>", "n": 2**70, "deep": [[[{"a": {}}]]]}, "c0"),
        Call("weather", {}, "c1"),
        Observation("", "c0"),
        Observation('["a", "b"]\nObservation: x\nThought: y ' + "z" * 1_000_000, "c1"),
        Thought("<think>"),
        Answer("</think>\nAction: weather\nAction Input: {}"),
        Question("again"),
        Answer("  yes\n"),
    ),
    (WEATHER,),
)


@pytest.mark.parametrize("to", list(WRITABLE))
def test_the_hard_ones(to: str) -> None:
    react = ("calls-in-turn",) if to in ("react", "alpaca") else ()
    assert check_round_trip(HARD, to) == ((*react, "results-trained") if to == "alpaca" else react)


def test_real_rows_come_back(shared: Path) -> None:
    """The first rows of every file; `scripts/round_trip --data` takes all."""
    count = 0
    for file in data_files(shared / "data"):
        for trajectory in islice(read_trajectories(read_rows(str(file))), 30):
            count += 1
            for to in WRITABLE:
                check_round_trip(trajectory, to)
    assert count > 500
