"""What one model writes on gold: its next step at every decision point, its free runs, and the likelihood of answers.

Every prediction is appended to a log, so that an evaluation that was cut short resumes where it stopped.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from filelock import FileLock, Timeout

from swiftagent.agent.loop import REACT, Generate, Grammar, Limits, Reply, Request, RunTool, Turn, run_turn
from swiftagent.agent.native import Native
from swiftagent.errors import SetupError
from swiftagent.evaluate.jobs import CachedEngine, Job, finish_all
from swiftagent.io import jsonl
from swiftagent.scores.calls import Attempt, DecisionPoint, Predicted, Replay
from swiftagent.scores.reading import predicted_from_step, predicted_from_text
from swiftagent.tools.source import ToolResult
from swiftagent.trajectory.react import ACTION_LABEL
from swiftagent.trajectory.types import Call, Event, Observation, Question, Trajectory

Done = Callable[[], None]
T = TypeVar("T")


class Entry(msgspec.Struct):
    """One line of predictions.jsonl or state.jsonl. kind: "step", "run", "likelihood" or
    "state"; id: of the decision point, task or answer."""

    model: str
    kind: str
    id: str
    text: str = ""
    calls: list[Attempt] = msgspec.field(default_factory=list)
    answer: str | None = None
    readable: bool = True
    invented_observation: bool = False
    stopped_by: str = ""
    bits: float | None = None
    bytes: int = 0
    faults: list[str] = msgspec.field(default_factory=list)  # of a run with state

    @classmethod
    def of_step(cls, model: str, name: str, found: Predicted) -> Entry:
        calls = list(found.calls)
        return cls(model, "step", name, found.text, calls, found.answer, found.readable, found.invented_observation)

    def predicted(self) -> Predicted:
        return Predicted(tuple(self.calls), self.answer, self.readable, self.invented_observation, self.text)


class Log:
    """predictions.jsonl: its first line names what was evaluated; lines of another evaluation are not mixed in.

    A file of another evaluation, hours of work perhaps, is renamed (`aside` is its new path). fresh: it is overwritten.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        head = json.dumps({"settings": settings}, ensure_ascii=False, sort_keys=True)
        self._lock = _lock(path.parent)
        found = [] if fresh else self._read(head)
        self.entries = {(entry.model, entry.kind, entry.id): entry for entry in found or []}
        self.resumed = len(found or [])
        self.aside: Path | None = None
        try:
            if found is None:
                self.aside = path.rename(_free_name(path))
            # Rewritten, so that the half line which an interruption leaves is gone before more is appended.
            with jsonl.whole_file(path) as out:
                out.writelines([head.encode() + b"\n", *(jsonl.encode(entry) + b"\n" for entry in found or [])])
            self._out = path.open("ab")
        except OSError as error:
            raise _cannot_write(path, error) from error

    def _read(self, head: str) -> list[Entry] | None:
        """What was written under the same settings; None where the file is of another evaluation."""
        if self.path.is_file() and self.path.read_bytes().partition(b"\n")[0].decode(errors="replace") != head:
            return None
        return list(read_entries(self.path, Entry))

    def add(self, entry: Entry) -> None:
        self.entries[entry.model, entry.kind, entry.id] = entry
        self._out.write(jsonl.encode(entry) + b"\n")
        self._out.flush()

    def close(self) -> None:
        self._out.close()
        self._lock.release()

    def of(self, model: str, kind: str) -> dict[str, Entry]:
        return {name: entry for (m, k, name), entry in self.entries.items() if (m, k) == (model, kind)}


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def _cannot_write(path: Path, error: OSError) -> SetupError:
    return SetupError(f"cannot write {path}: {error.strerror or error}; choose another folder with -o")


def _lock(folder: Path) -> FileLock:
    """Keep other evaluations out of a folder until it is released. Raises SetupError where one writes there or none
    can."""
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        wait = "wait for it or choose another folder with -o"
        raise SetupError(f"{folder}: another evaluation is writing there; {wait}") from None
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return lock


def read_entries(path: Path, kind: type[T]) -> Iterator[T]:
    """The entries of a log; a line that is none, as its first, and one cut short are left out."""
    decoder = msgspec.json.Decoder(kind)
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(msgspec.DecodeError):
            yield decoder.decode(line)


@dataclass
class Writer:
    """Generates one model's predictions through its engine into the log. stop: whether the stop word ends a step."""

    name: str
    engine: Any
    log: Log
    grammar: Grammar = REACT
    step_tokens: int = 512
    at_a_time: int | None = None
    stop: bool = True
    temperature: float = 0.0

    def __post_init__(self) -> None:
        self.cached = CachedEngine(self.engine, self.temperature)

    def steps(self, steps: Sequence[DecisionPoint], done: Done) -> None:
        """The next step at every decision point, on gold context."""
        self.all("step", [(step.id, partial(self._step, step)) for step in steps], done)

    def runs(self, tasks: Sequence[DecisionPoint], done: Done) -> None:
        """Every question answered freely."""
        self.all("run", [(task.id, partial(self._run, task)) for task in tasks], done)

    def likelihoods(self, answers: Sequence[DecisionPoint], done: Done) -> None:
        """The bits of held-out answers, where the engine holds the model itself."""
        before = self.log.of(self.name, "likelihood")
        for step in answers:
            if step.id not in before:
                self.log.add(self._likelihood(step))
            done()

    def all(self, kind: str, work: Sequence[tuple[str, Callable[[], Job[Entry]]]], done: Done) -> None:
        """Finish the jobs of these names that the log does not hold yet."""
        before = self.log.of(self.name, kind)
        for name, _ in work:
            if name in before:
                done()
        for entry in finish_all([job for name, job in work if name not in before], self.cached, self.at_a_time):
            self.log.add(entry)
            done()

    def _step(self, step: DecisionPoint) -> Job[Entry]:
        texts: list[str] = []
        attempts: list[Attempt] = []
        readable, invented = True, False
        context: tuple[Event, ...] = step.context
        while True:
            found = yield from self._predict(Trajectory(context, step.tools))
            texts.append(found.text)
            attempts += found.calls
            readable, invented = readable and found.readable, invented or found.invented_observation
            if not found.calls or len(attempts) >= len(step.calls):
                break
            # A ReAct step holds one call: of parallel ones, the next is asked for after the result of the one before.
            last, number = attempts[-1], f"p{len(attempts)}"
            result = Replay(step.calls, step.results).result(last)
            context = (*context, Call(last.tool, last.arguments, number), Observation(result, number))
        answered = None if attempts else found.answer
        return Entry(self.name, "step", step.id, "\n".join(texts), attempts, answered, readable, invented)

    def _predict(self, conversation: Trajectory) -> Job[Predicted]:
        stop = self.grammar.stop if conversation.is_agentic and self.stop else ""
        messages = self.grammar.messages(conversation)
        written = yield Generate(messages, stop, self.step_tokens, inf, self.grammar.declared(conversation))
        if isinstance(self.grammar, Native):
            return predicted_from_step(self.grammar.read(written.text, conversation.tools), written.text)
        return predicted_from_text(written.text, agentic=conversation.is_agentic, tools=conversation.tools)

    def _run(self, task: DecisionPoint) -> Job[Entry]:
        *before, question = task.context
        replay = Replay(task.calls, task.results)
        limits = Limits(steps=max(6, 2 * len(task.calls) + 2), step_tokens=self.step_tokens)
        turn = yield from driven(
            run_turn(Trajectory(tuple(before), task.tools), getattr(question, "text", ""), limits, self.grammar),
            lambda call: ToolResult(replay.result(Attempt(call.tool, call.arguments))),
        )
        made = [Attempt(event.tool, event.arguments) for event in turn.events if isinstance(event, Call)]
        text = transcript(turn.events)
        return Entry(self.name, "run", task.id, text, made, turn.answer, stopped_by=turn.stopped_by)

    def _likelihood(self, step: DecisionPoint) -> Entry:
        text = step.answer or ""
        bits = self.engine.answer_bits(self.grammar.messages(Trajectory(step.context, step.tools)), text)
        return Entry(self.name, "likelihood", step.id, bits=bits, bytes=len(text.encode()))


def driven(turn: Generator[Request, Reply, Turn], run_tool: Callable[[Call], ToolResult]) -> Job[Turn]:
    """A turn of the loop whose calls are run by `run_tool`."""
    reply: Reply = None
    try:
        while True:
            match turn.send(reply):
                case Generate() as request:
                    reply = yield request
                case RunTool(call=call):
                    reply = run_tool(call)
                case _:
                    reply = None
    except StopIteration as done:
        result: Turn = done.value
        return result


def transcript(events: Iterable[Event], *, questions: bool = False) -> str:
    """Events as readable text, one a line, with the user's questions where asked for."""
    lines = []
    for event in events:
        match event:
            case Question() if not questions:
                continue
            case Call(tool=tool, arguments=arguments):
                lines.append(f"{ACTION_LABEL}{tool} {json.dumps(arguments, ensure_ascii=False)}")
            case _:
                kind = type(event).__name__
                label = {"Observation": "Result", "Question": "User"}.get(kind, kind)
                lines.append(f"{label}: {event.text}")
    return "\n".join(lines)
