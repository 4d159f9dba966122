"""Rows that are longer than a run's `max_length` made to fit without losing their sense, so that the trainer deletes
none.

In this order, each only as far as it must: whole oldest exchanges go; results are shortened in the middle, with a mark;
the last steps go. The tools and the last question stay, a call is never cut, and what is left ends on something
trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from swiftagent.masks.pieces import is_trained, pieces
from swiftagent.trajectory.record import Message, Record

Measure = Callable[[list[Message]], int]  # messages to tokens, as the trainer counts them
SHORTEST_RESULT = 200  # characters that a shortened result keeps at least


def fit(record: Record, max_length: int, measure: Measure) -> Record | None:
    """The record within `max_length` tokens; None where nothing trained would be left of it."""

    def fits(messages: list[Message]) -> bool:
        # A byte is at most one token, so short rows need no tokenizer.
        most = sum(len(message["content"].encode()) for message in messages) + 64 * (len(messages) + 1)
        return most <= max_length or measure(messages) <= max_length

    messages = record["messages"]
    shorter = next(filter(fits, _ever_shorter(messages, fits)), None)
    # What is left may be an exchange that was masked.
    if shorter is None or (shorter is not messages and not any(map(_trains, shorter))):
        return None
    return {**record, "messages": shorter}


def fitted(row: dict[str, Any], template: Any, limit: int) -> dict[str, Any] | None:
    """The row within `limit` tokens as a template counts them: what training does with long rows, and what the
    preflight foretells. None for one that cannot be, and for native rows."""
    if row.get("tools") or any(not isinstance(message.get("content"), str) for message in row["messages"]):
        return None
    before = template.max_length

    def measure(messages: list[dict[str, Any]]) -> int:
        template.max_length = None
        try:
            return len(template.encode({"messages": [dict(message) for message in messages]})["input_ids"])
        finally:
            template.max_length = before

    messages = [{key: value for key, value in message.items() if value is not None} for message in row["messages"]]
    return fit({**row, "messages": messages}, limit, measure)


def _ever_shorter(messages: list[Message], fits: Callable[[list[Message]], bool]) -> Iterator[list[Message]]:
    yield messages
    # The last exchange stays: without its question the row would train an answer to nothing.
    while len(starts := _exchange_starts(messages)) > 1:
        messages = messages[: starts[0]] + messages[starts[1] :]
        yield messages
    messages = _with_short_results(messages, fits)
    yield messages
    yield from _without_last_steps(messages)


def _exchange_starts(messages: list[Message]) -> list[int]:
    """Where each exchange begins: at a question that follows no question."""
    roles = ["", *(message["role"] for message in messages)]
    return [n for n, (before, role) in enumerate(pairwise(roles)) if before != "user" == role]


def _with_short_results(messages: list[Message], fits: Callable[[list[Message]], bool]) -> list[Message]:
    """Shorten the longest results alike, to the largest size at which the row fits, or to the smallest there is."""
    results = {piece.message for piece in pieces(messages) if piece.kind == "observation"}
    low, high = SHORTEST_RESULT, max((len(messages[number]["content"]) for number in results), default=0)
    # Each try tokenizes the row, so the search stops at what a reader would not notice.
    while high - low > 16:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(_shortened(messages, results, middle)) else (low, middle)
    return _shortened(messages, results, low)


def _shortened(messages: list[Message], results: set[int], size: int) -> list[Message]:
    short = ({**message, "content": shorten(message["content"], size)} for message in messages)
    return [new if n in results else old for n, (new, old) in enumerate(zip(short, messages, strict=True))]


def shorten(text: str, size: int) -> str:
    """Keep the head and the tail of a text, `size` characters in all, and say between them how many are left out."""
    if len(text) <= size:
        return text
    # The mark counts towards the size: it has to fit, too.
    mark = f"\n[... {len(text) - size:,} characters left out ...]\n"
    tail = max(0, size - len(mark)) // 2
    head = max(0, size - len(mark) - tail)
    return f"{text[:head]}{mark}{text[-max(1, tail) :]}"


def _without_last_steps(messages: list[Message]) -> Iterator[list[Message]]:
    """The row cut after ever earlier trained steps."""
    last = {piece.message: piece.kind for piece in pieces(messages)}
    ends = [n for n, message in enumerate(messages, 1) if _trains(message) and last[n - 1] in ("call", "answer")]
    yield from (messages[:end] for end in reversed(ends[:-1]))


def _trains(message: Message) -> bool:
    return message["role"] == "assistant" and bool(message["content"]) and is_trained(message)
