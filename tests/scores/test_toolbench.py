"""The literature's metrics take the values of their definition."""

from __future__ import annotations

import pytest

from swiftagent.scores.calls import Attempt, Predicted, steps_of
from swiftagent.scores.toolbench import ActionPair, argument_f1, read_plan, row_of, toolbench_metrics
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

TOOLS = ("search", "weather", "Finish")
CALL = 'Thought: x\nAction: search\nAction Input: {"q": "Oslo", "n": 3}'
FINISH = 'Action: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "It is cold"}'
GIVE_UP = 'Action: Finish\nAction Input: {"return_type": "give_up_and_restart"}'


def scores(*pairs: tuple[str, str]) -> dict[str, float | None]:
    rows = [ActionPair(str(n), read_plan(gold), read_plan(guess), TOOLS) for n, (gold, guess) in enumerate(pairs)]
    return {name: found.value for name, found in toolbench_metrics(rows).items()}


def test_perfect():
    found = scores((CALL, CALL), (FINISH, FINISH))
    assert found == {"Plan.EM": 1, "Act.EM": 1, "HalluRate": 0, "Avg.F1": 1, "Rouge-L": pytest.approx(1, abs=1e-6)}


def test_a_wrong_value_is_half_a_point():
    assert scores((CALL, CALL.replace("Oslo", "Rome")))["Avg.F1"] == 0.75
    assert argument_f1({"q": 1}, {"q": 1, "r": 2}) == pytest.approx(2 / 3)
    assert argument_f1({}, {}) == 1
    assert argument_f1({}, {"q": 1}) == argument_f1({"q": 1}, {}) == argument_f1({"q": 1}, [1]) == 0


def test_a_wrong_tool():
    found = scores((CALL, CALL.replace("search", "weather")))
    assert (found["Plan.EM"], found["Act.EM"], found["Avg.F1"], found["HalluRate"]) == (1, 0, 0, 0)


def test_a_tool_that_does_not_exist():
    assert scores((CALL, CALL.replace("search", "google")), (CALL, CALL))["HalluRate"] == 0.5


def test_giving_up():
    assert scores((FINISH, GIVE_UP), (FINISH, FINISH))["Plan.EM"] == 0.5
    assert scores((FINISH, GIVE_UP))["Rouge-L"] == 0


def test_rows_with_an_undeclared_gold_tool_are_left_out():
    found = scores((CALL.replace("search", "gone"), CALL), (CALL, CALL))
    assert (found["Act.EM"], found["HalluRate"]) == (1, 0)


def test_our_own_steps():
    gold = Trajectory(
        (Question("?"), Call("search", {"q": 1}, "c0"), Observation("r", "c0"), Answer("It is cold")),
        (Tool("search"),),
        "r",
    )
    guesses = [Predicted((Attempt("search", {"q": 1}),)), Predicted(answer="It is cold")]
    found = toolbench_metrics(row_of(step, guess) for step, guess in zip(steps_of(gold), guesses, strict=True))
    assert [found[name].value for name in ("Plan.EM", "Act.EM", "HalluRate", "Avg.F1")] == [1, 1, 0, 1]
    silent = toolbench_metrics([row_of(next(steps_of(gold)), Predicted())])
    assert [silent[name].value for name in ("Plan.EM", "Act.EM", "HalluRate", "Avg.F1")] == [1, 0, 0, 0]
