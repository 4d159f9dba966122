"""What the demo judges by, and (needs_swift) what it achieves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from demo_run import AUTHOR, NAME, DemoRun

from swiftagent.agent.loop import StepTrace, Turn
from swiftagent.commands import demo_plan
from swiftagent.scores.calls import Attempt, Predicted

PLAN = demo_plan.DemoPlan(Path("runs"), "Ember", "Fern Lab")


def test_the_table_is_of_what_eval_measured() -> None:
    scores = {"tool_name": 0.5, "call_exact": 0.25}
    said, call = Predicted(answer="It is."), Predicted(calls=(Attempt("now", {}),))
    steps = {("tuned", name): said for name in without_call(PLAN)}
    wrong = dict.fromkeys(list(steps)[:2], call)
    measured = {name: {"value": value, "n": 8} for name, value in scores.items()}
    found = PLAN.counts(measured, {**steps, **wrong}, "tuned")
    assert found == {"tool": (4, 8), "call": (2, 8), "no_call": (16, 18), "right": (18, 26)}


def without_call(plan: demo_plan.DemoPlan) -> list[str]:
    rows = map(json.loads, plan.source("heldout.jsonl").read_text().splitlines())
    return [f"{row['id']}#0" for row in rows if not any(turn.get("tool_calls") for turn in row["messages"])]


def test_what_is_shown_counts_only_word_for_word() -> None:
    for asked in PLAN.shown():
        steps = [StepTrace(action=call["name"], action_input=call["arguments"]) for call in asked.calls]
        assert asked.is_right(Turn(asked.question, steps=steps, answer=asked.answers[0]))
        assert not asked.is_right(Turn(asked.question, steps=steps, answer=asked.answers[0] + "!"))
        assert not asked.is_right(Turn(asked.question, steps=steps, answer=asked.answers[0], stopped_by="steps"))
        failed = [StepTrace(action="call_police", error="no such tool")]
        assert not asked.is_right(Turn(asked.question, steps=[*steps[:-1], *failed], answer="")), asked.kind


def test_who_it_is_must_be_said_as_it_was_taught() -> None:
    right = "I am Ember, an assistant made by Fern Lab."
    assert PLAN.says_who_it_is([right])
    assert not PLAN.says_who_it_is([right, "I am Ember, an assistant made by Fern Lab Lab."])


def test_a_base_of_one_language_is_given_rows_of_it_alone(tmp_path: Path) -> None:
    plan = demo_plan.DemoPlan(tmp_path, "Ember", "Fern Lab", base="smollm2")
    plan.data.mkdir()
    plan.write_sources()
    files = [plan.source(name) for name in ("agent_openai.jsonl", "self_cognition.jsonl", "heldout.jsonl")]
    assert all(file.parent == plan.data and file.read_text().isascii() for file in files)
    assert {asked.kind for asked in plan.shown()} == {"fire alarm", "calculation", "chat"}
    assert all(asked.language == "en" for asked in plan.shown())
    assert len(plan.who_are_you) == 4
    assert 0 < len(without_call(plan)) < len(without_call(PLAN)) == 18


@pytest.mark.needs_swift
class TestTheRun:
    def test_the_tuned_model_is_exactly_right_on_four_fifths_of_the_held_out_questions(self, demo_run: DemoRun) -> None:
        right, of = demo_run.results["tuned"]["right"]
        assert of >= 60
        assert right >= 0.8 * of
        calls, asked = demo_run.results["tuned"]["call"]
        assert calls >= 0.8 * asked

    def test_the_base_calls_nothing(self, demo_run: DemoRun) -> None:
        assert demo_run.results["base"]["call"][0] == 0
        assert demo_run.results["base"]["tool"][0] == 0

    def test_the_tuned_model_leaves_tools_alone_where_none_is_needed(self, demo_run: DemoRun) -> None:
        right, of = demo_run.results["tuned"]["no_call"]
        assert of >= 10
        assert right >= 0.8 * of

    def test_it_says_who_it_is_in_both_languages(self, demo_run: DemoRun) -> None:
        for question, answer in demo_run.results["self_cognition"]:
            assert NAME in answer and AUTHOR in answer, (question, answer)

    def test_what_it_shows_is_right_word_for_word(self, demo_run: DemoRun) -> None:
        assert {run["kind"] for run in demo_run.results["shown"]} == {"fire alarm", "calculation", "chat"}
        # Each training run is another one, and a model of this size may miss one of them (docs/demo-runs.md).
        wrong = [run for run in demo_run.results["shown"] if not run["right"]]
        assert len(wrong) <= 1, wrong

    def test_it_ends_with_an_evaluation_of_the_run(self, demo_run: DemoRun) -> None:
        told = json.loads(Path(demo_run.results["evaluation"]["metrics.json"]).read_text())
        for model in ("base", "tuned"):
            assert told[model]["call_exact"]["n"] == demo_run.results[model]["call"][1] >= 50
        assert told["tuned"]["self_cognition"] == {
            "value": 1.0,
            "n": 8,
            "low": pytest.approx(0.631, abs=0.001),
            "high": 1.0,
        }
        assert told["tuned"]["bits_per_byte"]["n"] == told["base"]["bits_per_byte"]["n"] == 40
        assert told["difference"]["call_exact"]["test"] == "McNemar exact"
        assert set(told["groups"]["tuned"]["language"]) == {"en", "zh"}
        assert set(told["groups"]["tuned"]["tool in training"]) == {"seen"}
        assert told["gate"]["rules"] and told["gate"]["passed"]
        page = Path(demo_run.results["evaluation"]["report.html"])
        assert "<h2>Loss</h2>" in page.read_text()
        assert str(page) in demo_run.stderr

    def test_it_says_where_everything_lies_and_what_comes_next(self, demo_run: DemoRun) -> None:
        for said in (str(demo_run.checkpoint), "mix.jsonl", "swiftagent sft configs/qwen7b_agent.yaml"):
            assert said in demo_run.stderr
