"""Tool calls scored against gold: decision points of gold trajectories, what was predicted there, and how calls match.

Where gold acts is a `DecisionPoint`: it calls one or more tools, or it answers. What a model did there is a
`Predicted`. metrics.py makes scores of the two. In a free run the model takes its own steps, and tool results are
replayed from gold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

import msgspec

from swiftagent.scores.values import same_value
from swiftagent.tools.source import ToolResult
from swiftagent.trajectory.types import Answer, Call, Event, Json, Observation, Question, Thought, Tool, Trajectory

_WRITTEN = (Thought, Call, Answer)  # by the model
Part = tuple[float, float]  # reached, out of
NO_RESULT = "Error: no result is recorded for these arguments"


class DecisionPoint(msgspec.Struct, frozen=True):
    """A place where the model has to act: what precedes it, and what gold does there (calls, or an answer)."""

    id: str  # "ROW#0", "ROW#1", ...
    row: str  # the trajectory's id: steps of one row are resampled together
    context: tuple[Event, ...]
    tools: tuple[Tool, ...]
    calls: tuple[Call, ...]
    answer: str | None = None
    calls_somewhere: bool = True  # whether gold calls a tool anywhere in this row
    results: dict[str, str] = {}  # what gold's calls here answered, by call id

    @property
    def could_call(self) -> bool:
        """Whether there is a tool to leave alone; plain chat has none."""
        return bool(self.tools) or self.calls_somewhere


class Attempt(msgspec.Struct, frozen=True):
    """A call as the model made it. `parsed` is false where its arguments are no JSON; the name counts all the same."""

    tool: str
    arguments: Json = None
    parsed: bool = True


def attempts_of(events: Iterable[Event]) -> tuple[Attempt, ...]:
    return tuple(Attempt(event.tool, event.arguments) for event in events if isinstance(event, Call))


class Predicted(msgspec.Struct, frozen=True):
    """What a model did at one step. `readable`: its text was a call or an answer in the grammar that it was asked
    for."""

    calls: tuple[Attempt, ...] = ()
    answer: str | None = None
    readable: bool = True
    invented_observation: bool = False
    text: str = ""

    @property
    def parsable(self) -> bool:
        return self.readable and bool(self.calls or self.answer) and all(call.parsed for call in self.calls)


class CallScore(msgspec.Struct, frozen=True):
    """One gold call against the predicted call that fits it best (none: all zero)."""

    tool: str
    name: float = 0.0
    argument_names: float = 0.0
    argument_values: float = 0.0
    exact: float = 0.0
    right: tuple[str, ...] = ()  # gold's arguments that have the right value


def steps_of(trajectory: Trajectory) -> Iterator[DecisionPoint]:
    """The decision points of a gold trajectory, in order. Parallel calls are one step. Untrained (bad) steps are no
    gold."""
    events = trajectory.events
    somewhere = any(type(event) is Call for event in events)
    start = number = 0
    while start < len(events):
        if not isinstance(events[start], _WRITTEN):
            start += 1
            continue
        end = start
        while end < len(events) and isinstance(events[end], _WRITTEN):
            end += 1
            if type(events[end - 1]) is Answer:
                break
        written = events[start:end]
        calls = tuple(event for event in written if isinstance(event, Call))
        answer = next((event for event in written if isinstance(event, Answer)), None)
        # A masked step is a failure that the data kept as context: no model should be measured by it.
        gold_is_good = all(call.trained for call in calls) and (answer is None or answer.trained)
        if (calls or answer is not None) and gold_is_good:
            # Text beside calls accompanies them; where gold acts, it gave no answer.
            text = None if answer is None or calls else answer.text
            after = takewhile(lambda event: isinstance(event, Observation), events[end:])
            results = {event.call_id: event.text for event in after if isinstance(event, Observation)}
            name = f"{trajectory.id}#{number}"
            yield DecisionPoint(name, trajectory.id, events[:start], trajectory.tools, calls, text, somewhere, results)
        number += 1
        start = end


def score_call(gold: Call, attempt: Attempt) -> CallScore:
    """One gold call against one attempt."""
    # Another tool's arguments are not compared: an equal name in another tool has another meaning.
    if attempt.tool.strip() != gold.tool.strip():
        return CallScore(gold.tool)
    if not attempt.parsed:
        return CallScore(gold.tool, 1.0)
    want, got = gold.arguments, attempt.arguments
    if not isinstance(want, dict) or not isinstance(got, dict):
        same = float(same_value(want, got))
        return CallScore(gold.tool, 1.0, same, same, same)
    names = float(want.keys() == got.keys())
    right = tuple(name for name, value in want.items() if name in got and same_value(value, got[name]))
    values = len(right) / len(want) if want else names
    return CallScore(gold.tool, 1.0, names, values, float(names and len(right) == len(want)), right)


def same_call(gold: Call, made: Call) -> bool:
    """Whether a call is gold's, in tool, names and values."""
    return score_call(gold, Attempt(made.tool, made.arguments)).exact == 1.0


def match_calls(gold: Sequence[Call], attempts: Sequence[Attempt]) -> list[CallScore]:
    """Each gold call with the attempt that fits it best, in any order, each attempt used once.

    Best pairs first; since only calls of one name can pair, the number of names found is the largest there can be.
    """
    if len(gold) == 1 == len(attempts):
        return [score_call(gold[0], attempts[0])]
    pairs = []
    for index, call in enumerate(gold):
        for position, attempt in enumerate(attempts):
            if (score := score_call(call, attempt)).name:
                pairs.append((-score.exact, -score.argument_values, -score.argument_names, index, position, score))
    # Best pairs first, so that a half-right call never takes the place of an exact one.
    pairs.sort(key=lambda pair: pair[:5])
    found: dict[int, CallScore] = {}
    used: set[int] = set()
    for *_, index, position, score in pairs:
        if index not in found and position not in used:
            found[index] = score
            used.add(position)
    return [found.get(index, CallScore(call.tool)) for index, call in enumerate(gold)]


class StepScore(msgspec.Struct):
    """The parts of every metric at one step: {metric: (reached, out of)}."""

    step: DecisionPoint
    predicted: Predicted
    calls: list[CallScore]
    parts: dict[str, Part] = msgspec.field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether the step is as gold has it: all calls exact and none extra; or no call where gold answers."""
        if self.step.calls:
            return self.parts["parallel_match"][0] == 1.0
        return self.predicted.parsable and not self.predicted.calls


def tasks_of(row: Trajectory) -> Iterator[DecisionPoint]:
    """Each question of a gold row that tools can help with, the last of its context, and what gold does until its
    answer."""
    if not row.tools:
        return
    starts = [index for index, event in enumerate(row.events) if isinstance(event, Question)]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(row.events)], strict=True)):
        own = row.events[start + 1 : end]
        calls = tuple(event for event in own if isinstance(event, Call))
        answer = next((event.text for event in own if isinstance(event, Answer)), None)
        # A question that gold leaves open says nothing about a model that answers it.
        if calls or answer is not None:
            results = {event.call_id: event.text for event in own if isinstance(event, Observation)}
            context = row.events[: start + 1]
            yield DecisionPoint(f"{row.id}@{number}", row.id, context, row.tools, calls, answer, True, results)


class Replay:
    """Answers a model's calls with the results that gold recorded: of the same call, each once before any twice."""

    def __init__(self, calls: Iterable[Call], results: Mapping[str, str]) -> None:
        self._calls = list(calls)
        self._results = results

    def call(self, call: Call) -> ToolResult:
        for gold in self._calls:
            if same_call(gold, call) and gold.id in self._results:
                # A call repeated by gold (a poll, say) gets each recorded result once, in order.
                self._calls.remove(gold)
                self._calls.append(gold)
                return ToolResult(self._results[gold.id])
        return ToolResult(NO_RESULT)


def run_parts(task: DecisionPoint, calls: Sequence[Attempt], answer: str | None, stopped_by: str) -> dict[str, Part]:
    """The parts of the free-running metrics, as StepScore has them. stopped_by: "answer" where the run finished."""
    finished = stopped_by == "answer" and bool(answer)
    parts = {"free_finished": (float(finished), 1.0)}
    if task.calls:
        made = sum(score.exact for score in match_calls(task.calls, calls))
        parts["free_calls"] = (made, float(len(task.calls)))
        # A run that answers at once without a call is short, but not efficient.
        if finished and made == len(task.calls):
            parts["steps_to_finish"] = (float(len(calls)), 1.0)
    return parts
