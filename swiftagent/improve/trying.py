"""A tuned model on questions, several tries each: with real tools, recorded results, or one step.

The first try is greedy, what `infer` would do; the others are sampled at a temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from swiftagent.agent.drive import Runtime, answer
from swiftagent.agent.loop import Generate, Grammar, Limits
from swiftagent.improve.judging import Try, asked
from swiftagent.scores.calls import Attempt
from swiftagent.scores.runs import Replay
from swiftagent.tools.source import ToolResult
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought, Trajectory

_TOGETHER = 16  # prompts of one batch


class Trying(msgspec.Struct):
    """How questions are asked. toolbox: real tools, None where results are recorded or a step is asked for."""

    engine: Any
    grammar: Grammar
    tries: int
    temperature: float
    step_tokens: int
    toolbox: Toolbox | None = None
    tokens: int = 0  # written so far

    @property
    def heats(self) -> list[float]:
        """The temperature of each try."""
        return [0.0, *[self.temperature] * (self.tries - 1)]


class _Recorded:
    """Answers calls as gold recorded them."""

    def __init__(self, row: Trajectory) -> None:
        self.specs = row.tools
        results = {event.call_id: event.text for event in row.events if isinstance(event, Observation)}
        self._replay = Replay([event for event in row.events if isinstance(event, Call)], results)

    def call(self, call: Call) -> ToolResult:
        return ToolResult(self._replay.result(Attempt(call.tool, call.arguments)))


def all_tries(how: Trying, rows: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, list[Try]]]:
    """Every row with its tries, as soon as they are there."""
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        whole = [row for row in part if how.toolbox is not None or _has_results(row)]
        yield from ((row, [_run(how, row, heat) for heat in how.heats]) for row in whole)
        steps = [row for row in part if row not in whole]
        turns = [_steps(how, steps, heat) for heat in how.heats]
        yield from ((row, [turn[place] for turn in turns]) for place, row in enumerate(steps))


def _has_results(row: Trajectory) -> bool:
    return any(isinstance(event, Observation) for event in row.events[len(asked(row)) :])


def _run(how: Trying, row: Trajectory, temperature: float) -> Try:
    """One free run on the last question of the row."""
    *before, question = asked(row)
    toolbox: Any = how.toolbox or _Recorded(row)
    runtime = Runtime(how.engine, toolbox, _nobody, temperature=temperature)
    context = msgspec.structs.replace(row, events=tuple(before), tools=tuple(toolbox.specs))
    text = question.text if isinstance(question, Question) else ""
    turn = answer(runtime, context, text, Limits(step_tokens=how.step_tokens), how.grammar)
    how.tokens += turn.tokens
    steps = [step for step in turn.steps if step.action is not None]
    calls = [event for event in turn.events if isinstance(event, Call)]
    failed = [call.id for call, step in zip(calls, steps, strict=False) if step.error]
    return Try(turn.events[1:], failed, turn.stopped_by == "answer")


def _nobody(call: Call, tool: object) -> str:
    return "Error: nobody is there to answer for this tool"


def _steps(how: Trying, rows: Sequence[Trajectory], temperature: float) -> list[Try]:
    """The next step of each row, in one batch where the engine can."""
    requests = []
    for row in rows:
        seen = msgspec.structs.replace(row, events=asked(row))
        declared = how.grammar.declared(seen)
        requests.append(Generate(how.grammar.messages(seen), how.grammar.stop, how.step_tokens, 0.0, declared))
    found = []
    for row, text in zip(rows, _written(how, requests, temperature), strict=True):
        step = how.grammar.read(text, row.tools)
        thoughts: list[Event] = [Thought(text) for text in (step.reasoning, step.thought) if text]
        calls = [Call(call.tool, call.arguments, f"c{number}") for number, call in enumerate(step.calls)]
        answers = [Answer(step.answer)] if step.answer and not calls else []
        found.append(Try([*thoughts, *calls, *answers], finished=bool(calls or answers) and not step.problem))
    return found


def _written(how: Trying, requests: list[Generate], temperature: float) -> Iterator[str]:
    together: Callable[..., Any] | None = getattr(how.engine, "write_together", None)
    if together is not None:
        for written in together(requests, temperature) if requests else ():
            how.tokens += written.tokens
            yield written.text
        return
    for request in requests:
        stop = (request.stop,) if request.stop else ()
        pieces = how.engine.generate(
            request.messages, stop=stop, max_tokens=request.max_tokens, temperature=temperature, tools=request.tools
        )
        yield "".join(pieces)
