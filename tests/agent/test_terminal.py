"""What the terminal shows, and what the slash commands do."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from swiftagent.agent.drive import Dialog, Runtime
from swiftagent.agent.loop import REACT, Limits, start
from swiftagent.agent.session import Session
from swiftagent.agent.terminal import Terminal, confirm
from swiftagent.agent.traces import Recorder
from swiftagent.errors import visible
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.types import Call, Observation, System, Tool

LOOK = 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\n'


def shown(terminal: Terminal, *texts: str, piece: int = 2) -> None:
    for text in texts:
        terminal.step_begins()
        for start_at in range(0, len(text), piece):
            terminal.text(text[start_at : start_at + piece])


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_the_parts_are_told_apart(capsys: pytest.CaptureFixture[str], piece: int):
    terminal = Terminal()
    shown(terminal, LOOK, piece=piece)
    terminal.event(Observation("3C"), "")
    shown(terminal, "Thought: I know\nFinal Answer: It is 3C.\nThe end", piece=piece)
    terminal.event(Observation("late"), "failed")
    assert capsys.readouterr().out.splitlines() == [
        "· Thought: look",
        "▶ Action: weather",
        '▶ Action Input: {"city": "Oslo"}',
        "◀ Observation: 3C",
        "· Thought: I know",
        "■ Final Answer: It is 3C.",
        "The end",
        "◀ Observation: late",
    ]


def test_thoughts_can_be_hidden(capsys: pytest.CaptureFixture[str]):
    shown(Terminal(think=False), "<think>\nsecret\n</think>\nThought: hidden\nFinal Answer: seen")
    assert capsys.readouterr().out.split() == ["■", "Final", "Answer:", "seen"]


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_thinking_may_end_within_a_line(capsys: pytest.CaptureFixture[str], piece: int):
    text = "<think>deep <b</think>Thought: seen\nFinal Answer: 1 < 2 </"
    shown(terminal := Terminal(), text, piece=piece)
    terminal.step_begins()
    assert capsys.readouterr().out.splitlines() == ["deep <b", "· Thought: seen", "■ Final Answer: 1 < 2 </"]
    shown(terminal := Terminal(think=False), text, piece=piece)
    terminal.step_begins()
    assert capsys.readouterr().out.splitlines() == ["■ Final Answer: 1 < 2 </"]


def test_nobody_there_allows_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert confirm(Call("pay", {})) is False


def test_nothing_moves_the_cursor():
    assert visible("a\x1b[2J\x07\r\u202eb\nc\t") == "a\\x1b[2J\\x07\\r\\u202eb\nc\t"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def make(lines: str, *texts: str) -> Session:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        engine = ScriptedEngine(*texts)
        runtime = Runtime(engine, Toolbox([]), lambda call, tool: "3C")
        recorder = Recorder(tmp_path / "run.jsonl", "record", False, "ms-agent", "auto")
        before = start((Tool("weather", "of a city"),), "Be short.")
        return Session(Dialog(runtime, before, Limits(), REACT), recorder)

    return make


def test_a_conversation_with_commands(session, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = f"one\n\n/undo\ntwo\n/tools\n/system\n/save {tmp_path / 'saved.jsonl'}\n/help\nthree\n/quit\nnever\n"
    chat = session(lines, "Final Answer: 1", LOOK + "Observation:", "Final Answer: 2", "Final Answer: 3")
    assert [turn.answer for turn in chat.turns_of(None)] == ["1", "2", "3"]
    chat.recorder.add(chat.dialog.turns)
    told = capsys.readouterr().err
    assert "weather: of a city" in told and "Be short." in told and "/reset" in told
    saved = json.loads((tmp_path / "saved.jsonl").read_text())
    assert [message["content"] for message in saved["messages"] if message["role"] == "user"] == ["two"]
    recorded = json.loads((tmp_path / "run.jsonl").read_text())
    assert [message["content"] for message in recorded["messages"] if message["role"] == "user"] == ["two", "three"]


def test_reset_and_a_new_system_prompt(session):
    chat = session("one\n/reset\ntwo\n/system Be loud.\nthree\n", *["Final Answer: x"] * 3)
    list(chat.turns_of(None))
    assert [len(prompt) for prompt in chat.dialog.runtime.engine.prompts] == [2, 2, 2]
    assert chat.dialog.conversation.events[0] == System("Be loud.")
