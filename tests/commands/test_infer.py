"""`swiftagent infer`: what is wrong with its words is said before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftagent.cli import main


@pytest.mark.parametrize(
    "words, code, told",
    [
        (("--react", "--native", "x"), 2, "--react and --native exclude each other"),
        (("--input", "a.jsonl"), 2, "--input and --output belong together"),
        (("--compare",), 2, "--compare needs a question"),
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
