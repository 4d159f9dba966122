"""The quick way through ms-agent text gives the same events as the way that reads every spelling."""

from __future__ import annotations

import random

import pytest

from swiftagent.errors import RowError
from swiftagent.formats.reading import react_text
from swiftagent.formats.reading.builder import Builder

PIECES = [
    "Thought: a",
    "Thought: I now know the final answer",
    "Action: w",
    "Action: my tool",
    "Action: finish",
    "Action Input: {'a': 1}",
    'Action Input: {"a": "x"}',
    'Action Input: {"a":',
    "Observation: 3C",
    "Observation:",
    "Observation: [1,\n 2]",
    "  Observation: x",
    "Final Answer: ok",
    "Final Answer: ",
    "free text",
    "",
]
HEADS = ["", "Thought: hm\n", "Thought: I now know the final answer\n"]
ENDS = ["Thought: x\nFinal Answer: y", "Final Answer: z\nThought: q", "Thought: only"]


def events_of(text: str) -> object:
    builder = Builder()
    try:
        react_text.read_react_text(builder, text)
    except RowError as error:
        return error.code
    read = builder.build()
    return read.events, read.repairs


def test_both_ways_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    texts = ["\n".join(rng.choices(PIECES, k=rng.randint(1, 7))) for _ in range(3000)]
    for _ in range(3000):
        steps = [
            f"{rng.choice(HEADS)}Action: w\n{rng.choice(PIECES[5:8])}\n{rng.choice(PIECES[8:11])}\n"
            for _ in range(rng.randint(0, 3))
        ]
        texts.append("".join(steps) + rng.choice(ENDS))
    quick = sum(react_text.canonical_steps(text) is not None for text in texts)
    assert quick > 1000
    found = [events_of(text) for text in texts]
    monkeypatch.setattr(react_text, "canonical_steps", lambda text: None)
    assert [text for text, events in zip(texts, found, strict=True) if events != events_of(text)] == []
