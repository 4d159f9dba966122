"""Each planted prediction gives the value that theory gives."""

from __future__ import annotations

import pytest

from swiftagent.scores.calls import Attempt, Predicted, steps_of
from swiftagent.scores.groups import next_step_ratios
from swiftagent.scores.intervals import MetricEstimate, Metrics
from swiftagent.scores.metrics import score_step
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

WEATHER = Tool(
    "weather",
    "",
    {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]},
)
CLOCK = Tool("clock", "", {"type": "object", "properties": {"zone": {"type": "string"}}})
OSLO = Call("weather", {"city": "Oslo", "days": 3}, "c0")
GOLD = Trajectory(
    (System("be brief"), Question("Oslo?"), Thought("look"), OSLO, Observation("3C", "c0"), Answer("It is 3C.")),
    (WEATHER, CLOCK),
    "r0",
)
CHAT = Trajectory((Question("hello"), Answer("hi")), (WEATHER,), "r1")
PARALLEL = Trajectory(
    (
        Question("Oslo and Rome?"),
        Call("weather", {"city": "Oslo"}, "c0"),
        Call("weather", {"city": "Rome"}, "c1"),
        Observation("3C", "c0"),
        Observation("20C", "c1"),
        Answer("3C and 20C"),
    ),
    (WEATHER,),
    "r2",
)
PERFECT = Predicted((Attempt("weather", {"city": "Oslo", "days": 3}),))


def first_steps(gold: list[Trajectory], predicted: list[Predicted]) -> Metrics:
    scores = [score_step(next(steps_of(row)), guess) for row, guess in zip(gold, predicted, strict=True)]
    return next_step_ratios(scores).estimates()


def call_values(prediction: Predicted, gold: Trajectory = GOLD) -> dict[str, float | None]:
    found = first_steps([gold], [prediction])
    return {name: estimate.value for name, estimate in found.items() if estimate.n}


def test_a_perfect_call():
    assert call_values(PERFECT) == {
        "parsable": 1.0,
        "tool_name": 1.0,
        "argument_names": 1.0,
        "argument_values": 1.0,
        "call_exact": 1.0,
        "parallel_match": 1.0,
        "undeclared_tool": 0.0,
        "schema_valid": 1.0,
        "invented_observation": 0.0,
    }


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (  # the other declared tool
            Predicted((Attempt("clock", {"zone": "CET"}),)),
            {
                "tool_name": 0,
                "argument_names": 0,
                "argument_values": 0,
                "call_exact": 0,
                "undeclared_tool": 0,
                "schema_valid": 1,
            },
        ),
        (  # one of two values wrong
            Predicted((Attempt("weather", {"city": "Oslo", "days": 4}),)),
            {"tool_name": 1, "argument_names": 1, "argument_values": 0.5, "call_exact": 0, "schema_valid": 1},
        ),
        (  # an argument left out
            Predicted((Attempt("weather", {"city": "Oslo"}),)),
            {"tool_name": 1, "argument_names": 0, "argument_values": 0.5, "call_exact": 0, "schema_valid": 1},
        ),
        (  # an argument that gold does not have
            Predicted((Attempt("weather", {"city": "Oslo", "days": 3, "unit": "C"}),)),
            {"tool_name": 1, "argument_names": 0, "argument_values": 1, "call_exact": 0},
        ),
        (  # a value of the wrong type
            Predicted((Attempt("weather", {"city": "Oslo", "days": "soon"}),)),
            {"argument_values": 0.5, "schema_valid": 0},
        ),
        (  # a tool that nobody declared
            Predicted((Attempt("forecast", {"city": "Oslo"}),)),
            {"tool_name": 0, "undeclared_tool": 1, "parsable": 1},
        ),
        (  # the same number and text in another spelling
            Predicted((Attempt("weather", {"days": "3", "city": " oslo"}),)),
            {"call_exact": 1, "schema_valid": 0},
        ),
        (  # arguments that are no JSON: the name counts
            Predicted((Attempt("weather", parsed=False),)),
            {
                "parsable": 0,
                "tool_name": 1,
                "argument_names": 0,
                "argument_values": 0,
                "call_exact": 0,
                "schema_valid": 0,
            },
        ),
        (  # an extra call: the gold call is there, the step is half right
            Predicted((Attempt("clock", {}), *PERFECT.calls)),
            {"tool_name": 1, "call_exact": 1, "parallel_match": 0.5},
        ),
        (  # no call where gold calls
            Predicted(answer="3C, I guess"),
            {"parsable": 1, "tool_name": 0, "call_exact": 0, "parallel_match": 0, "no_call_precision": 0},
        ),
        (  # nothing at all
            Predicted(),
            {"parsable": 0, "tool_name": 0, "call_exact": 0, "parallel_match": 0},
        ),
        (  # the result written by the model itself
            Predicted(PERFECT.calls, invented_observation=True),
            {"invented_observation": 1, "call_exact": 1},
        ),
    ],
)
def test_planted_faults(prediction: Predicted, expected: dict[str, float]):
    found = call_values(prediction)
    assert {name: found.get(name) for name in expected} == expected


def test_restraint():
    assert call_values(Predicted(answer="hi"), CHAT) == {
        "parsable": 1.0,
        "no_call_precision": 1.0,
        "no_call_recall": 1.0,
        "irrelevance": 1.0,
        "invented_observation": 0.0,
    }
    assert call_values(PERFECT, CHAT)["no_call_recall"] == 0.0
    # silence is no restraint; an answer outside the format is
    assert call_values(Predicted(), CHAT)["no_call_recall"] == 0.0
    assert call_values(Predicted(answer="hi", readable=False), CHAT)["no_call_recall"] == 1.0


def test_precision_counts_what_was_answered_and_recall_what_should_have_been():
    answer = Predicted(answer="no")
    found = first_steps([GOLD, CHAT, CHAT, CHAT], [answer, answer, answer, PERFECT])
    assert (found["no_call_precision"].value, found["no_call_precision"].n) == (2 / 3, 3)
    assert (found["no_call_recall"].value, found["no_call_recall"].n) == (2 / 3, 3)


def test_parallel_calls_match_in_any_order():
    rome, oslo = Attempt("weather", {"city": "Rome"}), Attempt("weather", {"city": "Oslo"})
    assert call_values(Predicted((rome, oslo)), PARALLEL)["parallel_match"] == 1.0
    assert call_values(Predicted((rome,)), PARALLEL)["call_exact"] == 0.5
    assert call_values(Predicted((rome, rome)), PARALLEL)["call_exact"] == 0.5
    assert call_values(Predicted((rome, oslo, rome, rome)), PARALLEL)["parallel_match"] == 0.5


def test_plain_chat_has_no_tool_to_leave_alone():
    plain = Trajectory((Question("hello"), Answer("hi")), (), "r")
    assert "no_call_recall" not in call_values(Predicted(answer="hi"), plain)


def test_steps_of_a_trajectory():
    steps = list(steps_of(GOLD))
    assert [(s.id, s.calls, s.answer, len(s.context)) for s in steps] == [
        ("r0#0", (OSLO,), None, 2),
        ("r0#1", (), "It is 3C.", 5),
    ]
    assert [len(s.calls) for s in steps_of(PARALLEL)] == [2, 0]


def test_a_masked_step_is_no_gold():
    bad = Call("clock", {}, "c0", trained=False)
    row = Trajectory(
        (Question("?"), bad, Observation("error", "c0"), OSLO, Observation("3C", "c1"), Answer("3C")), (), "r"
    )
    assert [s.id for s in steps_of(row)] == ["r#1", "r#2"]


def test_n_is_told_and_nothing_measured_is_none():
    found = next_step_ratios([score_step(step, PERFECT) for step in steps_of(GOLD)]).estimates()
    assert (found["call_exact"].n, found["parsable"].n, found["irrelevance"].value) == (1, 2, None)
    assert next_step_ratios([]).estimates()["call_exact"] == MetricEstimate(None, 0, None, None)
