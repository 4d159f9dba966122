from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from demo_run import DemoRun

from swiftagent.improve.rounds import Outcome, decide, replayed
from swiftagent.scores.intervals import MetricDifference

pytestmark = pytest.mark.needs_swift


KILLS_ITSELF = """
import os
calls = []
def right(question, made, answer):
    calls.append(question)
    if len(calls) == 3:
        os.kill(os.getpid(), 9)
    return True
"""


@pytest.fixture
def runs(demo_run: DemoRun, tmp_path: Path) -> Path:
    """A folder of runs that holds the demo's."""
    for name in (demo_run.run.name, "demo-data"):
        shutil.copytree(demo_run.out / name, tmp_path / "runs" / name)
    return tmp_path / "runs"


def test_a_round_asks_trains_evaluates_and_says_why_it_was_not_kept(
    swiftagent: Callable[..., CompletedProcess[str]], runs: Path, root: Path, tmp_path: Path
) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text("\n".join((root / "datasets" / "heldout.jsonl").read_text(encoding="utf-8").splitlines()[:4]))
    words = ["improve", "demo", "--runs", runs, "--data", gold, "--ask", 6, "--tries", 1, "--device", "cpu", "--json"]
    words += ["--on-adapter"]
    changes = ["--set", "max_steps=2", "preflight=off", "eval_strategy=no", "save_steps=2"]
    # Killed when it judges the third right try, it asks what is left alone.
    check = tmp_path / "check.py"
    check.write_text(KILLS_ITSELF, encoding="utf-8")
    assert swiftagent(*words, "--check", f"{check}:right", *changes).returncode == -9
    tries = runs / "demo-improve" / "round-1" / "tries.jsonl"
    before = tries.read_bytes()
    assert 2 <= before.count(b"\n") < 6
    done = swiftagent(*words, *changes)
    assert done.returncode == 0, done.stderr
    assert f"6 questions, 1 tries each, {before.count(bytes([10]))} there already" in done.stderr
    assert tries.read_bytes().startswith(before)
    [outcome] = json.loads(done.stdout)["rounds"]
    assert outcome["asked"] == 6
    right_already = outcome["left_out"].get("right-already", 0)
    assert sum(outcome["lessons"].values()) == 6 - right_already
    # The gate of the demo asks for chat rows too, which four rows of calls do not measure.
    assert (outcome["kept"], outcome["gate_passed"]) == (False, False)
    assert outcome["reason"].startswith("not kept: the gate was not passed")
    run = json.loads((runs / "demo-round1" / "run.json").read_text(encoding="utf-8"))
    lessons = runs / "demo-improve" / "round-1" / "lessons.jsonl"
    assert run["parents"] == {"run": "demo", "lessons": str(lessons)}
    replay = lessons.with_name("replay.jsonl")
    assert run["config"]["data"] == [str(replay), str(lessons)]
    learned, before = (path.read_text(encoding="utf-8").splitlines() for path in (lessons, replay))
    assert len(learned) == len(before) == 6 - right_already
    assert set(before) <= set((runs / "demo-data" / "mix.jsonl").read_text(encoding="utf-8").splitlines())
    assert list(outcome["parents"]["data"]) == [str(replay), str(lessons)]
    kept = json.loads((runs / "demo-improve" / "improve.json").read_text(encoding="utf-8"))
    assert kept["rounds"] == [outcome]


@pytest.mark.parametrize(
    ("gate", "value", "kept", "reason"),
    [
        (True, 0.1, True, "kept: +10.0 (+5.0 to +15.0) points of call_exact"),
        (False, 0.1, False, "not kept: the gate was not passed; +10.0 (+5.0 to +15.0) points of call_exact"),
        (True, 0.0, False, "not kept: no gain; +0.0 (-5.0 to +5.0) points of call_exact"),
        (True, None, False, "not kept: no gain; not measured"),
    ],
)
def test_the_gate_decides_and_then_the_gain(gate: bool, value: float | None, kept: bool, reason: str) -> None:
    low, high = (None, None) if value is None else (value - 0.05, value + 0.05)
    outcome = Outcome(1, {}, gate_passed=gate)
    decide(outcome, MetricDifference(value, 50, low, high, 0.01, "McNemar exact"))
    assert (outcome.kept, outcome.reason) == (kept, reason)


def test_rows_are_replayed_from_files_of_any_form(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(4)]
    (tmp_path / "a.json").write_text(json.dumps(rows[:3], indent=1), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n" + json.dumps(rows[3]) + "\n", encoding="utf-8")
    files = [str(tmp_path / name) for name in ("a.json", "b.jsonl")]
    assert sorted(replayed(files, 9, 0), key=json.dumps) == rows
    assert len(replayed(files, 2, 0)) == 2
