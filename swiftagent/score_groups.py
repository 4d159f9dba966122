"""The same scores apart by tool, by what training has seen, by language, and by the number of tools and turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swiftagent.react import language_of
from swiftagent.score import CALL_METRICS, Metrics, StepScore
from swiftagent.statistics import Ratios
from swiftagent.trajectory import Call, Question

Groups = dict[str, dict[str, Metrics]]  # "tool" -> "weather" -> metrics
RESAMPLES = 400  # of a group: there are many of them


def grouped(scores: Sequence[StepScore], seen_tools: set[str] | None = None, largest: int = 12) -> Groups:
    """Metrics by group. `seen_tools`: the tools called in training, where that is known. Of each kind, the
    `largest` groups; the rest stand together as "(others)"."""
    keys: dict[str, Callable[[StepScore], str | None]] = {
        "tool": lambda score: score.step.calls[0].tool if score.step.calls else "(no call)",
        "language": lambda score: _language(score),
        "number of tools": lambda score: _range(len(score.step.tools), (1, 3, 6, 10, 20)) if score.step.tools else None,
        "number of turns": lambda score: _range(sum(type(e) is Question for e in score.step.context), (1, 2, 3, 5)),
        "call of the row": lambda score: _range(1 + sum(type(e) is Call for e in score.step.context), (1, 2, 3, 5)),
    }
    if seen_tools is not None:
        keys["tool in training"] = lambda score: _seen(score, seen_tools)
    ratios = Ratios(CALL_METRICS)
    for score in scores:
        ratios.add(score.step.row, {name: score.parts[name] for name in CALL_METRICS if name in score.parts})
    return {name: _by(ratios, [key(score) for score in scores], largest) for name, key in keys.items()}


def _by(ratios: Ratios, names: Sequence[str | None], largest: int) -> dict[str, Metrics]:
    """The metrics of each group; `names` says which group each score belongs to."""
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


def _range(number: int, edges: tuple[int, ...]) -> str:
    """The range that a number falls into: "1", "2-3", "21+"; padded so that text sorts as numbers do."""
    low = 0
    for edge in edges:
        if number <= edge:
            return f"{edge:>2}" if edge == low + 1 else f"{low + 1:>2}-{edge}"
        low = edge
    return f"{low + 1:>2}+"
