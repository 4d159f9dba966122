"""Held-out questions: values that no training row puts together, questions that need no tool, and the fire alarm."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .agent import FREQUENT, Conversation, Step, offer
from .chat import CHAT
from .scene import FIRE, SCENES, fill_scene

EACH = {"en": 5, "zh": 3}  # questions of every frequent tool
FIRE_ALARM = [(language, question) for language in ("en", "zh") for question in FIRE["held_out"][language]]


def held_out(seed: int) -> Iterator[Conversation]:
    """Questions with their gold calls, some wordings and values of every frequent tool, then questions that need
    none."""
    rng = random.Random(seed)
    for language, scenes in SCENES.items():
        for scene in (scene for scene in scenes if scene.tool in FREQUENT):
            seen: set[str] = set()
            while len(seen) < EACH[language]:
                filled = fill_scene(scene, language, rng, held_out=True)
                if filled.question in seen:
                    continue
                seen.add(filled.question)
                step = Step(filled.thought, filled.tool, filled.arguments, filled.result)
                yield Conversation(filled.question, [step], filled.answer, offer([filled.tool], rng))
        for question, answer in CHAT["held_out"][language]:
            yield Conversation(question, [], answer, offer([], rng))
