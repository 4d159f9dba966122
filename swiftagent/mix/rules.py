"""The rules of a recipe for one row: names filled in, rows left out, steps that are not trained."""

from __future__ import annotations

import re

import msgspec

from swiftagent.io.jsonl import Row, texts_in, with_texts
from swiftagent.mix.recipe import Filter, Source
from swiftagent.mix.sizes import Size
from swiftagent.trajectory.react import language_of
from swiftagent.trajectory.types import Answer, Call, Question, System, Thought, Trajectory, with_trained

DEFAULT_SYSTEM = "You are a helpful assistant."
# Rows of ms_bench in which another assistant speaks or a role marker leaked; what ms-swift's own loader leaves out.
_OTHER_ASSISTANT = ("moss", "human:", "user:", "assistant:")
_PLACEHOLDER = re.compile(r"\{\{\s*(name|author)\s*\}\}", re.I)


def fill_in(row: Row, source: Source) -> Row:
    """The row with {{NAME}} and {{AUTHOR}} filled in: the first of two names in Chinese rows, the last in others."""
    value = row.value
    if not isinstance(value, dict):
        return row
    tag = value.get("tag")
    text = " ".join(text for _, text in texts_in(value))
    # swift/self-cognition tags its rows; other files are judged by their text, without the ASCII placeholders.
    chinese = tag == "zh" or (tag != "en" and language_of(_PLACEHOLDER.sub("", text)) == "zh")
    index = 0 if chinese else -1
    names = {"name": source.name[index], "author": source.author[index]}
    filled = with_texts(value, lambda text: _PLACEHOLDER.sub(lambda found: names[found.group(1).lower()], text))
    return Row(filled, row.where, row.repairs)


def left_out(trajectory: Trajectory, source: Source) -> tuple[str, Trajectory]:
    """The reason why the recipe leaves a row out, or "", and the row without a default system prompt."""
    if "other-assistant" in source.leave_out:
        trajectory = _without_default_system(trajectory)
        if _speaks_as_another(trajectory):
            return "other-assistant", trajectory
    return (_filtered(trajectory, source.filter) if source.filter != _NO_FILTER else ""), trajectory


_NO_FILTER = Filter()


def too_long_or_short(size: Size, rule: Filter) -> str:
    """The reason why a record of this size is left out, or ""."""
    if not _within(size.characters, rule.characters):
        return "filtered-characters"
    return "" if _within(size.tokens, rule.tokens) else "filtered-tokens"


def _without_default_system(trajectory: Trajectory) -> Trajectory:
    first = trajectory.events[0]
    if type(first) is System and first.text == DEFAULT_SYSTEM:
        return msgspec.structs.replace(trajectory, events=trajectory.events[1:])
    return trajectory


def _speaks_as_another(trajectory: Trajectory) -> bool:
    said = [event.text for event in trajectory.events if isinstance(event, (System, Question, Thought, Answer))]
    low = "\n".join(said).lower()
    return any(word in low for word in _OTHER_ASSISTANT)


def _filtered(trajectory: Trajectory, rule: Filter) -> str:
    events = trajectory.events
    calls = [event.tool for event in events if isinstance(event, Call)]
    asked = next((event.text for event in events if isinstance(event, Question)), "")
    names = set(calls) or {tool.name for tool in trajectory.tools}
    reasons = {
        "filtered-language": rule.language and language_of(asked) not in rule.language,
        "filtered-turns": not _within(sum(isinstance(event, Question) for event in events), rule.turns),
        "filtered-calls": not _within(len(calls), rule.calls),
        "filtered-tools": (rule.tools and not names & set(rule.tools)) or names & set(rule.without_tools),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _within(value: int, bounds: tuple[int | None, int | None]) -> bool:
    low, high = bounds
    return (low is None or value >= low) and (high is None or value <= high)


def train_only(trajectory: Trajectory, which: str) -> Trajectory:
    """The row with only its last turn or its last step trained; what stands before is context."""
    if which == "all":
        return trajectory
    events = trajectory.events
    if which == "last-turn":
        start = max((index for index, event in enumerate(events) if isinstance(event, Question)), default=0)
    else:
        steps = [index for index, event in enumerate(events) if isinstance(event, (Call, Answer))]
        start = steps[-1] if steps else 0
        while start and isinstance(events[start - 1], (Call, Thought)):
            start -= 1
    context = tuple(with_trained(event, False) for event in events[:start])
    return msgspec.structs.replace(trajectory, events=context + events[start:])
