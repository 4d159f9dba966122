"""A tuned model on questions, several tries each: with real tools, recorded results, or one step.

The first try is greedy, what `infer` would do; the others are sampled at a temperature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from swiftagent.agent.loop import Grammar, Job, Limits, driven, next_step, run_turn
from swiftagent.evaluate.jobs import BATCH, CachedEngine, finish_all
from swiftagent.improve.judging import Try, asked
from swiftagent.scores.calls import Replay
from swiftagent.tools.source import NoCode, ToolResult
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought, Trajectory


class Trying(msgspec.Struct):
    """How questions are asked. toolbox: real tools, None where results are recorded or a step is asked for."""

    engine: Any
    grammar: Grammar
    tries: int
    temperature: float
    step_tokens: int
    toolbox: Toolbox | None = None

    def all_tries(self, rows: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, list[Try]]]:
        """Every row with its tries, as soon as they are there."""
        # Real tools may hold state, so no two runs call them at once.
        at_a_time = None if self.toolbox is None else 1
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            found: list[list[Try]] = [[] for _ in part]
            jobs = [partial(self._try, number, row) for number, row in enumerate(part)]
            for temperature in [0.0, *[self.temperature] * (self.tries - 1)]:
                for number, each in finish_all(jobs, CachedEngine(self.engine, temperature), at_a_time):
                    found[number].append(each)
            yield from zip(part, found, strict=True)

    def _try(self, number: int, row: Trajectory) -> Job[tuple[int, Try]]:
        results = {event.call_id: event.text for event in row.events if isinstance(event, Observation)}
        if self.toolbox is not None:
            done = yield from self._run(row, self.toolbox.specs, self._call)
        elif any(isinstance(event, Observation) for event in row.events[len(asked(row)) :]):
            replay = Replay([event for event in row.events if isinstance(event, Call)], results)
            done = yield from self._run(row, row.tools, replay.call)
        else:
            done = yield from self._step(row)
        return number, done

    def _run(self, row: Trajectory, tools: Any, run_tool: Any) -> Job[Try]:
        """One free run on the last question of the row."""
        context = msgspec.structs.replace(row, events=asked(row), tools=tuple(tools))
        turn = yield from driven(run_turn(context, None, Limits(step_tokens=self.step_tokens), self.grammar), run_tool)
        return Try(turn.events, turn.failed, turn.stopped_by == "answer", turn.tokens)

    def _call(self, call: Call) -> ToolResult:
        assert self.toolbox is not None
        try:
            return self.toolbox.call(call)
        except NoCode:
            return ToolResult("Error: nobody is there to answer for this tool")

    def _step(self, row: Trajectory) -> Job[Try]:
        """The next step of a row."""
        written = yield next_step(self.grammar, msgspec.structs.replace(row, events=asked(row)), self.step_tokens)
        step = self.grammar.read(written.text, row.tools)
        thoughts: list[Event] = [Thought(text) for text in (step.reasoning, step.thought) if text]
        calls = [Call(call.tool, call.arguments, f"c{number}") for number, call in enumerate(step.calls)]
        answers = [Answer(step.answer)] if step.answer and not calls else []
        finished = bool(calls or answers) and not step.problem
        return Try([*thoughts, *calls, *answers], finished=finished, tokens=written.tokens)
