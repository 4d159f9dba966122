"""Agent conversations: a question, the calls that answer it, and the answer; before any file format."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from operator import add, mul, sub
from typing import Any

from . import chat
from .images import IMAGES
from .scene import CALCULATION, FIRE, SCENES, Scene, draw, fill_scene, is_held_out
from .tools import TOOLS
from .words import IMAGE_ENDINGS, IMAGE_STEMS, WORDS

# What people ask for most, and what the demo's model is asked about: the other tools come up now and then.
FREQUENT = ["get_weather", "send_message", "book_table", "set_reminder", "play_music", "set_light", "set_thermostat"]
FIRE_TOOLS = ["fire_recognition", "fire_alert", "call_fireman", "call_police"]


@dataclass(frozen=True)
class Step:
    thought: str
    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    question: str
    steps: list[Step]
    answer: str
    tools: list[str]


def conversation(language: str, rng: random.Random) -> Conversation:
    """One conversation for training: mostly a single call, often the fire scenario, sometimes no call at all."""
    kind = rng.random()
    if kind < 0.26:
        return fire(language, rng)
    if kind < 0.43:
        return without_call(language, rng)
    if kind < 0.46:
        return two_calls(language, rng)
    return single_call(language, rng)


def common_scene(language: str, rng: random.Random) -> Scene:
    """Nine times in ten a scene of a frequent tool."""
    frequent = rng.random() < 0.9
    return rng.choice([scene for scene in SCENES[language] if (scene.tool in FREQUENT) == frequent])


def single_call(language: str, rng: random.Random) -> Conversation:
    filled = fill_scene(common_scene(language, rng), language, rng, held_out=False)
    step = Step(filled.thought, filled.tool, filled.arguments, filled.result)
    return Conversation(filled.question, [step], filled.answer, offer([filled.tool], rng))


def two_calls(language: str, rng: random.Random) -> Conversation:
    """Two wishes in one question, met one after the other."""
    first, second = (fill_scene(s, language, rng, held_out=False) for s in rng.sample(SCENES[language], 2))
    joined = {"en": f"{first.question} And then: {second.question}", "zh": f"{first.question}然后，{second.question}"}[
        language
    ]
    steps = [Step(f.thought, f.tool, f.arguments, f.result) for f in (first, second)]
    answer = {"en": f"{first.answer} {second.answer}", "zh": first.answer + second.answer}[language]
    return Conversation(joined, steps, answer, offer([first.tool, second.tool], rng))


def without_call(language: str, rng: random.Random) -> Conversation:
    """Tools are at hand and none is needed."""
    question, answer = chat.exchange(language, rng)
    tools = FIRE_TOOLS[:3] if rng.random() < 0.15 else offer([], rng)
    return Conversation(question, [], answer, tools)


def fire(language: str, rng: random.Random) -> Conversation:
    """Look at an image; on fire sound the alarm and call the fire brigade; else, or without the image, just say so."""
    said, meant = draw({"place", "minutes"}, language, rng)
    if language == "zh" and rng.random() < 0.5:  # cameras of the demo name their place in English
        said["place"] = meant["place"] = str(rng.choice(WORDS["en"]["place"]))
    said["image"] = meant["image"] = image_name(rng)

    def say(part: str) -> str:
        return str(rng.choice(FIRE[part][language])).format(**said)

    question, look = say("ask"), say("look")
    tools = FIRE_TOOLS[:3] if rng.random() < 0.7 else FIRE_TOOLS
    outcome = rng.random()
    recognise = {"image": said["image"]}
    if outcome < 0.12:
        step = Step(look, "fire_recognition", recognise, {"error": f"no image {said['image']}"})
        return Conversation(question, [step], say("no_image"), tools)
    if outcome < 0.36:
        step = Step(look, "fire_recognition", recognise, {"fire": False, "place": said["place"]})
        return Conversation(question, [step], say("no_fire"), tools)
    place: dict[str, Any] = {"place": said["place"]}
    steps = [
        Step(look, "fire_recognition", recognise, {"fire": True} | place),
        Step(say("alarm"), "fire_alert", place, {"alarm": "on"}),
        Step(say("fireman"), "call_fireman", place, {"minutes": said["minutes"]}),
    ]
    return Conversation(question, steps, say("fire"), tools)


OPERATIONS: dict[str, Callable[[int, int], int]] = {"add": add, "subtract": sub, "multiply": mul}


def calculation(language: str, rng: random.Random) -> Conversation:
    """A number and one to three operations, each of them a call on the last result. No number is above 999 or below
    0."""
    while True:
        start = rng.randrange(2, 100)
        operations = [rng.choice(list(OPERATIONS)) for _ in range(rng.choice([1, 2, 2, 3, 3, 3, 3]))]
        numbers = [rng.randrange(2, 10 if name == "multiply" else 60) for name in operations]
        results = results_of(start, list(zip(operations, numbers, strict=True)))
        if min(results) >= 0 and max(results) <= 999 and not is_held_out(start, *numbers):
            break
    said = [
        rng.choice(CALCULATION["operations"][name][language]).format(n=number)
        for name, number in zip(operations, numbers, strict=True)
    ]
    steps = []
    for done, (a, name, b, result) in enumerate(zip(results, operations, numbers, results[1:], strict=False)):
        # The thought says what is left to do: the next step has only to copy it without its first part.
        left = [f"{operation} {number}" for operation, number in zip(operations, numbers, strict=True)][done:]
        thought = ", ".join([str(a), *left]) + CALCULATION["stop"][language]
        steps.append(Step(thought, "calculator", {"a": a, "operation": name, "b": b}, {"result": result}))
    question = rng.choice(CALCULATION["ask"][language]).format(
        start=start, steps=rng.choice(CALCULATION["join"][language]).join(said)
    )
    return Conversation(
        question, steps, CALCULATION["say"][language].format(result=results[-1]), offer(["calculator"], rng)
    )


def results_of(start: int, operations: list[tuple[str, int]]) -> list[int]:
    """The number that one begins with, and what each operation makes of the one before."""
    results = [start]
    for name, number in operations:
        results.append(OPERATIONS[name](results[-1], number))
    return results


def image_name(rng: random.Random) -> str:
    """A file name as cameras, phones and people write them, but none of the demo's own."""
    while (name := _image_name(rng)) in IMAGES:
        pass
    return name


def _image_name(rng: random.Random) -> str:
    stem, number, ending = rng.choice(IMAGE_STEMS), rng.randrange(1, 100), rng.choice(IMAGE_ENDINGS)
    form = rng.choice(
        [
            "{stem}_{n:02}.{e}",
            "{stem}_{n:02}.{e}",
            "{stem}{n}.{e}",
            "{stem}-{n}.{e}",
            "/tmp/{n}.{e}",
            "images/{stem}_{n}.{e}",
            "{stem}.{e}",
            "IMG_{n:04}.{e}",
        ]
    )
    return form.format(stem=stem, n=number, e=ending)


def offer(needed: list[str], rng: random.Random) -> list[str]:
    """The tools that a row shows: the needed ones and a few others, in any order. The calculator stands in rows of its
    own file alone."""
    others = [name for name in TOOLS if name not in (*needed, "calculator")]
    more = {0: [1, 1, 2], 1: [0, 0, 0, 1, 2]}.get(len(needed), [0, 1])
    shown = needed + rng.sample(others, rng.choice(more))
    rng.shuffle(shown)
    return shown
