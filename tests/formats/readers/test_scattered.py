"""Exchanges whose parts stand under keys of their own, and turns under a key of any name."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought

CALL = {"name": "ferry", "arguments": {"port": "Rud"}}
ASKED, CALLED = Question("Ferry?"), Call("ferry", {"port": "Rud"}, "c0")
WHOLE = (ASKED, CALLED, Observation("FERRY 9", "c0"), Answer("Nine."))


def read(row: Any) -> tuple[Event, ...]:
    ledger = Ledger()
    (found,) = read_trajectories([Row(row, "x:1")], ledger=ledger)
    assert not ledger.unread
    return found.events


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Ferry?", "function_call": CALL, "observation": "FERRY 9", "answer": "Nine."},
        {"query": "Ferry?", "toolCalls": [CALL], "tool_response": "FERRY 9", "response": "Nine."},
        {"instruction": "Ferry?", "actions": [{"tool": "ferry", "tool_input": {"port": "Rud"}}], "response": "FERRY 9"}
        | {"output": "Nine."},
        {"question": "Ferry?", "function_calls": '[ferry(port="Rud")]', "results": ["FERRY 9"], "answer": "Nine."},
    ],
)
def test_each_part_is_read_whatever_its_key_is_called(row: dict[str, Any]) -> None:
    assert read(row) == WHOLE


def test_a_call_alone_is_what_the_row_teaches() -> None:
    assert read({"question": "Ferry?", "function_calls": [CALL]}) == (ASKED, CALLED)


def test_results_of_parallel_calls_stand_in_their_order() -> None:
    row = {"query": "Ferry?", "tool_calls": [CALL, {"name": "fare", "arguments": {}}], "tool_responses": ["A", "B"]}
    assert read({**row, "answer": "Nine."})[1:-1] == (
        CALLED,
        Call("fare", {}, "c1"),
        Observation("A", "c0"),
        Observation("B", "c1"),
    )


def test_thoughts_of_dify() -> None:
    step = {"thought": "I ask.", "tool": "ferry", "tool_input": '{"ferry": {"port": "Rud"}}'}
    last = {"thought": "", "tool": "", "tool_input": "", "observation": ""}
    row = {
        "query": "Ferry?",
        "answer": "Nine.",
        "agent_thoughts": [{**step, "observation": '{"ferry": "FERRY 9"}'}, last],
    }
    assert read(row) == (ASKED, Thought("I ask."), *WHOLE[1:])
