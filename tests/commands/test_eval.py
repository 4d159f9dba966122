"""The command itself, on predictions: what it writes, prints and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from swiftagent.commands.eval import raise_where_the_gate_failed
from swiftagent.errors import GateError

Run = Callable[..., "CompletedProcess[str]"]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def gold_row(name: str, city: str) -> dict[str, Any]:
    call = {"id": "x", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}
    return {
        "id": name,
        "messages": [
            {"role": "user", "content": f"{city}?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "x", "content": "3C"},
            {"role": "assistant", "content": "3C"},
        ],
        "tools": [TOOL],
    }


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return written(tmp_path / "gold.jsonl", [gold_row("a", "Oslo"), gold_row("b", "Rome")])


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    texts = {"a": "Oslo", "b": "Bern"}
    rows = [
        {"id": name, "text": f'Action: weather\nAction Input: {{"city": "{city}"}}'} for name, city in texts.items()
    ]
    return written(tmp_path / "p.jsonl", rows)


def test_predictions_against_gold(swiftagent: Run, tmp_path: Path, gold: Path, predictions: Path):
    done = swiftagent("eval", "--predictions", predictions, "--data", gold, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (told["tuned"]["call_exact"]["value"], told["tuned"]["call_exact"]["n"]) == (0.5, 2)
    assert "<!doctype html>" in (tmp_path / "out" / "report.html").read_text()


def test_markdown(swiftagent: Run, gold: Path, predictions: Path):
    done = swiftagent("eval", "--predictions", predictions, "--data", gold, "--markdown", "-q")
    assert done.stdout.startswith("### Evaluation: p.jsonl\n")
    assert "| call_exact | 50.0" in done.stdout


def test_fields_of_json_answers_are_told(swiftagent: Run, tmp_path: Path):
    answers = [('{"name": "Ann", "age": 7}', '{"name": "Ann", "age": 8}'), ('{"name": "Bo"}', "no idea")]
    rows = [{"prompt": "extract", "label": label, "predict": predict} for label, predict in answers]
    words = ("eval", "--predictions", written(tmp_path / "p.jsonl", rows), "--fields")
    assert "age   │ –    │ 0.0" in swiftagent(*words).stdout
    assert "| name | – | 50.0" in swiftagent(*words, "--markdown", "-q").stdout


def test_the_gate_ends_with_7(swiftagent: Run, tmp_path: Path, gold: Path, predictions: Path):
    config = tmp_path / "c.yaml"
    config.write_text("model: m/m\ndata: x.jsonl\ngate: {call_exact: {min: 0.6}}\n")
    done = swiftagent("eval", "--predictions", predictions, "--data", gold, "--gate", config)
    assert done.returncode == 7
    assert "error: the gate was not passed: call_exact;" in done.stderr and "rewrite-general" not in done.stderr
    assert "FAILED" in done.stdout


def test_a_gate_that_forgetting_fails_names_what_keeps_more():
    failed = {"gate": {"rules": [{"metric": "bits_per_byte", "passed": False}]}}
    with pytest.raises(GateError, match="bits_per_byte; p.html shows the cases; `method: self-distill` and"):
        raise_where_the_gate_failed(failed, Path("p.html"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--predictions", "p.jsonl"], 2, "--predictions needs the gold that it is for: give it with --data FILE"),
        (["--predictions", "none.jsonl", "--data", "gold.jsonl"], 2, "none.jsonl: no such file or folder"),
        (["--predictions", "p.jsonl", "--data", "other.jsonl"], 3, "predictions have an id that gold does not have: "),
        (["--model", "m"], 2, "--model and --adapter need gold to be evaluated on: --data FILE"),
        (["a", "--model", "m", "--data", "gold.jsonl"], 2, "give either a run or --model/--adapter, not both"),
        ([], 4, "runs: no run with a checkpoint"),
        (["no-such-run"], 4, "no-such-run: no such run in runs"),
        (["compare", "a"], 2, "eval compare: give at least two runs"),
        (["compare", "a", "b"], 4, "a: no such run in runs"),
        (["a", "b"], 2, "one run is evaluated at a time, got a, b"),
    ],
)
def test_what_cannot_be_evaluated(
    swiftagent: Run, tmp_path: Path, gold: Path, predictions: Path, words: list[str], code: int, message: str
):
    written(tmp_path / "other.jsonl", [gold_row("c", "Oslo")])
    done = swiftagent("eval", *words)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_comparing_evaluations(swiftagent: Run, tmp_path: Path, gold: Path, predictions: Path):
    for name in ("one", "two"):
        swiftagent("eval", "--predictions", predictions, "--data", gold, "-o", tmp_path / name, "-q")
    done = swiftagent("eval", "compare", "one", "two", "--markdown")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "|  | one | two |"
    assert "| call_exact | 50.0" in done.stdout
    assert "different rows" not in done.stderr


def test_comparing_what_cannot_be_compared(swiftagent: Run, tmp_path: Path, gold: Path, predictions: Path):
    """Runs of one name are both told, and evaluations of different rows are named."""
    swiftagent("eval", "--predictions", predictions, "--data", gold, "-o", tmp_path / "p" / "demo", "-q")
    other = written(tmp_path / "other.jsonl", [gold_row("a", "Oslo"), gold_row("b", "Bern")])
    swiftagent("eval", "--predictions", predictions, "--data", other, "-o", tmp_path / "q" / "demo", "-q")
    done = swiftagent("eval", "compare", "p/demo", "q/demo", "--json")
    assert [found["call_exact"]["value"] for found in json.loads(done.stdout).values()] == [0.5, 1.0]
    assert "warning: these evaluations are of different rows" in done.stderr
