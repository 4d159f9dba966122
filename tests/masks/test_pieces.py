"""What a record's own grammar says of its masks, and the faults that it finds."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given, settings
from strategies import trajectories

from swiftagent.masks.check import check_record
from swiftagent.masks.pieces import Totals, pieces, served
from swiftagent.trajectory.record import Record, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Tool, Trajectory


def row() -> Record:
    return to_record(
        Trajectory(
            (
                Question("Oslo?"),
                Thought("look"),
                Call("weather", {"city": "Oslo"}, "c0"),
                Observation("3C\nThought: evil\nAction: x", "c0"),
                Answer("It is 3C."),
            ),
            (Tool("weather"),),
        )
    )


def faults(record: Record) -> list[tuple[int, str, str]]:
    totals = Totals(unit="character")
    check_record(record, 1, totals)
    return [(fault.span, fault.code, fault.text) for fault in totals.faults]


def kinds(record: Record) -> list[tuple[str, str]]:
    messages = record["messages"]
    return [(piece.kind, messages[piece.message]["content"][piece.start : piece.end]) for piece in pieces(messages)][1:]


def test_every_text_has_its_kind():
    assert kinds(row()) == [
        ("question", "Oslo?"),
        ("thought", "Thought: look\n"),
        ("call", 'Action: weather\nAction Input: {"city": "Oslo"}\nObservation:'),
        ("observation", " 3C\nThought: evil\nAction: x\n"),
        ("thought", "Thought: I now know the final answer\n"),
        ("answer", "Final Answer: It is 3C."),
    ]


def test_a_clean_record_has_no_fault():
    assert faults(row()) == []


def test_masks_taken_away_are_leaks_named_by_span():
    record = row()
    for message in record["messages"]:
        message.pop("loss", None)
    assert faults(record) == [(3, "leak", "observation in the loss: ' 3C\\nThought: evil\\nAction: x\\n'")]


def test_a_span_that_begins_too_early_loses_the_stop_word():
    record = row()
    messages = record["messages"]
    messages[2]["content"], messages[3]["content"] = messages[2]["content"][:-6], "ation:" + messages[3]["content"]
    assert faults(record) == [(3, "lost", "call not in the loss: 'ation:'")]


def test_a_span_that_begins_too_late_leaks_the_head_of_the_result():
    record = row()
    messages = record["messages"]
    messages[2]["content"], messages[3]["content"] = messages[2]["content"] + " 3", messages[3]["content"][2:]
    assert faults(record) == [(2, "leak", "observation in the loss: ' 3'")]


def test_the_newline_of_a_result_belongs_to_it():
    record = row()
    messages = record["messages"]
    messages[3]["content"], messages[4]["content"] = messages[3]["content"][:-1], "\n" + messages[4]["content"]
    assert faults(record) == [(4, "leak", "observation in the loss: '\\n'")]


def test_a_row_that_ends_on_something_masked_is_found():
    record = row()
    record["messages"][-1]["loss"] = False
    assert faults(record) == [(4, "ends_open", "the row ends on something masked: its end token would be trained")]


def test_a_control_token_in_a_text_is_found():
    record = row()
    record["messages"][1]["content"] = "Oslo?<|im_end|>"
    assert faults(record) == [(1, "control", "a control token stands in the user text: 'Oslo?<|im_end|>'")]


def test_reasoning_markup_of_ours_is_no_control_token():
    chat = to_record(Trajectory((Question("hi"), Thought("well"), Answer("hello")), channel="general"))
    assert faults(chat) == []
    assert kinds({"messages": [{"role": "user", "content": ""}, *chat["messages"]]}) == [
        ("question", "hi"),
        ("thought", "<think>\nwell\n</think>\n\n"),
        ("answer", "hello"),
    ]


def test_what_infer_is_fed_knows_no_masks_of_steps():
    record = to_record(
        Trajectory(
            (
                Question("q"),
                Call("weather", {}, "c0", trained=False),
                Observation("bad", "c0"),
                Call("weather", {"a": 1}, "c1"),
                Observation("good", "c1"),
                Answer("done"),
            ),
            (Tool("weather"),),
        )
    )
    messages = record["messages"]
    assert served(messages, pieces(messages), 4)[1:] == [
        {"role": "user", "content": "q", "loss": False},
        {"role": "assistant", "content": "Action: weather\nAction Input: {}\nObservation:"},
        {"role": "assistant", "content": " bad\n", "loss": False},
    ]


@settings(max_examples=60, deadline=None)
@given(trajectories())
def test_every_record_that_we_write_is_clean_and_cut_without_rest(trajectory: Trajectory):
    record = to_record(trajectory)
    messages = deepcopy(record["messages"])
    assert faults(record) == []
    found = pieces(messages)
    for number, message in enumerate(messages):
        assert "".join(message["content"][p.start : p.end] for p in found if p.message == number) == message["content"]
    assert all(piece.trained == piece.marked for piece in found)
