"""Rows that are longer than a run's `max_length` made to fit without losing their sense, so that the trainer deletes
none.

In this order, each only as far as it must: whole oldest exchanges go; results are shortened in the middle, with a mark;
the last steps go. The tools and the last question stay, a call is never cut, and what is left ends on something
trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import msgspec

from swiftagent.masks.pieces import is_trained, pieces
from swiftagent.trajectory.record import Message, Record

Measure = Callable[[list[Message]], int]  # messages to tokens, as the trainer counts them
SHORTEST_RESULT = 200  # characters that a shortened result keeps at least


class Fit(msgspec.Struct):
    """What was done to a row: exchanges and steps that went, results that were shortened, with the characters left
    out."""

    exchanges: int = 0
    results: int = 0
    characters: int = 0
    steps: int = 0

    @property
    def changed(self) -> bool:
        return bool(self.exchanges or self.results or self.steps)


def fit(record: Record, max_length: int, measure: Measure) -> tuple[Record | None, Fit]:
    """The record within `max_length` tokens and what was done to it; None where nothing trained would be left of it."""
    messages = record["messages"]
    done = Fit()
    if _fits(messages, max_length, measure):
        return record, done
    # The last exchange stays: without its question the row would train an answer to nothing.
    exchanges = _exchange_starts(messages)
    while len(exchanges) > 1 and not _fits(messages, max_length, measure):
        messages = messages[: exchanges[0]] + messages[exchanges[1] :]
        exchanges = _exchange_starts(messages)
        done.exchanges += 1
    if not _fits(messages, max_length, measure):
        messages = _with_short_results(messages, max_length, measure, done)
    if not _fits(messages, max_length, measure):
        for shorter, steps in _without_last_steps(messages):
            messages, done.steps = shorter, steps
            if _fits(messages, max_length, measure):
                break
        else:
            return None, done
    # What is left may be an exchange that was masked.
    if not any(map(_trains, messages)):
        return None, done
    return {**record, "messages": messages}, done


def _fits(messages: list[Message], max_length: int, measure: Measure) -> bool:
    """A byte is at most one token, so short rows need no tokenizer."""
    most = sum(len(message["content"].encode()) for message in messages) + 64 * (len(messages) + 1)
    return most <= max_length or measure(messages) <= max_length


def _exchange_starts(messages: list[Message]) -> list[int]:
    """Where each exchange begins: at a question that follows no question."""
    roles = ["", *(message["role"] for message in messages)]
    return [n for n, (before, role) in enumerate(pairwise(roles)) if before != "user" == role]


def _with_short_results(messages: list[Message], max_length: int, measure: Measure, done: Fit) -> list[Message]:
    """Shorten the longest results alike, to the largest size at which the row fits, or to the smallest there is."""
    results = {piece.message for piece in pieces(messages) if piece.kind == "observation"}
    sizes = [len(messages[number]["content"]) for number in results]
    low, high = SHORTEST_RESULT, max(sizes, default=0)
    if high <= low:
        return messages
    # Each try tokenizes the row, so the search stops at what a reader would not notice.
    while high - low > 16:
        middle = (low + high) // 2
        if _fits(_shortened(messages, results, middle), max_length, measure):
            low = middle
        else:
            high = middle
    short = _shortened(messages, results, low)
    done.results = sum(new is not old for new, old in zip(short, messages, strict=True))
    done.characters = sum(len(old["content"]) - len(new["content"]) for new, old in zip(short, messages, strict=True))
    return short


def _shortened(messages: list[Message], results: set[int], size: int) -> list[Message]:
    return [
        {**message, "content": shorten(message["content"], size)}
        if number in results and len(message["content"]) > size
        else message
        for number, message in enumerate(messages)
    ]


def shorten(text: str, size: int) -> str:
    """Keep the head and the tail of a text, `size` characters in all, and say between them how many are left out."""
    # The mark counts towards the size: it has to fit, too.
    mark = f"\n[... {len(text) - size:,} characters left out ...]\n"
    kept = max(0, size - len(mark))
    head = kept - kept // 2
    tail = text[len(text) - (kept - head) :] if kept > head else ""
    return text if len(text) <= size else f"{text[:head]}{mark}{tail or text[-1:]}"


def _without_last_steps(messages: list[Message]) -> Iterator[tuple[list[Message], int]]:
    """The row cut after ever earlier trained steps, with the number of steps cut."""
    last = {piece.message: piece.kind for piece in pieces(messages)}
    ends = [
        number + 1 for number, message in enumerate(messages) if _trains(message) and last[number] in ("call", "answer")
    ]
    for cut, end in enumerate(reversed(ends)):
        if cut:
            yield messages[:end], cut


def _trains(message: Message) -> bool:
    return message["role"] == "assistant" and bool(message["content"]) and is_trained(message)
