"""The literature's metrics take the values of their definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftagent.scores.calls import Attempt, Predicted, steps_of
from swiftagent.scores.toolbench import argument_f1, rouge_l_by_sentence, toolbench_parts
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

TOOLS = (Tool("search"), Tool("weather"))
CALL = Call("search", {"q": "Oslo", "n": 3}, "c0")
NAMES = ("Plan.EM", "Act.EM", "HalluRate", "Avg.F1", "Rouge-L")


def scores(gold: Call | Answer, predicted: Predicted) -> dict[str, float]:
    """The scores of the step at which gold calls, or answers after a call."""
    events = (Question("?"), gold, Observation("r", "c0")) if isinstance(gold, Call) else (Question("?"), gold)
    step = next(steps_of(Trajectory(events, TOOLS, "r")))
    return {name: reached for name, (reached, _) in toolbench_parts(step, predicted).items()}


def call(tool: str = "search", parsed: bool = True, **arguments: object) -> Predicted:
    return Predicted((Attempt(tool, {"q": "Oslo", "n": 3, **arguments} if parsed else None, parsed),))


def test_perfect():
    assert scores(CALL, call()) == {"Plan.EM": 1, "Act.EM": 1, "HalluRate": 0, "Avg.F1": 1}
    answer = scores(Answer("It is cold"), Predicted(answer="It is cold"))
    assert answer == {"Plan.EM": 1, "HalluRate": 0, "Rouge-L": pytest.approx(1, abs=1e-6)}


def test_a_wrong_value_is_half_a_point():
    assert scores(CALL, call(q="Rome"))["Avg.F1"] == 0.75
    assert argument_f1({"q": 1}, {"q": 1, "r": 2}) == pytest.approx(2 / 3)
    assert argument_f1({}, {}) == 1
    assert argument_f1({}, {"q": 1}) == argument_f1({"q": 1}, {}) == argument_f1({"q": 1}, [1]) == 0


def test_arguments_that_are_not_json():
    assert scores(CALL, call(parsed=False)) == {"Plan.EM": 1, "Act.EM": 1, "HalluRate": 0, "Avg.F1": 0}


def test_a_wrong_tool():
    assert scores(CALL, call("weather")) == {"Plan.EM": 1, "Act.EM": 0, "Avg.F1": 0, "HalluRate": 0}


def test_a_tool_that_does_not_exist():
    assert scores(CALL, call("google"))["HalluRate"] == 1


def test_a_call_in_place_of_an_answer_and_an_answer_in_place_of_a_call():
    assert scores(Answer("cold"), call()) == {"Plan.EM": 0, "HalluRate": 0, "Rouge-L": 0}
    assert scores(CALL, Predicted(answer="cold")) == {"Plan.EM": 0, "Act.EM": 0, "HalluRate": 0, "Avg.F1": 0}


def test_a_step_with_an_undeclared_gold_tool_is_left_out():
    assert scores(Call("gone", {}, "c0"), call()) == {"HalluRate": 0}


def test_nothing_written_is_a_call_of_no_tool():
    assert scores(CALL, Predicted()) == {"Plan.EM": 1, "Act.EM": 0, "HalluRate": 0, "Avg.F1": 0}


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e."]), min_size=1, max_size=12).map(" ".join)


@given(WORDS, WORDS)
def test_by_sentence_is_what_the_rouge_package_says(candidate: str, reference: str):
    rouge = pytest.importorskip("rouge", reason="the rouge package comes with ms-swift")
    theirs = rouge.Rouge(metrics=["rouge-l"]).get_scores(candidate, reference)[0]["rouge-l"]["f"]
    assert rouge_l_by_sentence(candidate, reference) == pytest.approx(theirs, abs=1e-12)


def test_by_sentence_of_nothing_is_zero():
    assert rouge_l_by_sentence("", "a b") == rouge_l_by_sentence("a b", ".") == 0.0
