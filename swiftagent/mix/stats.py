"""What is in a file of rows: sizes, turns, tools, languages and duplicates of each channel. One pass, a few bytes a
row."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.rows import read_rows
from swiftagent.mix.fingerprints import shingles, signature, text_of
from swiftagent.mix.seen import NearDuplicates
from swiftagent.mix.sizes import size_of
from swiftagent.trajectory.content import content_hash
from swiftagent.trajectory.react import language_of
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Call, Question, Trajectory

Count = Callable[[list[dict[str, Any]]], tuple[int, int]]  # messages -> (tokens, trained tokens)
_SHOWN_TOOLS = 50


class Channel:
    """Of one channel: a number for each row, and counts."""

    def __init__(self) -> None:
        self.numbers = {name: array("I") for name in ("characters", "tokens", "trained", "turns", "calls")}
        self.tools: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.duplicates = self.near_duplicates = 0


def stats_of(
    files: Iterable[str], form: str = "auto", near: bool = False, count: Count | None = None
) -> dict[str, Any]:
    """The stats of all files together, by channel. Raises ConfigError where a file is not there or holds no row.

    near: find near duplicates too (0.8 of MinHash similarity). count: exact tokens in place of estimates.
    """
    ledger = Ledger()
    channels: dict[str, Channel] = {}
    seen: set[int] = set()
    alike = NearDuplicates(0.8) if near else None
    for file in files:
        for row in read_trajectories(read_rows(file), Policy(format=form), ledger, lambda reject: None):
            channel = channels.setdefault(row.channel or "none", Channel())
            _measure(row, channel, count)
            # A hash a row, so that a file larger than memory can be counted.
            content = content_hash(row)
            channel.duplicates += content in seen
            seen.add(content)
            if alike is not None:
                mark = signature(shingles(text_of(row)))
                channel.near_duplicates += bool(alike.like(mark))
                alike.add(mark)
    return {
        "rows": sum(len(channel.numbers["tokens"]) for channel in channels.values()),
        "rejected": ledger.rejected,
        "reasons": dict(sorted(ledger.reasons.items())),
        "formats": dict(sorted(ledger.formats.items())),
        "tokens_are": "exact" if count is not None else "estimated",
        "channels": {name: _summary(channel, near) for name, channel in sorted(channels.items())},
    }


def _measure(row: Trajectory, channel: Channel, count: Count | None) -> None:
    messages = to_record(row)["messages"]
    size = size_of(messages)
    tokens, trained = (size.tokens, size.trained) if count is None else count(messages)
    questions = [event.text for event in row.events if isinstance(event, Question)]
    calls = [event.tool for event in row.events if isinstance(event, Call)]
    measured = (size.characters, tokens, trained, len(questions), len(calls))
    for numbers, number in zip(channel.numbers.values(), measured, strict=True):
        numbers.append(number)
    channel.tools.update(calls)
    channel.languages[language_of(questions[0] if questions else "")] += 1


def _summary(channel: Channel, near: bool) -> dict[str, Any]:
    characters, tokens, trained, turns, calls = channel.numbers.values()
    return {
        "rows": len(tokens),
        "characters": sum(characters),
        "tokens": sum(tokens),
        "trained_tokens": sum(trained),
        "length": spread(tokens),
        "trained_length": spread(trained),
        "turns": _counts(turns),
        "calls": _counts(calls),
        "tools": {"distinct": len(channel.tools), "calls": dict(channel.tools.most_common(_SHOWN_TOOLS))},
        "languages": dict(channel.languages.most_common()),
        "duplicates": channel.duplicates,
        **({"near_duplicates": channel.near_duplicates} if near else {}),
    }


def spread(values: Iterable[int]) -> dict[str, float]:
    """Least, quartiles, 95 %, most and mean of numbers."""
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    at: dict[str, float] = {name: ordered[min(last, int(share * len(ordered)))] for name, share in _QUANTILES.items()}
    return {"min": ordered[0], **at, "max": ordered[-1], "mean": round(sum(ordered) / len(ordered), 1)}


_QUANTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


def _counts(values: Iterable[int]) -> dict[str, int]:
    """How many rows have 0, 1, 2, ... of something; from ten on they are counted together."""
    found = Counter(min(value, 10) for value in values)
    return {"10+" if number == 10 else str(number): found[number] for number in sorted(found)}
