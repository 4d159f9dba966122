"""Trajectories that a tokenizer, a grammar or a JSON reader could trip over, for hypothesis and for seeded loops."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from swiftagent.trajectory.react import NO_THOUGHT
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory

KEYWORDS = [
    "Thought:",
    "Action:",
    "Action Input:",
    "Observation:",
    "Final Answer:",
    "observation:",
    "Observation：",
    "ACTION :",
]
CONTROL = [
    "<|im_end|>",
    "<|im_start|>user\n",
    "<think>",
    "</think>\n\n",
    "<tool_call>",
    "[INST]",
    "[/INST]",
    "</s>",
    "<|eot_id|>",
]
FILLED_IN = ["{{QUERY}}", "{{ROUND0}}", "{{SYSTEM}}", "{{name}}", "<image>", "<start-image>", "<bbox>"]
LETTERS = [
    "\u2028",
    "\x00",
    "\ufeff",
    "🤦🏽‍♀️",
    "שלום",
    "مرحبا",
    "中文。",
    "\u2060",
    "\r\n",
    "é",
    "\u0301",
    "\t",
    "  ",
    "\n",
    "\n\n",
    " ",
]
BLOCKS = [
    '```json\n{"Observation": "x"}\n```',
    "1. x: Parameters: []",
    "\nBegin!",
    '{"a": [1, {"b": null}]}',
    "a[0]",
    "<b>bold</b>",
    "x" * 30,
]
WORDS = [
    "look",
    "weather in Oslo",
    "3C",
    "It is 3C.",
    "Paris",
    "user",
    "assistant",
    "system",
    "I now know the final answer",
]
PIECES = [*KEYWORDS, *CONTROL, *FILLED_IN, *LETTERS, *BLOCKS, *WORDS]


def texts(min_size: int = 0) -> st.SearchStrategy[str]:
    """Texts of hard pieces, keywords often at the start of a line."""
    part = st.one_of(st.sampled_from(PIECES), st.sampled_from([f"\n{word} " for word in KEYWORDS]), st.text(max_size=8))
    return st.lists(part.filter(encodable), min_size=min_size, max_size=6).map("".join)


def thoughts(min_size: int = 0) -> st.SearchStrategy[str]:
    """Texts but for the one that stands where an answer has no thought: that one reads back as none, whoever wrote
    it."""
    return texts(min_size).filter(lambda text: text != NO_THOUGHT)


def encodable(text: str) -> bool:
    """Whether it is free of lone surrogates, which no reader lets through."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def json_values() -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**80), 2**80)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts()
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3), max_leaves=8
    )


NAMES = st.sampled_from(["weather", "get.price", "a tool: with spaces", "наименование", "search_2"])


@st.composite
def trajectories(draw: st.DrawFn, masked: bool = True) -> Trajectory:
    """Well-formed: results follow their calls, it ends on something trained. masked: some steps may be kept as
    context."""
    tools = tuple(
        Tool(name, draw(texts()), {"type": "object", "properties": {}})
        for name in draw(st.lists(NAMES, max_size=2, unique=True))
    )
    agentic = bool(tools)
    names = [tool.name for tool in tools]
    events: list[Event] = [System(text)] if (text := draw(texts())) and draw(st.booleans()) else []
    number = 0
    for last in [*[False] * draw(st.integers(0, 2)), True]:
        events.append(Question(draw(texts())))
        for _ in range(draw(st.integers(0, 3)) if agentic else 0):
            trained = not (masked and draw(st.integers(0, 4)) == 0)
            if draw(st.booleans()):
                events.append(Thought(draw(thoughts()), trained=trained))
            calls = []
            for _ in range(draw(st.integers(1, 2))):
                arguments = draw(st.dictionaries(texts(), json_values(), max_size=3))
                calls.append(Call(draw(st.sampled_from(names)), arguments, f"c{number}", trained))
                number += 1
            events += [*calls, *(Observation(draw(texts()), call.id) for call in calls)]
        trained = last or not (masked and draw(st.integers(0, 4)) == 0)
        if draw(st.booleans()):
            events.append(
                Thought(("" if agentic else "hm ") + draw(thoughts(1)), trained=trained)
            )  # a blank one is none in chat
        events.append(Answer(draw(texts(1)) or "x", trained))
    return Trajectory(tuple(events), tools, "id", "file.jsonl:1", "agent" if agentic else "general")


def random_trajectory(seed: int, masked: bool = True) -> Trajectory:
    """The same sort of trajectory from a seed, fast enough for tens of thousands."""
    rng = random.Random(seed)

    def text(least: int = 0) -> str:
        parts = [
            rng.choice(PIECES) if rng.random() < 0.8 else f"\n{rng.choice(KEYWORDS)} "
            for _ in range(rng.randint(least, 6))
        ]
        return "".join(parts)

    def value(depth: int = 0) -> Any:
        kind = rng.randrange(7 if depth < 3 else 5)
        if kind < 5:
            return [None, rng.random() < 0.5, rng.randrange(-(2**70), 2**70), rng.random(), text()][kind]
        if kind == 5:
            return [value(depth + 1) for _ in range(rng.randrange(3))]
        return {text(): value(depth + 1) for _ in range(rng.randrange(3))}

    tools = tuple(Tool(name, text(), {}) for name in rng.sample(["weather", "get.price", "search_2"], rng.randrange(3)))
    events: list[Event] = [System(text(1))] if rng.random() < 0.4 else []
    number = 0
    turns = rng.randint(1, 3)
    for turn in range(turns):
        events.append(Question(text()))
        for _ in range(rng.randint(0, 3) if tools else 0):
            trained = not masked or rng.random() < 0.85
            if rng.random() < 0.7:
                events.append(Thought(text(), trained=trained))
            calls = []
            for _ in range(rng.choice([1, 1, 1, 2])):
                calls.append(
                    Call(
                        rng.choice(tools).name,
                        {text(): value() for _ in range(rng.randrange(3))},
                        f"c{number}",
                        trained,
                    )
                )
                number += 1
            events += [*calls, *(Observation(text(), call.id) for call in calls)]
        trained = not masked or turn == turns - 1 or rng.random() < 0.85
        if rng.random() < 0.5:
            events.append(
                Thought(text(1) if tools else f"hm {text()}", trained=trained)
            )  # a blank one is none in plain chat
        # Masked or weighed, a chat answer that begins with a line break shares a token with the template's line break
        # before it.
        answer = text(1) or "x"
        events.append(Answer(answer if tools or masked else f"A{answer}", trained))
    return Trajectory(tuple(events), tools, str(seed), f"seed:{seed}", "agent" if tools else "general")
