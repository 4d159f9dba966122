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
_LABEL = re.compile(r"(thought|action input|action|observation|final answer) *[:：] ?", re.I)
_THINK_BEGINS = re.compile(r"\s*<think>")
# Wherever it stands, what follows begins a line.
_THINK_ENDS = "</think>"
# Characters of a line's start that are held back until it is clear whether it is a label.
_COULD_BE_LABEL = 16
_LONGEST_SHOWN = 2_000


class Terminal(Listener):
    """Prints a run as it happens, its parts marked by colour and by a sign before each."""

    def __init__(self, think: bool = True) -> None:
        self.think = think
        self._line = ""
        # What may yet become the end of the thinking.
        self._held = ""
        self._at_line_start = True
        self._style = ""
        self._silent = False

    def step_begins(self) -> None:
        self._end_line()
        self._line, self._style = "", ""

    def text(self, piece: str) -> None:
        *before, rest = (self._held + piece).split(_THINK_ENDS)
        held = next((size for size in range(len(_THINK_ENDS) - 1, 0, -1) if rest.endswith(_THINK_ENDS[:size])), 0)
        self._held = ""
        for text in before:
            self._feed_lines(text)
            self._end_line()
            self._style = ""
        self._feed_lines(rest[: len(rest) - held])
        self._held = rest[len(rest) - held :]

    def _feed_lines(self, text: str) -> None:
        for part in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._feed(part)

    def _feed(self, part: str) -> None:
        if not self._at_line_start:
            self._print(part)
        else:
            self._line += part
            label = _LABEL.match(self._line)
            if label and (label.group().endswith(" ") or len(self._line) > label.end()):
                self._show_label(label)
            elif tag := _THINK_BEGINS.match(self._line):
                self._line = self._line[tag.end() :]
                self._style, self._silent = "dim italic", not self.think
                self._flush()
            elif "\n" in self._line or len(self._line) > _COULD_BE_LABEL:
                self._flush()
        if part.endswith("\n"):
            self._flush()
            self._at_line_start = True

    def _show_label(self, label: re.Match[str]) -> None:
        name = label.group(1).lower()
        sign, look, self._style = LOOKS[name]
        self._silent = name == "observation" or (name == "thought" and not self.think)
        rest, self._line, self._at_line_start = self._line[label.end() :], "", False
        self._print(f"{sign} {label.group(1)}: ", look)
        self._print(rest)

    def _flush(self) -> None:
        line, self._line = self._line, ""
        if line:
            self._at_line_start = False
            self._print(line)

    def _print(self, text: str, style: str | None = None) -> None:
        if text and not self._silent:
            # A model may write what a terminal would obey.
            text = visible(text)
            console.out.print(text, style=self._style if style is None else style, end="", markup=False, soft_wrap=True)

    def event(self, event: Event, error: str) -> None:
        match event:
            case Observation(text=text):
                self._end_line()
                shown = (
                    text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}... ({len(text):,} characters)"
                )
                sign, look, style = LOOKS["observation"]
                console.out.print(f"{sign} {OBSERVATION} ", style=look, end="", markup=False)
                console.out.print(visible(shown), style="red" if error else style, markup=False, soft_wrap=True)
            case Answer():
                self._end_line()

    def _end_line(self) -> None:
        held, self._held = self._held, ""
        self._feed_lines(held)
        self._flush()
        if not self._at_line_start and not self._silent:
            console.out.print()
        self._at_line_start, self._silent = True, False


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
    """A function that reads the next question, with line editing and history on a terminal. It returns None at the
    end."""
    if sys.stdin.isatty():
        _load_history(history)

    def read() -> str | None:
        try:
            while True:
                line = _line("> ").strip()
                if line:
                    return line
        except EOFError:
            return None
        except KeyboardInterrupt:
            console.say("")
            return ""

    return read


def _load_history(path: Path | None) -> None:
    import atexit
    import contextlib

    try:
        import readline
    except ImportError:
        return
    if path is not None:
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
