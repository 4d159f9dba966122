"""The training record: what stands in it, and that it reads back exactly."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import trajectories

from swiftagent.errors import RowError
from swiftagent.io.jsonl import encode
from swiftagent.trajectory.record import from_record, is_record, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Tool, Trajectory
from swiftagent.trajectory.wellformed import trim_untrained_tail

ROW = Trajectory(
    (
        Question("Oslo?"),
        Thought("look"),
        Call("weather", {"city": "Oslo"}, "c0"),
        Observation("3C", "c0"),
        Answer("It is 3C."),
    ),
    (Tool("weather"),),
    "7",
    "rows.jsonl:1",
)


def test_the_record_of_a_row() -> None:
    record = to_record(ROW)
    assert record["messages"][1:] == [
        {"role": "user", "content": "Oslo?", "loss": False},
        {
            "role": "assistant",
            "content": 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:',
        },
        {"role": "assistant", "content": " 3C\n", "loss": False},
        {"role": "assistant", "content": "Thought: I now know the final answer\nFinal Answer: It is 3C."},
    ]
    assert {key: record[key] for key in ("channel", "id", "source")} == {
        "channel": "agent",
        "id": "7",
        "source": "rows.jsonl:1",
    }
    assert is_record(record)


@pytest.mark.parametrize(
    "row", [{"messages": []}, {"messages": [{"role": "user", "content": "x"}], "channel": "a"}, [], None]
)
def test_other_rows_are_no_records(row: object) -> None:
    assert not is_record(row)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(trajectories(), st.sampled_from(["ms-agent", "schema"]), st.sampled_from(["auto", "en", "zh"]))
def test_a_record_reads_back(trajectory: Trajectory, prompt: str, language: str) -> None:
    back = from_record(json.loads(encode(to_record(trajectory, prompt, language))))
    assert back.events == one_call_a_step(trajectory).events
    assert [tool.name for tool in back.tools] == [tool.name for tool in trajectory.tools]
    assert [tool.description for tool in back.tools] == [tool.description for tool in trajectory.tools]


def one_call_a_step(trajectory: Trajectory) -> Trajectory:
    """ReAct holds one call a step."""
    results = {event.call_id: event for event in trajectory.events if isinstance(event, Observation)}
    events = []
    for event in trajectory.events:
        if isinstance(event, Call):
            events += [event, results[event.id]]
        elif not isinstance(event, Observation):
            events.append(event)
    return msgspec.structs.replace(trajectory, events=tuple(events))


def test_two_thoughts_of_a_step_read_back_as_two() -> None:
    row = msgspec.structs.replace(ROW, events=(ROW.events[0], Thought("first"), *ROW.events[1:]))
    assert from_record(to_record(row)).events == row.events


def test_the_schema_prompt_keeps_the_whole_schema() -> None:
    nested = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/b"}]}},
        "$defs": {"b": {}},
    }
    row = msgspec.structs.replace(ROW, tools=(Tool("weather", "Parameters: x\n\n2. y: z", nested),))
    assert from_record(to_record(row, "schema")) == row


def test_what_follows_the_last_trained_step_is_cut() -> None:
    masked = msgspec.structs.replace(ROW, events=(*ROW.events[:-1], Answer("no", trained=False)))
    trimmed = trim_untrained_tail(masked)
    assert trimmed is not None and trimmed.events == ROW.events[:3]
    assert trim_untrained_tail(Trajectory((Question("q"), Answer("a", trained=False)))) is None


def test_a_record_whose_text_is_broken_is_told() -> None:
    record = to_record(ROW)
    record["messages"][2]["content"] = "Action: weather\nAction Input: {oops\nObservation:"
    with pytest.raises(RowError, match="Action Input is not JSON"):
        from_record(record)
