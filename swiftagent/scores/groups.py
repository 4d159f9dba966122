"""The same scores apart by argument, by tool, by what training has seen, by language, and by the number of tools and
turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swiftagent.scores.calls import StepScore
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
    keys: dict[str, Callable[[StepScore], str | None]] = {
        "tool": lambda score: score.step.calls[0].tool if score.step.calls else "(no call)",
        "language": _language,
        "number of tools": lambda score: (
            number_range(len(score.step.tools), (1, 3, 6, 10, 20)) if score.step.tools else None
        ),
        "number of turns": lambda score: number_range(
            sum(type(e) is Question for e in score.step.context), (1, 2, 3, 5)
        ),
        "call of the row": lambda score: number_range(
            1 + sum(type(e) is Call for e in score.step.context), (1, 2, 3, 5)
        ),
    }
    if seen_tools is not None:
        keys["tool in training"] = lambda score: _seen(score, seen_tools)
    ratios = next_step_ratios(scores)
    found = {name: _by(ratios, [key(score) for score in scores], largest) for name, key in keys.items()}
    return {"argument": _by_argument(scores, largest), **found}


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


def _language(score: StepScore) -> str:
    return language_of(next((event.text for event in score.step.context if isinstance(event, Question)), ""))


def _seen(score: StepScore, seen: set[str]) -> str | None:
    if not score.step.calls:
        return None
    return "seen" if all(call.tool in seen for call in score.step.calls) else "unseen"


def number_range(number: int, edges: tuple[int, ...]) -> str:
    """The range that a number falls into: "1", "2-3", "21+"; padded so that text sorts as numbers do."""
    low = 0
    for edge in edges:
        if number <= edge:
            return f"{edge:>2}" if edge == low + 1 else f"{low + 1:>2}-{edge}"
        low = edge
    return f"{low + 1:>2}+"
