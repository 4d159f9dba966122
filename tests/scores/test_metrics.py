"""A metric stands in one table."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from swiftagent.evaluate.page import page
from swiftagent.evaluate.report import comparison, headline, markdown
from swiftagent.evaluate.scoring import gold_from, score_model, summary
from swiftagent.scores.calls import Predicted
from swiftagent.scores.gate import parse_gate
from swiftagent.scores.metrics import METRICS, Metric, next_step_metrics
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

ROOT = Path(__file__).parent.parent.parent


def test_a_metric_is_added_in_one_place(monkeypatch: pytest.MonkeyPatch):
    brief = Metric(
        "all steps", "wrote at most ten letters", lambda score: (float(len(score.predicted.text) <= 10), 1.0)
    )
    monkeypatch.setitem(METRICS, "brief", brief)
    events = (Question("Oslo?"), Call("weather", {}, "c0"), Observation("3C", "c0"), Answer("3C"))
    gold = gold_from([Trajectory(events, (Tool("weather"),), f"r{n}") for n in range(10)])

    def model(text: str):
        return score_model(gold, {step.id: Predicted(answer=text, text=text) for step in gold.steps}, {}, {})

    monkeypatch.setenv("COLUMNS", "100")  # scripts/docs sets both, and the test gives them back
    monkeypatch.setenv("NO_COLOR", "1")
    table = runpy.run_path(str(ROOT / "scripts" / "docs"))["metrics_table"]
    rules = parse_gate({"brief": {"min": 0.9, "gain": 0.5}})
    found = summary(gold, {"base": model("a long text"), "tuned": model("short")}, {}, rules)
    assert (found["base"]["brief"]["value"], found["tuned"]["brief"]["value"]) == (0.0, 1.0)
    assert (found["difference"]["brief"]["test"], found["gate"]["passed"]) == ("McNemar exact", True)
    assert found["groups"]["tuned"]["tool"]["weather"]["brief"]["n"] == 10
    assert {row.metric: row.verdict for row in headline(found)}["brief"] == "better"
    assert "| brief | 0.0" in markdown(found) and "wrote at most ten letters" in page(found, [])
    assert "brief" in [row[0] for row in comparison({"run": found})[1]]
    assert "| `brief` | all steps | wrote at most ten letters |" in table()


def test_next_steps_are_measured_step_by_step():
    assert next_step_metrics()[:2] == ("parsable", "tool_name")
    assert all(METRICS[name].measure for name in next_step_metrics())
