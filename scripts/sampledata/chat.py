"""General chat in English and Chinese: small facts, advice, feelings and small talk, each answered in a sentence."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from .words import read

CHAT: dict[str, Any] = read("chat.yaml")
Exchange = tuple[str, str]
Draw = Callable[[random.Random], Exchange]


def exchange(language: str, rng: random.Random) -> Exchange:
    """One question and its answer."""
    return rng.choice(_DRAWS[language])(rng)


def _fact(table: dict[str, Any], language: str) -> Draw:
    items = list(table["facts"][language].items())

    def draw(rng: random.Random) -> Exchange:
        key, value = rng.choice(items)
        return (
            rng.choice(table["ask"][language]).format(key=key),
            rng.choice(table["say"][language]).format(key=key, value=value),
        )

    return draw


def _talk(talks: list[dict[str, list[str]]]) -> Draw:
    def draw(rng: random.Random) -> Exchange:
        talk = rng.choice(talks)
        return rng.choice(talk["ask"]), rng.choice(talk["say"])

    return draw


def _sum(language: str) -> Draw:
    def draw(rng: random.Random) -> Exchange:
        a, b = rng.randrange(1, 10), rng.randrange(1, 10)
        ask, say = (rng.choice(CHAT["sums"][part][language]) for part in ("ask", "say"))
        return ask.format(a=a, b=b), say.format(a=a, b=b, c=a + b)

    return draw


def _draws(language: str) -> list[Draw]:
    """Each kind comes up alike often, small talk twice as often."""
    facts = [_fact(table, language) for table in CHAT["tables"].values() if language in table["facts"]]
    small_talk, feelings = (_talk(CHAT[name][language]) for name in ("small_talk", "feelings"))
    return [*facts, small_talk, small_talk, feelings, _sum(language)]


_DRAWS = {language: _draws(language) for language in ("en", "zh")}
