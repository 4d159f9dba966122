"""`swiftagent infer`: what is wrong with its words is said before anything is loaded."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

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
        (("--compare", "--input", "a.jsonl", "--output", "b.jsonl"), 2, "--output b.jsonl: --compare writes a page"),
        (
            ("--compare", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "x"),
            2,
            "--compare needs the engine transformers",
        ),
        (("--compare", "--model", "plain", "x"), 2, "--compare: plain has no adapter, so there is no base"),
        (("--max-steps", "0", "x"), 2, "--max-steps: expected a whole number from 1 up"),
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


class TwoModels(ScriptedEngine):
    """Tuned, with a base below it."""

    def __init__(self) -> None:
        super().__init__("tuned one", "tuned <b>two</b>")
        self.base = ScriptedEngine("base one", "base two")

    def without_adapter(self) -> ScriptedEngine:
        return self.base


@pytest.fixture
def two_models(monkeypatch: pytest.MonkeyPatch, in_empty_folder: None) -> TwoModels:
    engine = TwoModels()
    monkeypatch.setattr("swiftagent.commands.asking.load", lambda args: engine)
    return engine


def test_compare_is_a_chat_in_which_each_side_remembers_its_own_answers(
    two_models: TwoModels, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin", io.StringIO("first?\nsecond?\n/quit\n"))
    assert main(["infer", "--compare", "--model", "m"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("base one") < shown.index("tuned one") < shown.index("base two")
    assert [message["content"] for message in two_models.base.prompts[1]][-3:] == ["first?", "base one", "second?"]


def test_compare_writes_a_page_of_a_file_of_conversations(two_models: TwoModels, tmp_path: Path):
    (tmp_path / "q.jsonl").write_text(json.dumps({"id": "talk", "questions": ["first?", "second?"]}) + "\n")
    assert main(["infer", "--compare", "--model", "m", "--input", "q.jsonl", "--output", "both.html"]) == 0
    page = (tmp_path / "both.html").read_text()
    assert all(text in page for text in ("base one", "tuned one", "base two", "tuned &lt;b&gt;two&lt;/b&gt;", "talk"))
