"""Free running: the model takes its own steps, and tool results are replayed from gold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from swiftagent.scores.calls import Attempt, DecisionPoint, match_calls, score_call
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Trajectory

NO_RESULT = "Error: no result is recorded for these arguments"


def tasks_of(row: Trajectory) -> Iterator[DecisionPoint]:
    """Each question of a gold row that tools can help with, the last of its context, and what gold does until its
    answer."""
    if not row.tools:
        return
    starts = [index for index, event in enumerate(row.events) if isinstance(event, Question)]
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(row.events)
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
        self._left = list(calls)
        self._used: list[Call] = []
        self._results = results

    def result(self, call: Attempt) -> str:
        for calls in (self._left, self._used):
            for gold in calls:
                if score_call(gold, call).exact and gold.id in self._results:
                    # A call repeated by gold (a poll, say) gets each recorded result once, in order.
                    if calls is self._left:
                        self._left.remove(gold)
                        self._used.append(gold)
                    return self._results[gold.id]
        return NO_RESULT


def run_parts(
    task: DecisionPoint, calls: Sequence[Attempt], answer: str | None, stopped_by: str
) -> dict[str, tuple[float, float]]:
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
