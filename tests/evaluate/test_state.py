"""Tasks whose tools hold state: what passes, what fails and why, and how an evaluation of them resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripted_engine import ScriptedEngine

from swiftagent.backend.loading import Loading
from swiftagent.cli import main
from swiftagent.errors import ConfigError
from swiftagent.evaluate.session import EvaluationOptions
from swiftagent.evaluate.state import (
    StatefulTools,
    UserTurn,
    answer_faults,
    evaluate_state,
    pass_hat,
    patched,
    read_tasks,
    state_faults,
    tables,
)
from swiftagent.evaluate.target import Model, Target
from swiftagent.io.shipped import shipped
from swiftagent.trajectory.types import Call

TOOLS = '''
import os

STATE = {}

def reset(state: dict) -> None:
    STATE.clear()
    STATE.update(state)

def snapshot() -> dict:
    return STATE

def put(key: str, value: int) -> str:
    """Put a number somewhere."""
    if value < 0:
        os._exit(3)
    if value > 9:
        raise ValueError("at most 9")
    STATE[key] = value
    return "done"
'''
TASKS = """
domain: toy
tools: tools.py
state: {a: 1, b: 2}
tasks:
  - id: t
    turns: [Put 5 at a., {user: "What is there now?", says: ["5"]}]
    end: {a: 5}
"""
PUT = 'Thought: x\nAction: put\nAction Input: {{"key": "{}", "value": {}}}\nObservation:'
DONE, FIVE = "Thought: x\nFinal Answer: Done.", "Thought: x\nFinal Answer: It is 5."
RIGHT = [PUT.format("a", 5), DONE, FIVE]


class Scripted(Model, frozen=True):
    """A model of a script."""

    script: Any = None

    def load(self) -> Any:
        return self.script


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "tasks.yaml").write_text(TASKS)
    return tmp_path / "tasks.yaml"


def evaluated(
    tasks: Path, *texts: str, trials: int = 1, base: Model | None = None
) -> tuple[dict[str, Any], ScriptedEngine]:
    engine = ScriptedEngine(*texts)
    target = Target("m", tasks.parent / "eval", Scripted("m", Loading("m"), script=engine), base)
    options = EvaluationOptions(state=(str(tasks),), trials=trials, temperature=0.7, quiet=True)
    return evaluate_state(target, options), engine


RUNS: list[tuple[list[str], list[str]]] = [
    (RIGHT, []),
    ([PUT.format("a", 5), PUT.format("c", 7), DONE, FIVE], ["state.c is 7, expected absent"]),
    ([PUT.format("a", 5), DONE, "Thought: x\nFinal Answer: It is 15."], ['turn 2: the answer lacks "5"']),
    ([PUT.format("a", 50), *RIGHT], []),  # the tool's error is seen, and the call made right
    (
        [PUT.format("a", 5), PUT.format("a", -1), DONE, FIVE],
        ["state.a is absent, expected 5", "state.b is absent, expected 2"],
    ),
    ([DONE, FIVE], ["state.a is 1, expected 5"]),
    (["", ""], ["turn 1: no answer (empty)", "state.a is 1, expected 5"]),
]


def test_a_run_passes_where_answers_and_state_are_the_expected_ones(tasks: Path):
    head, task = TASKS.split("  - id: t")
    # Each begins with words of its own: greedy text of the same prompt is not asked for again.
    tasks.write_text(head + "".join(f"  - id: t{n}{task.replace('Put', f'In case {n} put')}" for n in range(len(RUNS))))
    found, engine = evaluated(tasks, *(text for texts, _ in RUNS for text in texts))
    assert [each["tuned"]["faults"] for each in found["tasks"].values()] == [[faults] for _, faults in RUNS]
    assert [each["tuned"]["passed"] for each in found["tasks"].values()] == [int(not faults) for _, faults in RUNS]
    # What sets and reads state is not offered.
    assert "put" in engine.prompts[0][0]["content"] and "snapshot" not in engine.prompts[0][0]["content"]


def test_more_runs_are_sampled_and_a_second_evaluation_resumes(tasks: Path):
    found, engine = evaluated(tasks, *RIGHT, *RIGHT, trials=2)
    assert [each["temperature"] for each in engine.settings] == [0.0] * 3 + [0.7] * 3
    found, engine = evaluated(tasks, *RIGHT, DONE, DONE, trials=4)
    assert len(engine.prompts) == 5
    assert [len(each) for each in found["tasks"]["t"]["tuned"]["faults"]] == [0, 0, 0, 2]
    scores = {name: each["value"] for name, each in found["tuned"].items()}
    assert scores == {"pass^1": 0.75, "pass^4": 0.0}
    assert json.loads((tasks.parent / "eval" / "state.json").read_text()) == found
    kept = (tasks.parent / "eval" / "state.jsonl").read_text().splitlines()
    assert "User: Put 5 at a.\nThought: x\nAction: put" in json.loads(kept[1])["text"]
    scores, runs = tables(found)
    assert scores.rows[0][1] == "75.0 (75.0–75.0)"
    assert runs.rows == [["t", "–", "3/4", 'turn 2: the answer lacks "5"']]


def test_a_base_is_compared_on_the_same_tasks(tasks: Path):
    base = Scripted("b", Loading("b"), script=ScriptedEngine(DONE, FIVE))
    found, _ = evaluated(tasks, *RIGHT, base=base)
    scores, runs = tables(found)
    values = ["0.0 (0.0–97.5)", "100.0 (2.5–100.0)", "+100.0 (+100.0 to +100.0)"]
    assert [list(row) for row in scores.rows] == [["pass^1", *values, 1, "noise"]]
    assert runs.rows == [["t", "0/1", "1/1", ""]]


def test_pass_hat_is_the_unbiased_estimator():
    """Equal to the share of subsets of k runs that all passed."""
    assert [pass_hat(3, 4, k) for k in (1, 2, 4)] == [0.75, 0.5, 0.0]
    assert pass_hat(4, 4, 4) == 1.0


def test_a_merge_patch_and_what_differs():
    start = {"a": {"x": 1, "y": [1, 2]}, "b": 2}
    assert patched(start, {"a": {"x": None, "z": {"n": 1}}, "b": 3}) == {"a": {"y": [1, 2], "z": {"n": 1}}, "b": 3}
    assert list(state_faults(start, {"a": {"x": 1, "y": [2, 1]}})) == [
        "state.a.y is [2, 1], expected [1, 2]",
        "state.b is absent, expected 2",
    ]
    assert list(state_faults(start, {"a": {"x": 1, "y": [2, 1]}, "b": 2}, any_order=True)) == []


@pytest.mark.parametrize(
    ("answer", "is_there"),
    [("Total: 1,126 EUR", True), ("一共1126元。", True), ("11126", False), ("1126.5", False), ("1126，300", True)],
)
def test_a_number_stands_in_an_answer_as_a_whole(answer: str, is_there: bool):
    assert list(answer_faults(UserTurn("?", ["1126"]), answer)) == ([] if is_there else ['the answer lacks "1126"'])


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (
            "tasks.yaml",
            "turns: [",
            "turn: [",
            "tasks.yaml:6: Object contains unknown field `turn`; a task has id, turns",
        ),
        ("tasks.yaml", "tools: tools.py", "tool: tools.py", "tasks.yaml:3: unknown key tool; a file of tasks is a map"),
        ("tasks.yaml", "tools.py", "none.py", "none.py: no such file"),
        ("tasks.yaml", "tasks:", "tasks: [", "tasks.yaml:6: not YAML: "),
        ("tools.py", "snapshot", "shot", "tools.py: has no function snapshot; a task sets and reads its state by res"),
        ("tools.py", "STATE.clear()", "state[1]", "tools.py: task t cannot begin: KeyError: 1; check its state"),
    ],
)
def test_a_broken_file_is_refused_before_a_model_is_loaded(tasks: Path, file: str, old: str, new: str, problem: str):
    path = tasks.parent / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError) as raised:
        evaluated(tasks)
    assert problem in raised.value.problems[0]


GOLD: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "library-lend": [("lend_book", {"book": "B1", "member": "M2"})],
    "library-renew-refused": [("renew_loan", {"book": "B3"})],
    "library-return-and-lend": [("return_book", {"book": "B2"}), ("lend_book", {"book": "B1", "member": "M1"})],
    "library-room": [
        ("book_room", {"room": room, "day": "2026-03-03", "hour": 10, "member": "M1"}) for room in ("north", "south")
    ],
    "library-renew-zh": [("list_loans", {"member": "M3"}), ("renew_loan", {"book": "B5"})],
    "shop-cheapest": [("place_order", {"product": "P2", "quantity": 2, "address": "3 Park Street"})],
    "shop-cancel": [("get_order", {"order": "O3"}), ("cancel_order", {"order": "O3"})],
    "shop-shipped": [("change_address", {"order": name, "address": "3 Park Street"}) for name in ("O2", "O1")],
    "shop-stock": [("place_order", {"product": "P3", "quantity": 3, "address": "9 Hill Road"})],
    "shop-order-zh": [("place_order", {"product": "P4", "quantity": 3, "address": "和平路8号"})],
}


def test_the_shipped_tasks_are_passed_by_gold_and_not_by_silence():
    found = read_tasks([str(path) for path in sorted(shipped("datasets").glob("state_*.yaml"))])
    assert [task.id for task in found] == list(GOLD)
    assert sum(not task.user_turns()[0].user.isascii() for task in found) == 2
    assert all(answer_faults(turn, "") for task in found for turn in task.user_turns() if turn.says)
    for path in dict.fromkeys(task.tools for task in found):
        tools = StatefulTools(path)
        with tools:
            for task in (task for task in found if task.tools == path):
                tools.begin(task)
                for name, arguments in GOLD[task.id]:
                    tools.call(Call(name, arguments))
                assert list(state_faults(patched(tools.start, task.end), tools.snapshot())) == [], task.id


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--state", "RUN"], "--state RUN: not a YAML or JSON file of tasks; a run is named before --state"),
        (["--data", "x.jsonl", "--state"], "--state brings its own tasks and prints its own table: leave --data out"),
    ],
)
def test_the_command_refuses_what_does_not_fit(capsys: pytest.CaptureFixture[str], words: list[str], problem: str):
    assert main(["eval", *words]) == 2
    assert problem in " ".join(capsys.readouterr().err.split())
