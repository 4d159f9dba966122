"""Odd spellings are read where the row leaves no doubt; everything else is read as it always was."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory

ASKED, SAID = {"role": "user", "content": "Warm?"}, {"role": "assistant", "content": "It is cold."}
MADE = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sea"}'}}],
}
GAVE = {"role": "tool", "tool_call_id": "1", "content": "2C"}
CALL, END = Call("look", {"at": "sea"}, "c0"), Answer("It is cold.")
RUN = (Question("Warm?"), CALL, Observation("2C", "c0"), END)


def read(row: Any) -> tuple[Trajectory, dict[str, int], list[str]]:
    """The one trajectory of a row, the keys that were left unread, and the format."""
    ledger, rejects = Ledger(), list[dict[str, Any]]()
    (found,) = read_trajectories([Row(row, "x:1")], Policy(), ledger, rejects.append)
    assert ledger.balanced and not rejects
    return found, dict(ledger.unread), list(ledger.formats)


def events(*turns: Any, **beside: Any) -> tuple[Event, ...]:
    return read({"messages": [*turns], **beside})[0].events


def test_an_id_of_a_call_that_is_answered_makes_no_turn_a_result() -> None:
    assert events(ASKED, MADE, GAVE, {**SAID, "tool_call_id": "1"}) == RUN
    thanks = {"role": "user", "tool_call_id": "1", "content": "And inland?"}
    assert events(ASKED, MADE, GAVE, thanks, SAID) == (*RUN[:3], Question("And inland?"), END)


def test_an_id_of_no_call_makes_no_turn_a_result() -> None:
    turns = [{**turn, "tool_call_id": "n/a"} for turn in (ASKED, SAID)]
    assert events(*turns) == (Question("Warm?"), END)


@pytest.mark.parametrize("role", ["assistant", "user"])
def test_an_id_of_an_open_call_makes_a_turn_its_result(role: str) -> None:
    assert events(ASKED, MADE, {"role": role, "tool_call_id": "1", "content": "2C"}, SAID) == RUN


def test_a_turn_that_thinks_is_the_models_own_whatever_id_it_names() -> None:
    thought = {**SAID, "tool_call_id": "1", "reasoning_content": "I know."}
    assert events(ASKED, MADE, thought)[-2:] == (Thought("I know."), END)


def test_what_the_system_says_behind_a_call_stays_the_systems() -> None:
    rule = {"role": "system", "content": "Limit reached; be brief."}
    assert System("Limit reached; be brief.") in events(ASKED, MADE, rule, {**ASKED, "content": "Hm?"}, SAID)


def test_a_system_turn_with_the_tools_name_does_not_take_its_result() -> None:
    rule = {"role": "system", "name": "look", "content": "Be brief."}
    assert events(ASKED, MADE, rule, GAVE, SAID) == (System("Be brief."), *RUN)


def test_reasoning_is_taken_before_what_others_wrote_about_the_answer() -> None:
    for key in ("analysis", "rationale", "thoughts"):
        found, unread, _ = read({"messages": [ASKED, {**SAID, "thinking": "I know.", key: "A good answer."}]})
        assert found.events == (Question("Warm?"), Thought("I know."), END)
        assert unread == {f"messages.{key}": 1}


@pytest.mark.parametrize("key", ["analysis", "rationale", "scratchpad"])
def test_a_note_on_an_answer_is_not_trained(key: str) -> None:
    found, unread, _ = read({"messages": [ASKED, {**SAID, key: "The model picked B, wrong."}]})
    assert found.events == (Question("Warm?"), END) and unread == {f"messages.{key}": 1}


@pytest.mark.parametrize(
    "beside", [{"is_error": True}, {"status": "success"}, {"name": "look", "cached": "yes it was"}]
)
def test_an_empty_result_stays_empty(beside: dict[str, Any]) -> None:
    found = events(ASKED, MADE, {**GAVE, "content": "", **beside}, SAID)
    assert found == (*RUN[:2], Observation("", "c0"), END)


def test_a_result_for_several_calls_is_not_given_to_the_first() -> None:
    calls = [{"name": name, "args": {"x": 1}} for name in ("a", "b")]
    rejects: list[dict[str, Any]] = []
    row = {"messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": calls, "results": ["R", "S"]}, SAID]}
    assert list(read_trajectories([Row(row, "x:1")], Policy(), Ledger(), rejects.append)) == []
    assert rejects[0]["code"] == "unread-turns"


def test_what_a_call_without_arguments_was_asked_to_output_is_no_result() -> None:
    call = {"name": "reply", "output": "what the model says"}
    _, unread, _ = read({"messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [call]}, SAID]})
    assert unread == {"messages.tool_calls.output": 1}


@pytest.mark.parametrize("key", ["capitals", "therapists", "tools_used", "ground_truth_functions"])
def test_a_list_under_a_key_that_does_not_name_tools_declares_none(key: str) -> None:
    found, unread, formats = read({key: [{"name": "Oslo", "description": "of Norway"}], "messages": [ASKED, SAID]})
    assert found.tools == () and unread == {key: 1} and formats == ["openai"]


@pytest.mark.parametrize(
    "beside",
    [
        {"metadata": {"latency": 3}},
        {"mcp_server": "x"},
        {"duration_ms": 30},
        {"cache_control": {"type": "ephemeral"}},
        {"model_params": {"top_p": 1}},
    ],
)
def test_what_stands_beside_a_call_without_arguments_is_none_of_them(beside: dict[str, Any]) -> None:
    turn = {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "name": "now", **beside}]}
    assert events(ASKED, turn, GAVE, SAID)[1] == Call("now", {}, "c0")


def test_an_unread_text_beside_an_answer_is_counted() -> None:
    found, unread, _ = read({"messages": [ASKED, {**SAID, "response": "It was cold, raw."}]})
    assert found.events == (Question("Warm?"), END) and unread == {"messages.response": 1}


def test_blocks_without_ids_are_calls_of_their_own() -> None:
    blocks = [{"type": "tool_use", "name": name, "input": {"x": 1}} for name in ("a", "b")]
    made = {"type": "ai", "content": blocks, "tool_calls": [{"name": "c", "args": {"x": 1}}]}
    row = {"messages": [{"type": "human", "content": "Warm?"}, made, {"type": "ai", "content": "It is cold."}]}
    called = [event.tool for event in read(row)[0].events if isinstance(event, Call)]
    assert called == ["a", "b", "c"]


@pytest.mark.parametrize(
    "row",
    [
        {"Question": "Warm?", "Answer": "It is cold.", "Function": "sin(x)"},
        {"Instruction": "Warm?", "Response": "It is cold.", "Tools": "hammer, nails"},
        {"instruction": "Warm?", "output": "It is cold.", "function_list": "sin, cos"},
    ],
)
def test_a_head_of_a_table_that_declares_no_tool_does_not_refuse_the_row(row: dict[str, Any]) -> None:
    found, _, formats = read(row)
    assert found.events == (Question("Warm?"), END) and found.tools == () and formats == ["alpaca"]


@pytest.mark.parametrize(
    "output", [{"name": "Ann", "parameters": {"age": 3}}, ["print()", "input()"], [{"name": "Ann", "action": "run"}]]
)
def test_an_object_or_a_list_as_an_answer_is_no_call(output: Any) -> None:
    rejects: list[dict[str, Any]] = []
    row = {"instruction": "Extract", "output": output}
    assert list(read_trajectories([Row(row, "x:1")], Policy(), Ledger(), rejects.append)) == []
    assert rejects[0]["code"] == "unknown-format"


def test_a_query_that_nothing_was_found_for_is_said_as_it_stands() -> None:
    text = "Write <|begin_search_query|>x<|end_search_query|> to search."
    assert events(ASKED, {**SAID, "content": text})[1] == Answer(text)
