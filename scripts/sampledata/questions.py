"""Held-out questions: values that no training row puts together, questions that need no tool, and the fire alarm."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from .agent import FREQUENT, Conversation, Step, offer, results_of
from .chat import CHAT
from .scene import CALCULATION, FIRE, SCENES, fill_scene

EACH = {"en": 5, "zh": 3}  # questions of every frequent tool


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


def shown() -> Iterator[dict[str, Any]]:
    """What the demo asks at its end, with the calls and the answers that are right; in no training row."""
    alarm = {"place": "hall 4"}
    fire = [("fire_recognition", {"image": "yard_17.png"}), ("fire_alert", alarm), ("call_fireman", alarm)]
    for language in ("en", "zh"):
        answers = [text.format(**alarm, minutes=10) for text in FIRE["fire"][language]]
        for question in FIRE["held_out"][language]:
            yield _asked("fire alarm", language, question, fire, answers)
    for language in ("en", "zh"):
        for numbers, question in CALCULATION["held_out"][language]:
            start, operations = numbers[0], list(zip(numbers[1::2], numbers[2::2], strict=True))
            calls = [
                ("calculator", {"a": a, "operation": name, "b": b})
                for a, (name, b) in zip(results_of(start, operations), operations, strict=False)
            ]
            result = results_of(start, operations)[-1]
            yield _asked("calculation", language, question, calls, [CALCULATION["say"][language].format(result=result)])
    for language in ("en", "zh"):
        for question, *answers in CHAT["shown"][language]:
            yield _asked("chat", language, question, [], answers)


def _asked(
    kind: str, language: str, question: str, calls: list[tuple[str, dict[str, Any]]], answers: list[str]
) -> dict[str, Any]:
    gold = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {"kind": kind, "language": language, "question": question, "calls": gold, "answers": answers}
