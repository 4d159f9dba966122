"""Order, results, declared tools and schemas: what is repaired, masked, kept or refused."""

from __future__ import annotations

import pytest

from swiftagent.errors import ConfigError, RowError
from swiftagent.trajectory.order import in_order
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory
from swiftagent.trajectory.wellformed import CODES, Policy, check, parse_policy

WEATHER = Tool(
    "weather",
    "",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "at": {"$ref": "#/$defs/at"}},
        "required": ["city"],
        "$defs": {"at": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
    },
)
ASK, CALL, SEEN, DONE = (
    Question("Oslo?"),
    Call("weather", {"city": "Oslo"}, "c0"),
    Observation("3C", "c0"),
    Answer("3C."),
)


def checked(*events: Event, on: dict[str, str] | None = None, tools: tuple[Tool, ...] = (WEATHER,)) -> Trajectory:
    return check(Trajectory(events, tools), Policy(on=on or {}))


def refused(*events: Event, on: dict[str, str] | None = None) -> str:
    with pytest.raises(RowError) as told:
        checked(*events, on=on)
    return told.value.code


def test_what_is_in_order_stays_as_it_is() -> None:
    trajectory = Trajectory((System("s"), ASK, Thought("t"), CALL, SEEN, DONE, ASK, DONE), (WEATHER,))
    assert check(trajectory) is trajectory


def test_a_tail_that_is_not_trained_is_cut() -> None:
    found = checked(ASK, CALL, SEEN, DONE, ASK)
    assert found.events == (ASK, CALL, SEEN, DONE) and found.repairs == ("trimmed-tail",)


def test_a_result_at_the_end_is_cut() -> None:
    assert checked(ASK, CALL, SEEN).events == (ASK, CALL)


def test_a_call_at_the_end_is_what_the_row_teaches() -> None:
    events = (ASK, CALL, SEEN, DONE, ASK, Thought("hm"), Call("weather", {"city": "Rome"}, "c1"))
    assert checked(*events).events == events
    for word in ("trim", "repair"):
        found = checked(*events, on={"call-without-result": word})
        assert found.events == (ASK, CALL, SEEN, DONE) and found.repairs == ("call-without-result", "trimmed-tail")
    assert refused(*events, on={"call-without-result": "reject"}) == "call-without-result"


def test_a_row_that_holds_calls_alone_keeps_them() -> None:
    assert checked(ASK, CALL).events == (ASK, CALL)


def test_a_call_before_another_step_gets_an_empty_result() -> None:
    found = checked(ASK, CALL, DONE)
    assert found.events == (ASK, CALL, Observation("", "c0"), DONE) and found.repairs == ("call-without-result",)


def test_a_result_without_a_call_is_refused_or_left_out() -> None:
    assert refused(ASK, Observation("x", ""), DONE) == "orphan-observation"
    assert checked(ASK, Observation("x", ""), DONE, on={"orphan-observation": "repair"}).events == (ASK, DONE)


def test_text_between_a_call_and_its_result_was_said_beside_the_call() -> None:
    assert checked(ASK, CALL, Answer("I look"), SEEN, DONE).events == (
        ASK,
        Thought("I look", said=True),
        CALL,
        SEEN,
        DONE,
    )


def test_an_answer_before_a_call_was_said_beside_it() -> None:
    assert checked(ASK, Answer("I look"), CALL, SEEN, DONE).events == (
        ASK,
        Thought("I look", said=True),
        CALL,
        SEEN,
        DONE,
    )


def test_turns_of_one_role_become_one() -> None:
    found = checked(ASK, Question("Now?"), DONE, Answer("Cold."))
    assert (
        found.events == (Question("Oslo?\n\nNow?"), Answer("3C.\n\nCold.")) and found.repairs == ("merged-turns",) * 2
    )


def test_a_system_text_comes_first() -> None:
    assert checked(ASK, DONE, System("s")).events == (System("s"), ASK, DONE)


def test_a_greeting_before_the_first_question_is_left_out() -> None:
    assert checked(Answer("Hi"), ASK, DONE).events == (ASK, DONE)
    assert refused(CALL, SEEN, ASK, DONE) == "no-question"


def test_an_undeclared_tool_is_refused_only_where_one_is_declared() -> None:
    other = Call("fly", {}, "c0")
    assert refused(ASK, other, SEEN, DONE) == "undeclared-tool"
    found = checked(ASK, other, SEEN, DONE, tools=())
    assert found.tools == (Tool("fly"),) and found.repairs == ("inferred-tools",)


FAULTS = [
    ({}, "missing-argument"),
    ({"city": 1}, "wrong-type"),
    ({"city": "Oslo", "x": 1}, "unknown-argument"),
    ({"city": "Oslo", "unit": "K"}, "bad-enum"),
    ({"city": "Oslo", "at": "now"}, "schema-fault"),
]


@pytest.mark.parametrize(("arguments", "code"), FAULTS)
def test_a_fault_of_arguments_is_kept_and_counted_or_refused_or_masked(arguments: dict[str, object], code: str) -> None:
    call = Call("weather", arguments, "c0")
    assert checked(ASK, call, SEEN, DONE).repairs == (code,)
    assert refused(ASK, call, SEEN, DONE, on={code: "reject"}) == code
    masked = checked(ASK, Thought("t"), call, SEEN, DONE, on={code: "mask"}).events
    assert [getattr(event, "trained", None) for event in masked] == [None, False, False, None, True]


def test_a_failed_row_is_masked_and_then_nothing_is_left() -> None:
    with pytest.raises(RowError) as told:
        check(Trajectory((ASK, DONE), (), repairs=("failed-row",)))
    assert told.value.code == "failed-row"
    assert check(Trajectory((ASK, DONE), (), repairs=("failed-row",)), Policy(on={"failed-row": "keep"})).events == (
        ASK,
        DONE,
    )


def test_reasoning_can_be_left_out() -> None:
    events = (ASK, Thought("hidden"), Thought("said", said=True), CALL, SEEN, DONE)
    found = check(Trajectory(events, (WEATHER,)), Policy(thinking="drop"))
    assert found.events == (ASK, Thought("said", said=True), CALL, SEEN, DONE)


def test_a_policy_is_told_all_its_faults_at_once() -> None:
    assert parse_policy(["wrong-type=reject"]) == {"wrong-type": "reject"}
    with pytest.raises(ConfigError) as told:
        parse_policy(["wrong-typ=reject", "undeclared-tool=repair"])
    assert len(told.value.problems) == 2 and "did you mean wrong-type?" in told.value.problems[0]


def test_every_default_is_allowed() -> None:
    assert [code for code, row in CODES.items() if row.default not in row.allowed] == []


def test_many_parallel_calls_before_an_unanswered_question_are_judged_at_once() -> None:
    """A pattern that tries every way to cut runs of calls would not end here."""
    events: list[Event] = [Question("q")]
    for step in range(60):
        names = [f"c{step}-{number}" for number in range(3)]
        events += [Call("f", {}, name) for name in names] + [Observation("1", name) for name in names]
    assert in_order((*events, Answer("a")))
    assert not in_order((*events, Question("thanks")))
