"""The terminal of `infer`: the model's text as it streams, questions to the user, and the chat prompt."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from swiftagent import console
from swiftagent.agent.drive import Listener
from swiftagent.agent.loop import Turn
from swiftagent.errors import visible
from swiftagent.trajectory.react import OBSERVATION
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Tool

# label: (sign before it, style of the label, style of what follows)
LOOKS = {
    "thought": ("·", "dim", "dim italic"),
    "action": ("▶", "bold cyan", "bold cyan"),
    "action input": ("▶", "cyan", "cyan"),
    "observation": ("◀", "bold yellow", "yellow"),
    "final answer": ("■", "bold green", "bold"),
}
# What begins a line counts behind </think> as well.
_BEGINS = r"(?:^|(?<=</think>))"
_LABEL = re.compile(r"(thought|action input|action|observation|final answer) *[:：] ?", re.I)
_MARK = re.compile(rf"{_BEGINS}[ \t]*<think>|</think>|{_BEGINS}{_LABEL.pattern}", re.I | re.M)
# Characters of a line's start that are held back until it is clear whether it is a label.
_COULD_BE_LABEL = 16
_LONGEST_SHOWN = 2_000


class Terminal(Listener):
    """Prints a run as it happens, its parts marked by colour and by a sign before each."""

    # Of the step: its text, the number of characters that are printed, and the last one.
    _text, _seen, _last = "", 0, "\n"

    def __init__(self, think: bool = True) -> None:
        self.think = think

    def step_begins(self) -> None:
        self._end_line()

    def text(self, piece: str) -> None:
        self._text += piece
        self._show(self._text[: _sure_length(self._text)])

    def _show(self, text: str) -> None:
        seen = self._seen
        for part, style in _styled(text, self.think):
            if new := part[seen:]:
                # A model may write what a terminal would obey.
                console.out.print(visible(new), style=style, end="", markup=False, soft_wrap=True)
                self._seen, self._last = self._seen + len(new), new[-1]
            seen = max(0, seen - len(part))

    def event(self, event: Event, error: str) -> None:
        match event:
            case Observation(text=text):
                self._end_line()
                more = f"... ({len(text):,} characters)" if len(text) > _LONGEST_SHOWN else ""
                shown = text[:_LONGEST_SHOWN] + more
                sign, look, style = LOOKS["observation"]
                console.out.print(f"{sign} {OBSERVATION} ", style=look, end="", markup=False)
                console.out.print(visible(shown), style="red" if error else style, markup=False, soft_wrap=True)
            case Answer():
                self._end_line()

    def _end_line(self) -> None:
        self._show(self._text)
        if self._last != "\n":
            console.out.print()
        self._text, self._seen, self._last = "", 0, "\n"


def _sure_length(text: str) -> int:
    """How much of a text can be shown: neither a label that is under way nor an end of thinking."""
    start = max(text.rfind("\n") + 1, text.rfind("</think>") + len("</think>") if "</think>" in text else 0)
    label = _LABEL.match(text, start)
    if len(text) - start <= _COULD_BE_LABEL and not (label and len(text) > label.end()):
        return start
    return len(text) - next((size for size in range(7, 0, -1) if text.endswith("</think>"[:size])), 0)


def _styled(text: str, think: bool) -> list[tuple[str, str]]:
    """What of a step's text is shown, each part with its style."""
    shown: list[tuple[str, str]] = []
    style, is_hidden, place = "", False, 0
    for mark in _MARK.finditer(text):
        shown += [] if is_hidden else [(text[place : mark.start()], style)]
        place = mark.end()
        if name := (mark[1] or "").lower():
            sign, look, style = LOOKS[name]
            is_hidden = name == "observation" or (name == "thought" and not think)
            shown += [] if is_hidden else [(f"{sign} {mark[1]}: ", look)]
        elif mark[0] == "</think>":
            shown += [("\n", "")] if not is_hidden and not text[: mark.start()].endswith("\n") else []
            style, is_hidden = "", False
        else:
            style, is_hidden = "dim italic", not think
    return shown if is_hidden else [*shown, (text[place:], style)]


class ColumnListener(Listener):
    """Writes what one of two models says, and what its tools answer, into a column."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def text(self, piece: str) -> None:
        self.write(piece)

    def event(self, event: Event, error: str) -> None:
        if isinstance(event, Observation):
            self.write(f"\n{OBSERVATION} {event.text[:500]}\n")


def ask_user(call: Call, tool: Tool | None) -> str:
    """Ask for the result of a call that nothing runs. Raises EOFError where nobody is there."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    console.say(f"{call.tool}({arguments}): no code behind it. What does it answer?")
    return _line(f"{OBSERVATION} ")


def confirm(call: Call) -> bool:
    """Ask whether a call may run; anything but yes is no, and so is nobody there."""
    console.say(f"run {call.tool}({json.dumps(call.arguments, ensure_ascii=False)})? [y/N]")
    try:
        return _line("").strip().lower() in ("y", "yes", "j", "ja", "是", "好")
    except EOFError:
        return False


def _line(prompt: str) -> str:
    if sys.stdin.isatty():
        return input(prompt)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def read_questions(history: Path | None) -> Callable[[], str | None]:
    """A function that reads the next question, "" for a blank line, with line editing and history on a terminal. It
    returns None at the end."""
    if sys.stdin.isatty():
        _load_history(history)

    def read() -> str | None:
        try:
            return _line("> ").strip()
        except EOFError:
            return None
        except KeyboardInterrupt:
            console.say("")
            return ""

    return read


def _load_history(path: Path | None) -> None:
    import atexit
    import contextlib

    with contextlib.suppress(ImportError):
        import readline

        if path is None:
            return
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.read_history_file(path)
        readline.set_history_length(1000)

        def save() -> None:
            with contextlib.suppress(OSError):
                readline.write_history_file(path)

        atexit.register(save)


def show_end(turn: Turn) -> None:
    """Say how a turn ended where that was not with an answer of its own."""
    if turn.stopped_by == "interrupt":
        console.say("stopped; this question is forgotten")
    elif turn.stopped_by != "answer":
        console.warn(f"{'stopped' if turn.answer is None else 'answered'} at the limit on {turn.stopped_by}")
