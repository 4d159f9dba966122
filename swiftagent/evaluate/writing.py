"""What one model writes on gold: its next step at every decision point, its free runs, and the likelihood of answers.

Every prediction is appended to a log, so that an evaluation that was cut short resumes where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, groupby
from operator import methodcaller
from pathlib import Path
from typing import Any, Literal

import msgspec
from filelock import FileLock, Timeout

from swiftagent.agent.loop import REACT, Grammar, Job, Limits, driven, next_step, run_turn
from swiftagent.agent.native import Native
from swiftagent.errors import SetupError
from swiftagent.evaluate.jobs import CachedEngine, finish_all
from swiftagent.io import jsonl
from swiftagent.scores.calls import Attempt, DecisionPoint, Predicted, Replay, attempts_of
from swiftagent.scores.reading import predicted_from_step, predicted_from_text
from swiftagent.trajectory.react import ACTION_LABEL
from swiftagent.trajectory.types import Call, Event, Observation, Question, Trajectory

Done = Callable[[int], None]


class Entry(Predicted, frozen=True, kw_only=True):
    """One line of predictions.jsonl or state.jsonl. kind: "step", "run", "likelihood" or
    "state"; id: of the decision point, task or answer."""

    model: str
    kind: str
    id: str
    stopped_by: str = ""
    bits: float | None = None
    bytes: int = 0
    faults: list[str] = []  # of a run with state


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
                names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
                self.aside = path.rename(next(name for name in names if not name.exists()))
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
        return list(jsonl.read_entries(self.path, Entry))

    def add(self, entry: Entry) -> None:
        self.entries[entry.model, entry.kind, entry.id] = entry
        self._out.write(jsonl.encode(entry) + b"\n")
        self._out.flush()

    def lacking(self, model: str, works: Sequence[Writing]) -> list[Writing]:
        """What a model has not done yet."""
        return [work for work in works if (model, work.kind, work.id) not in self.entries]

    def close(self) -> None:
        self._out.close()
        self._lock.release()

    def of(self, model: str, kind: str) -> dict[str, Entry]:
        return {name: entry for (m, k, name), entry in self.entries.items() if (m, k) == (model, kind)}


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

    def finish(self, works: Sequence[Writing], done: Done) -> None:
        """Write the entries that the log does not hold yet; done: called with 1 for each."""
        left = self.log.lacking(self.name, works)
        for temperature, part in groupby(left, key=lambda work: work.temperature):
            jobs = [partial(work.job, self) for work in part]
            for entry in finish_all(jobs, CachedEngine(self.engine, temperature), self.at_a_time):
                self.log.add(entry)
                done(1)

    def step(self, step: DecisionPoint) -> Job[Entry]:
        """The next step on gold context."""
        found: list[Predicted] = []
        attempts: list[Attempt] = []
        context: tuple[Event, ...] = step.context
        while True:
            found.append((yield from self._predict(Trajectory(context, step.tools))))
            attempts += found[-1].calls
            if not found[-1].calls or len(attempts) >= len(step.calls):
                break
            # A ReAct step holds one call: of parallel ones, the next is asked for after the result of the one before.
            last = Call(attempts[-1].tool, attempts[-1].arguments, f"p{len(attempts)}")
            context = (*context, last, Observation(Replay(step.calls, step.results).call(last).text, last.id))
        text, answer = "\n".join(each.text for each in found), None if attempts else found[-1].answer
        readable, invented = all(each.readable for each in found), any(each.invented_observation for each in found)
        return Entry(tuple(attempts), answer, readable, invented, text, model=self.name, kind="step", id=step.id)

    def _predict(self, conversation: Trajectory) -> Job[Predicted]:
        request = next_step(self.grammar, conversation, self.step_tokens)
        written = yield request if self.stop else msgspec.structs.replace(request, stop="")
        if isinstance(self.grammar, Native):
            return predicted_from_step(self.grammar.read(written.text, conversation.tools), written.text)
        return predicted_from_text(written.text, agentic=conversation.is_agentic, tools=conversation.tools)

    def run(self, task: DecisionPoint) -> Job[Entry]:
        """A question answered freely."""
        limits = Limits(steps=max(6, 2 * len(task.calls) + 2), step_tokens=self.step_tokens)
        turn = run_turn(Trajectory(task.context, task.tools), None, limits, self.grammar)
        done = yield from driven(turn, Replay(task.calls, task.results).call)
        calls, text = attempts_of(done.events), transcript(done.events)
        how = done.stopped_by
        return Entry(calls, done.answer, text=text, model=self.name, kind="run", id=task.id, stopped_by=how)

    def likelihood(self, step: DecisionPoint) -> Job[Entry]:
        """The bits of a held-out answer, where the engine holds the model itself: a server does not say them."""
        yield from ()
        text, messages = step.answer or "", self.grammar.messages(Trajectory(step.context, step.tools))
        bits = self.engine.answer_bits(messages, text) if hasattr(self.engine, "answer_bits") else None
        return Entry(model=self.name, kind="likelihood", id=step.id, bits=bits, bytes=len(text.encode()))


class Writing(msgspec.Struct, frozen=True):
    """An entry to be written: how a writer does it, and at which temperature."""

    kind: str
    id: str
    job: Callable[[Writer], Job[Entry]]
    temperature: float = 0.0


def works_of(kind: Literal["step", "run", "likelihood"], points: Iterable[DecisionPoint]) -> list[Writing]:
    """What writers do at each of these points."""
    return [Writing(kind, point.id, methodcaller(kind, point)) for point in points]


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
