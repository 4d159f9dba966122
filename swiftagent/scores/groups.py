"""The same scores apart by argument, by tool, by what training has seen, by language, and by the number of tools and
turns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from swiftagent.scores.calls import DecisionPoint, StepScore
from swiftagent.scores.intervals import Metrics, Ratios
from swiftagent.scores.metrics import next_step_metrics
from swiftagent.trajectory.react import language_of
from swiftagent.trajectory.types import Call, Question

Groups = dict[str, dict[str, Metrics]]  # "tool" -> "weather" -> metrics
# Fewer than for the whole: there are many groups, and theirs are shown as bars.
RESAMPLES = 400


def grouped(scores: Sequence[StepScore], seen_tools: set[str] | None = None, largest: int = 12) -> Groups:
    """Metrics by group. `seen_tools`: the tools called in training, where that is known. Of each kind, the
    `largest` groups; the rest stand together as "(others)"."""
    ratios, keys = next_step_ratios(scores), [_keys(score.step, seen_tools) for score in scores]
    found = {name: _by(ratios, [each[name] for each in keys], largest) for name in (keys[0] if keys else ())}
    found = {"argument": _by_argument(scores, largest), **found}
    return {kind: groups for kind, groups in found.items() if groups}


def _keys(step: DecisionPoint, seen: set[str] | None) -> dict[str, str | None]:
    """The group of each kind that a step belongs to."""
    questions = [event.text for event in step.context if isinstance(event, Question)]
    calls = sum(type(event) is Call for event in step.context)
    in_training = "seen" if seen is not None and all(call.tool in seen for call in step.calls) else "unseen"
    return {
        "tool": step.calls[0].tool if step.calls else "(no call)",
        "language": language_of(questions[0] if questions else ""),
        "number of tools": number_range(len(step.tools), (1, 3, 6, 10, 20)) if step.tools else None,
        "number of turns": number_range(len(questions), (1, 2, 3, 5)),
        "call of the row": number_range(1 + calls, (1, 2, 3, 5)),
        "tool in training": in_training if step.calls and seen is not None else None,
    }


def next_step_ratios(scores: Sequence[StepScore]) -> Ratios:
    """The metrics of next steps. Rows, not steps, are resampled, since the steps of one row are alike."""
    return Ratios(next_step_metrics(), [score.step.row for score in scores], [score.parts for score in scores])


def _by_argument(scores: Sequence[StepScore], largest: int) -> dict[str, Metrics]:
    """How often each argument that gold gives, as "weather.city", has the right value."""
    found = [
        (score.step.row, {"argument_values": (float(name in each.right), 1.0)}, f"{call.tool}.{name}")
        for score in scores
        for call, each in zip(score.step.calls, score.calls, strict=True)
        for name in (call.arguments if isinstance(call.arguments, dict) else ())
    ]
    rows, parts, names = zip(*found, strict=True) if found else ((), (), ())
    return _by(Ratios(("argument_values",), rows, parts), names, largest)


def _by(ratios: Ratios, names: Sequence[str | None], largest: int) -> dict[str, Metrics]:
    """The metrics of each group; `names`: the group of each score."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if name is not None:
            groups.setdefault(name, []).append(number)
    by_size = sorted(groups, key=lambda name: (-len(groups[name]), name))
    found = {name: _metrics(ratios.part(groups[name])) for name in sorted(by_size[:largest])}
    others = [number for name in by_size[largest:] for number in groups[name]]
    return {**found, "(others)": _metrics(ratios.part(others))} if others else found


def _metrics(ratios: Ratios) -> Metrics:
    return {name: found for name, found in ratios.estimates(resamples=RESAMPLES).items() if found.n}


def number_range(number: int, edges: tuple[int, ...]) -> str:
    """The range that a number falls into: "1", "2-3", "21+"; padded so that text sorts as numbers do."""
    place = bisect_left(edges, number)
    low = edges[place - 1] + 1 if place else 1
    if place == len(edges):
        return f"{low:>2}+"
    return f"{low:>2}" if edges[place] == low else f"{low:>2}-{edges[place]}"
