"""`swiftagent infer`: what is wrong with its words is said before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swiftagent.cli import main
from swiftagent.evaluate.target import training_files
from swiftagent.train.runs import Run
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.style import prompt_style
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory


@pytest.mark.parametrize(
    "words, code, told",
    [
        (("--react", "--native", "x"), 2, "--react and --native exclude each other"),
        (("--input", "a.jsonl"), 2, "--input and --output belong together"),
        (("--compare",), 2, "--compare needs a question"),
        (
            ("--compare", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "x"),
            2,
            "--compare needs the engine transformers",
        ),
        (("--max-steps", "0", "x"), 2, "--max-steps 0: must be above 0"),
        (("--tools", "none.py", "x"), 2, "--tools none.py: no such file"),
        (("--mock", "none.json", "x"), 2, "--mock none.json: cannot be read: No such file or directory"),
        (("--system", "@none.txt", "x"), 2, "--system @none.txt: cannot be read: No such file or directory"),
        (("--engine", "openai", "x"), 2, "--engine openai needs --base-url URL and --model NAME"),
        (("x",), 4, "runs: no run with a checkpoint; `swiftagent sft CONFIG` makes one"),
        (("--run", "none", "x"), 4, "none: no such run in runs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: tuple[str, ...],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main(["infer", *words]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err and len(shown.err.splitlines()) == 1


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_prompt_is_that_of_the_runs_data_from_any_folder(tmp_path: Path, in_empty_folder: None):
    tools = (Tool("weather", "", {"type": "object", "properties": {"city": {"type": "string"}}}),)
    row = Trajectory((Question("?"), Call("weather", {}), Observation("3C"), Answer("3C")), tools)
    for style in ("schema", "ms-agent"):
        path = tmp_path / "made" / "data" / f"{style}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = to_record(Trajectory((Question("?"), Answer("x"))))
        path.write_text("".join(json.dumps(record) + "\n" for record in (plain, to_record(row, style))))
        run = Run(tmp_path / "made" / "runs" / style)
        run.folder.mkdir(parents=True)
        run.update(config={"data": [f"data/{style}.jsonl"], "runs": "runs"}, folder=str(tmp_path / "made"))
        assert prompt_style(run.data_files()) == style
        assert prompt_style(training_files(run)) == style  # as evaluation finds it
    run.update(config={})
    assert run.data_files() == []
