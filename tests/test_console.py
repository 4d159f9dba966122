"""Tables that fit, words in the singular, and a sign of life."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from swiftagent import console

LONG = "sentences are wrapped between their words and never within one, however long the sentence becomes in the end"


def test_a_table_of_80_columns_breaks_no_word_and_no_number(capsys: pytest.CaptureFixture[str]):
    console.table("recipes", ["name", "rows", "about"], [["qwen7b_agent", 1_234_567, LONG]], console=console.out)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ["qwen7b_agent", "1,234,567", *LONG.split()])
    assert max(map(len, shown.splitlines())) <= 80


def test_what_has_no_room_is_one_line_a_cell(capsys: pytest.CaptureFixture[str]):
    path = "/" + "folder/" * 12 + "checkpoint-9"
    console.table("", ["run", "where"], [["a", path]], console=console.out)
    assert capsys.readouterr().out == f"a\n  where: {path}\n"


@pytest.mark.parametrize(
    "text, said",
    [
        ("1 rows were left out", "1 row was left out"),
        ("11 rows, 1 gold calls", "11 rows, 1 gold call"),
        ("0.1 rows", "0.1 rows"),
        ("2,001 rows are", "2,001 rows are"),
        ("step 1 of 3 steps", "step 1 of 3 steps"),
    ],
)
def test_one_is_singular(text: str, said: str):
    assert console.singular(text) == said


def test_silence_is_broken_by_what_is_being_done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(console, "SILENCE", 0.2)
    with console.progress("loading"):
        sys.stderr, kept = io.StringIO(), sys.stderr  # as libraries are kept quiet
        try:
            time.sleep(0.3)
        finally:
            sys.stderr = kept
        with console.progress("measuring", 3) as stage:
            stage.advance(2)
            said, end = "", time.monotonic() + 20
            while "measuring" not in said and time.monotonic() < end:
                time.sleep(0.01)
                said += capsys.readouterr().err
    time.sleep(0.3)
    lines = (said + capsys.readouterr().err).splitlines()
    assert lines[0] == "loading 0 s"
    assert lines[-1].startswith("measuring 2 of 3, ")
    assert {line.split()[0] for line in lines} == {"loading", "measuring"}  # and nothing after its end


def test_a_quiet_command_stays_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(console, "SILENCE", 0.1)
    with console.progress("loading", quiet=True):
        time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_rich_is_imported_only_when_something_is_drawn():
    """It takes a quarter of the start of a quiet command."""
    code = "from swiftagent.console import progress\nwith progress('rows') as bar: bar.advance()\nimport sys\n"
    code += "print([name for name in sys.modules if name.startswith('rich')])"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True)
    assert (done.stdout, done.stderr) == (b"[]\n", b"")
