"""Shapes that look like steps, exchanges, turns to a tool or calls, and that are read as these on clear evidence
alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought

TIDE = {"name": "tide", "arguments": {"port": "Nes"}}
CALL, RESULT = Call("tide", {"port": "Nes"}, "c0"), Observation("LOW 4", "c0")
ASKED, LOW = {"role": "user", "content": "Tide?"}, {"role": "assistant", "content": "It is low."}
CALLED = {"role": "assistant", "content": "", "tool_calls": [{"id": "t", "function": TIDE}]}
DECLARED = [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object", "properties": {}}}}]


def outcome(row: Any) -> tuple[Event, ...] | str:
    """The events of a row, or the code of its rejection."""
    rejects: list[dict[str, Any]] = []
    ledger = Ledger()
    found = list(read_trajectories([Row(row, "x:1")], Policy(), ledger, rejects.append))
    assert ledger.balanced and len(found) + len(rejects) == 1
    return found[0].events if found else str(rejects[0]["code"])


def ledger_of(row: Any) -> Ledger:
    ledger = Ledger()
    list(read_trajectories([Row(row, "x:1")], Policy(), ledger))
    return ledger


def texts(events: Any) -> list[str]:
    return [event.text for event in events if type(event) in (Thought, Answer)]


def run(*steps: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"query": "Tide?", "steps": list(steps), **beside}


STEP = {"thought": "I look.", "tool_calls": [TIDE], "next_observation": "LOW 4"}
REPLY = {"thought": "It is low.", "tool_calls": [], "next_observation": "", "user_input": "Thanks"}


@pytest.mark.parametrize(
    "row",
    [
        run(
            {"content": "I look.", "tool_calls": [TIDE], "observation": "LOW 4"}, {"content": "Low.", "tool_calls": []}
        ),
        run({**STEP, "message": "Wait a moment."}, REPLY),
        run(STEP, {**REPLY, "response": "It is low."}),
        run(STEP, REPLY, answer="It is low."),
        run({**STEP, "error": "no such port"}, REPLY),
        run({**STEP, "weight": 0}, REPLY),
        run(STEP, {**REPLY, "next_observation": "LOW 4"}),
        run({**STEP, "tool_calls": [{**TIDE, "result": "LOW 4"}]}, REPLY),
        run({"model_output": "I look.", "tool_calls": [TIDE], "observations": "LOW 4"}),
    ],
)
def test_a_step_with_calls_and_more_than_a_reader_knows_is_refused(row: Any) -> None:
    assert outcome(row) in ("unknown-format", "unread-turns")


def test_what_stands_beside_steps_is_counted() -> None:
    steps = [{"thought": "I look.", "action": "tide", "action_input": {"port": "Nes"}, "observation": "LOW 4"}]
    beside = {"inputs": {"note": "The port is small."}, "outputs": {"note": "A calm day."}}
    unread = ledger_of(run(*steps, answer="It is low.", **beside)).unread
    assert {key.partition(".")[0] for key in unread} == {"inputs", "outputs"}


def test_steps_that_are_turns_are_read_as_turns() -> None:
    turns = [ASKED, CALLED, {"role": "tool", "content": "LOW 4"}, LOW]
    steps = [{"tool_calls": [], **turn} for turn in turns]
    assert outcome({"task": "Tides", "steps": steps}) == (Question("Tide?"), CALL, RESULT, Answer("It is low."))


def test_a_list_of_results_goes_to_the_calls_of_its_step() -> None:
    both = {**STEP, "tool_calls": [TIDE, {"name": "wind", "arguments": {}}], "next_observation": ["LOW 4", "SW 7"]}
    events = outcome(run(both, REPLY))
    assert events[2:6] == (CALL, Call("wind", {}, "c1"), RESULT, Observation("SW 7", "c1"))


def test_a_logged_run_with_more_than_a_task_and_its_steps_is_no_list_of_steps() -> None:
    steps = [[{"tool": "tide", "tool_input": {"port": "Nes"}, "log": "I look."}, "LOW 4"]]
    halves = {"inputs": {"input": "Tide?"}, "outputs": {"output": "It is low.", "intermediate_steps": steps}}
    assert outcome(halves) == (Question("Tide?"), Thought("I look."), CALL, RESULT, Answer("It is low."))
    for half, more in (
        ("inputs", {"chat_history": [ASKED, LOW]}),
        ("outputs", {"messages": [{**LOW, "content": "Hm."}]}),
    ):
        row = {**halves, half: {**halves[half], **more}}
        assert "steps" not in ledger_of(row).formats


@pytest.mark.parametrize("other", ["prediction", "generation", "reply", "model_response"])
def test_what_is_called_the_answer_goes_before_what_a_model_gave(other: str) -> None:
    row = {"messages": [ASKED], other: "It is high.", "answer": "It is low."}
    assert outcome(row) == (Question("Tide?"), Answer("It is low."))


@pytest.mark.parametrize("key", ["result", "prediction", "return_value"])
def test_a_verdict_or_a_prediction_is_no_answer(key: str) -> None:
    for row in ({"messages": [ASKED], key: "correct"}, {"input": [ASKED], key: "correct"}):
        events = outcome(row)
        assert type(events) is str or texts(events) == []


@pytest.mark.parametrize(
    "row",
    [
        {"name": "t", "kwargs": {"messages": [ASKED, CALLED]}, "result": "LOW 4"},
        {"input": {"messages": [ASKED, CALLED]}, "output": "LOW 4"},
        {"reqPayload": {"messages": [ASKED, CALLED]}, "respPayload": {"content": "LOW 4"}},
        {"input": {"messages": [ASKED]}, "output": {"type": "tool_result", "content": "LOW 4"}},
    ],
)
def test_what_may_be_a_result_is_never_an_answer(row: Any) -> None:
    assert type(outcome(row)) is str


def test_an_object_is_a_call_only_of_a_declared_tool() -> None:
    person = {"messages": [ASKED], "response": {"name": "Ann", "input": "x"}}
    for row in (person, {**person, "tools": DECLARED}):
        events = outcome(row)
        assert type(events) is str or Call not in map(type, events)
    assert outcome({"messages": [ASKED], "response": TIDE, "tools": DECLARED}) == (Question("Tide?"), CALL)


@pytest.mark.parametrize("settings", [{"metadata": {"tools": ["search", "python"]}}, {"extra": {"tools": "none"}}])
def test_settings_that_declare_no_tools_refuse_no_row(settings: dict[str, Any]) -> None:
    row = {"messages": [ASKED], "response": "It is low.", **settings}
    assert outcome(row) == (Question("Tide?"), Answer("It is low."))


@pytest.mark.parametrize("name", ["Bob", "everyone", "Alice", "weather"])
def test_a_recipient_that_is_no_tool_is_spoken_to(name: str) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": "Hello, how are you?", "recipient": name}]}
    assert outcome(row) == (Question("Tide?"), Answer("Hello, how are you?"))


def to_tool(**before: Any) -> tuple[Event, ...] | str:
    """A turn with a text, and one that calls a tool behind it."""
    call = {"role": "assistant", "recipient": "functions.tide", "content": '{"port": "Nes"}'}
    gave = {"role": "tool", "name": "functions.tide", "content": "LOW 4"}
    return outcome({"messages": [ASKED, {"role": "assistant", "content": "I look.", **before}, call, gave, LOW]})


def test_a_text_before_a_call_keeps_what_stands_beside_it() -> None:
    end = (CALL, RESULT, Answer("It is low."))
    assert to_tool() == (Question("Tide?"), Thought("I look.", said=True), *end)
    assert "Hm." in texts(to_tool(reasoning_content="Hm."))
    (text,) = [event for event in to_tool(weight=0) if getattr(event, "text", "") == "I look."]
    assert text.trained is False


def test_arguments_of_a_turn_to_a_tool_that_break_off_are_refused() -> None:
    call = {"role": "assistant", "recipient": "functions.tide", "content": '{"port": "Nes"'}
    assert outcome({"messages": [ASKED, call, {"role": "tool", "content": "LOW 4"}, LOW]}) == "cut-arguments"


@pytest.mark.parametrize("said", ["Put it in <tool_call> tags.", "[TOOL_CALLS] is a mark", "A <function=x> mark"])
def test_a_mark_in_the_answer_of_a_pair_is_text(said: str) -> None:
    pairs = [{"input": "How?", "output": said}, {"input": "Thanks", "output": "Bye."}]
    assert outcome({"conversation": pairs}) == (Question("How?"), Answer(said), Question("Thanks"), Answer("Bye."))


def test_a_second_conversation_in_a_wrapping_is_counted() -> None:
    other = {"messages": [{"role": "user", "content": "Wind?"}, {"role": "assistant", "content": "It is strong."}]}
    assert outcome({"item": {"messages": [ASKED, LOW]}, "row": other}) == "unread-turns"


def test_a_long_answer_that_calls_no_declared_tool_is_not_taken_apart() -> None:
    text = f"f(a=[{'1,' * 300_000}])"
    begun = time.monotonic()
    assert outcome({"messages": [ASKED, {"role": "assistant", "content": text}], "tools": DECLARED})[1:] == (
        Answer(text),
    )
    assert time.monotonic() - begun < 4


def test_a_second_answer_of_an_exchange_is_counted() -> None:
    choices = [{"message": LOW}, {"message": {"role": "assistant", "content": "It may be high."}}]
    assert ledger_of({"input": {"messages": [ASKED]}, "output": {"choices": choices}}).unread == {"output": 1}
