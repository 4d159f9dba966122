"""Rows that were trained on, found by what they say: spelling of white space and case, system prompts, tools, thoughts
and results make no difference."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from swiftagent.errors import SetupError
from swiftagent.trajectory.types import Answer, Call, Question, Trajectory

_CJK = r"\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Seen(msgspec.Struct):
    """What training saw: the place of each row by content, and the tools that were called in training."""

    places: dict[int, str] = {}
    tools: set[str] = set()


def content_hash(row: Trajectory) -> int:
    """A hash of the questions, calls and answers of a row, in order."""
    # Without results, thoughts and system texts: copies of a conversation often differ in these alone.
    parts: list[object] = []
    for event in row.events:
        match event:
            case Question(text=text) | Answer(text=text):
                parts.append([type(event).__name__, " ".join(text.casefold().split())])
            case Call(tool=tool, arguments=arguments):
                parts.append([tool, arguments])
    return int.from_bytes(blake2b(_encode(parts), digest_size=8).digest(), "big")


def words(text: str) -> list[str]:
    """Words in lower case; each Chinese, Japanese or Korean character is a word."""
    return _WORD.findall(text.casefold())


def seen_in_training(rows: Iterable[Trajectory]) -> Seen:
    """Remember training rows."""
    seen = Seen({}, set())
    for row in rows:
        seen.places.setdefault(content_hash(row), row.source)
        seen.tools.update(event.tool for event in row.events if isinstance(event, Call))
    return seen


def refuse_overlap(rows: list[Trajectory], seen: Seen) -> None:
    """Raise SetupError, naming them, where rows were trained on: their scores would say nothing."""
    found = [(row, place) for row in rows if (place := seen.places.get(content_hash(row))) is not None]
    if found:
        named = "; ".join(_named(row, place) for row, place in found[:5])
        more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
        raise SetupError(
            f"{len(found):,} of {len(rows):,} rows to evaluate were trained on: {named}{more}; "
            "leave them out with --drop-trained"
        )


def _named(row: Trajectory, place: str) -> str:
    """A row by its source; its own place and that of its copy in training may be the same."""
    ours = row.source or row.id
    return f"{ours} (row {row.id})" if place in ("", ours) else f"{ours} is {place}"
