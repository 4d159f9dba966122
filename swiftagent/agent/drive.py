"""Drives a turn of the loop: an engine writes, tools run, a listener watches. The one place where they meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Protocol, TypeVar, cast

import msgspec

from swiftagent.agent.loop import DEFAULT_LIMITS, REACT, Generate, Generated, Grammar, Limits, Turn, driven, run_turn
from swiftagent.agent.sampling import PLAIN, Sampling
from swiftagent.errors import SetupError
from swiftagent.io.jsonl import without_surrogates
from swiftagent.tools.source import NoCode, ToolResult
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.react import OBSERVATION
from swiftagent.trajectory.read_step import step_end
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Call, Event, Tool, Trajectory

Asked = TypeVar("Asked")
Given = TypeVar("Given")
Result = TypeVar("Result")
Pieces = Generator[str, None, None]

# Characters a token on average at most, in a text of `max_tokens`.
_LONGEST_TOKEN = 64


class RequestRefused(SetupError):
    """The engine refused one request (too long, filtered, ...), though it answers others."""


class Usage(msgspec.Struct):
    """What one generation cost. prefilled: prompt tokens that had to be computed, of prompt_tokens.
    ended_by: "stop", "end" (its end token), "length" or "seconds". ids: the tokens that were sampled, with their
    end; [] where the engine does not know them."""

    prompt_tokens: int = 0
    prefilled: int = 0
    generated: int = 0
    ended_by: str = "end"
    ids: list[int] = []


class Engine(Protocol):
    """Something that writes on after the messages of a request; closing the iterator stops it.

    usage: filled while the text is read. It is the caller's own, since several threads may use one engine.
    """

    name: str

    def generate(self, request: Generate, sampling: Sampling = PLAIN, usage: Usage | None = None) -> Pieces: ...

    def close(self) -> None: ...


class Listener:
    """Watches a run. This one is silent; a terminal or a server overrides what it wants to know."""

    def text(self, piece: str) -> None:
        """The model wrote this."""

    def step_begins(self) -> None:
        """The model is about to write."""

    def event(self, event: Event, error: str) -> None:
        """A thought, call, result or answer, as it was read."""


SILENT = Listener()
Ask = Callable[[Call, Tool | None], str]


class Runtime(msgspec.Struct):
    """What a run needs from outside. ask: the user gives the result of a tool that has no code. confirm: whether a call
    may run; the model sees the refusal."""

    engine: Engine
    toolbox: Toolbox
    ask: Ask
    confirm: Callable[[Call], bool] = lambda call: True
    listener: Listener = SILENT
    temperature: float = 0.0


def answer(
    runtime: Runtime, before: Trajectory, question: str, limits: Limits = DEFAULT_LIMITS, grammar: Grammar = REACT
) -> Turn:
    """Answer one question. Ctrl-C while the model writes or a tool runs ends the turn, with what came of it so far."""
    turn = run_turn(before, question, limits, grammar)
    finished = finish(driven(turn, partial(_call, runtime), runtime.listener.event), partial(_write, runtime))
    # A turn without an answer may end within a line.
    runtime.listener.step_begins()
    return finished


def finish(job: Generator[Asked, Given, Result], answer: Callable[[Asked], Given]) -> Result:
    """Answer a generator's requests until it is done."""
    try:
        request = next(job)
        while True:
            try:
                given = answer(request)
            # A job may know what to make of it.
            except RequestRefused as error:
                request = job.throw(error)
            else:
                request = job.send(given)
    except StopIteration as done:
        return cast(Result, done.value)


class Dialog(msgspec.Struct):
    """A conversation that grows by its turns after `before`. A question that was interrupted is forgotten."""

    runtime: Runtime
    before: Trajectory
    limits: Limits
    grammar: Grammar
    turns: list[Turn] = []

    @property
    def conversation(self) -> Trajectory:
        return self.turns[-1].conversation if self.turns else self.before

    def ask(self, question: str) -> Turn:
        turn = answer(self.runtime, self.conversation, question, self.limits, self.grammar)
        if turn.stopped_by != "interrupt":
            self.turns.append(turn)
        return turn

    def reset(self, before: Trajectory | None = None) -> None:
        """Begin again, after `before` where it is given."""
        self.before, self.turns = before or self.before, []


def write(
    engine: Engine, request: Generate, usage: Usage, prefix: str = "", sampling: Sampling = PLAIN
) -> Generator[str, bool | None, Generated]:
    """The text of one step as it grows behind `prefix`, up to its end or a limit; it ends too where True is sent."""
    started = time.monotonic()
    text, ended_by = prefix, ""
    begun: list[Message] = [{"role": "assistant", "content": prefix}] if prefix else []
    pieces = engine.generate(msgspec.structs.replace(request, messages=[*request.messages, *begun]), sampling, usage)
    try:
        for piece in map(without_surrogates, pieces):
            text += piece
            # Every label holds a colon: the text is searched at those pieces alone.
            is_whole = bool(request.stop) and (":" in piece or "：" in piece) and step_end(text) is not None
            if is_whole or (yield text):
                ended_by = "stop"
            # A server may ignore the limit that it was sent.
            elif len(text) - len(prefix) > request.max_tokens * _LONGEST_TOKEN:
                ended_by = "length"
            elif time.monotonic() - started > request.seconds:
                ended_by = "seconds"
            if ended_by:
                break
    finally:
        pieces.close()
    return Generated(text, usage.generated, time.monotonic() - started, ended_by or usage.ended_by)


def _write(runtime: Runtime, request: Generate) -> Generated:
    started = time.monotonic()
    text, sent, usage = "", 0, Usage()
    runtime.listener.step_begins()
    writing = write(runtime.engine, request, usage, sampling=Sampling(temperature=runtime.temperature))
    try:
        while True:
            text = next(writing)
            upto = _sure_length(text) if request.stop else len(text)
            if upto > sent:
                runtime.listener.text(text[sent:upto])
                sent = upto
    except StopIteration as done:
        written: Generated = done.value
    except KeyboardInterrupt:
        writing.close()
        return Generated(text, usage.generated, time.monotonic() - started, "interrupt")
    if rest := written.text[sent : step_end(written.text) if request.stop else None]:
        runtime.listener.text(rest)
    return written


def _sure_length(text: str) -> int:
    """Where a last line begins that may yet become the stop word; the whole length where it cannot."""
    start = text.rfind("\n") + 1
    line = text[start:].lstrip("*_#> ").lower()
    return start if len(line) <= len(OBSERVATION) and OBSERVATION.lower().startswith(line) else len(text)


def _call(runtime: Runtime, call: Call) -> ToolResult:
    started = time.monotonic()
    try:
        if not runtime.confirm(call):
            return ToolResult("Error: the user did not allow this call", "the user did not allow this call")
        try:
            return runtime.toolbox.call(call)
        # Declared without code, and no canned result fits: only the user knows.
        except NoCode:
            spec = next((tool for tool in runtime.toolbox.specs if tool.name == call.tool), None)
            return ToolResult(runtime.ask(call, spec), "", 0.0)
    except KeyboardInterrupt:
        error = "interrupted by the user"
        return ToolResult(f"Error: {error}", error, time.monotonic() - started, interrupted=True)
