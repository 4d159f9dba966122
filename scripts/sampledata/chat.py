# ruff: noqa: E501, SIM905
"""General chat in English and Chinese: small facts, advice, feelings and small talk, each answered in a sentence."""

from __future__ import annotations

import random
from collections.abc import Callable

from . import chat_facts as facts

Exchange = tuple[str, str]


def exchange(language: str, rng: random.Random) -> Exchange:
    """One question and its answer."""
    return rng.choice(_ENGLISH if language == "en" else _CHINESE)(rng)


def _table(pairs: dict[str, str], ask: list[str], say: list[str]) -> Callable[[random.Random], Exchange]:
    items = list(pairs.items())

    def draw(rng: random.Random) -> Exchange:
        key, value = rng.choice(items)
        return rng.choice(ask).format(key=key), rng.choice(say).format(key=key, value=value)

    return draw


def _spoken(pairs: list[tuple[list[str], list[str]]]) -> Callable[[random.Random], Exchange]:
    def draw(rng: random.Random) -> Exchange:
        ask, say = rng.choice(pairs)
        return rng.choice(ask), rng.choice(say)

    return draw


def _sum_en(rng: random.Random) -> Exchange:
    a, b = rng.randrange(1, 10), rng.randrange(1, 10)
    ask = rng.choice(["What is {a} plus {b}?", "How much is {a} and {b}?", "Add {a} and {b}.", "{a} + {b} = ?"])
    return ask.format(a=a, b=b), rng.choice(["{a} plus {b} is {c}.", "That makes {c}."]).format(a=a, b=b, c=a + b)


def _sum_zh(rng: random.Random) -> Exchange:
    a, b = rng.randrange(1, 10), rng.randrange(1, 10)
    ask = rng.choice(["{a}加{b}等于几？", "{a}和{b}一共是多少？", "算一下{a}+{b}。"])
    return ask.format(a=a, b=b), rng.choice(["{a}加{b}等于{c}。", "是{c}。"]).format(a=a, b=b, c=a + b)


_ENGLISH: list[Callable[[random.Random], Exchange]] = [
    _table(
        facts.CAPITALS_EN,
        ["What is the capital of {key}?", "Which city is the capital of {key}?", "Name the capital of {key}."],
        ["The capital of {key} is {value}.", "It is {value}."],
    ),
    _table(
        facts.OPPOSITES_EN,
        ["What is the opposite of {key}?", "Give me the opposite of the word {key}.", "Which word means the contrary of {key}?"],
        ["The opposite of {key} is {value}.", "That would be {value}."],
    ),
    _table(
        facts.MEANINGS_EN,
        [
            "What is {key}?",
            "Can you explain what {key} is?",
            "I have never understood what {key} is.",
            "Please tell me what {key} is.",
        ],
        ["{value}", "In short: {value}"],
    ),
    _table(facts.ADVICE_EN, ["{key}", "Quick question. {key}", "I could use some advice. {key}"], ["{value}"]),
    _table(
        facts.COLOURS_EN, ["What colour is {key}?", "Which colour does {key} have?"], ["Usually {value}.", "I would say {value}."]
    ),
    _spoken(facts.SMALL_TALK_EN),
    _spoken(facts.SMALL_TALK_EN),
    _spoken(facts.FEELINGS_EN),
    _sum_en,
]

_CHINESE: list[Callable[[random.Random], Exchange]] = [
    _table(
        facts.CAPITALS_ZH,
        ["{key}的首都是哪里？", "{key}的首都叫什么？", "你知道{key}的首都吗？"],
        ["{key}的首都是{value}。", "是{value}。"],
    ),
    _table(
        facts.OPPOSITES_ZH,
        ["“{key}”的反义词是什么？", "和“{key}”意思相反的词是哪个？"],
        ["“{key}”的反义词是“{value}”。", "是“{value}”。"],
    ),
    _table(
        facts.MEANINGS_ZH, ["什么是{key}？", "请解释一下{key}。", "我一直不明白{key}是什么。"], ["{value}", "简单说，{value}"]
    ),
    _table(facts.ADVICE_ZH, ["{key}", "请教一下，{key}", "有个小问题：{key}"], ["{value}"]),
    _spoken(facts.SMALL_TALK_ZH),
    _spoken(facts.SMALL_TALK_ZH),
    _spoken(facts.FEELINGS_ZH),
    _sum_zh,
]
