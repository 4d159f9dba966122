"""A scene: one tool, how people ask for it in both languages, and the arguments that follow from the question."""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass
from typing import Any

from .tools import TOOLS
from .words import HERE, WORDS, Entry, read

Slots = dict[str, str | int | bool]
_SLOT = re.compile(r"\{(\w+)\}")
_HELD_OUT_SHARE = 6


@dataclass(frozen=True)
class Scene:
    """`arguments` and `result` are JSON templates: "{slot}" is replaced by its value, and a slot that the question does
    not name is left out.

    `keys` are the slots whose values together decide whether a question is for training or held out.
    An entry of `ask` may bring slots of its own, such as ["Turn off the light in the {room}.", {state: "off"}].
    """

    tool: str
    keys: list[str]
    arguments: dict[str, Any]
    result: dict[str, Any]
    ask: list[str | list[Any]]
    think: list[str]
    say: list[str]


def _scenes(language: str) -> list[Scene]:
    """The scenes of one language, in the order of the tools: the random choices of a seed depend on it."""
    files = [read(f"scenes/{tool}.yaml") for tool in TOOLS if (HERE / f"scenes/{tool}.yaml").is_file()]
    return [Scene(**{**file, **{part: file[part][language] for part in ("ask", "think", "say")}}) for file in files]


@dataclass(frozen=True)
class Filled:
    """One use of a scene. `said` holds the slots as people say them, `meant` as the tool wants them."""

    tool: str
    question: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    thought: str
    answer: str


def is_held_out(*values: object) -> bool:
    """Whether these values are kept for held-out questions: decided by the values alone, so no row can break it."""
    return zlib.crc32("|".join(str(value) for value in values).encode()) % _HELD_OUT_SHARE == 0


def draw(names: set[str], language: str, rng: random.Random) -> tuple[Slots, Slots]:
    """Pick a value for every slot name (food2 draws from food, and differs from it): as said, and as meant."""
    said: Slots = {}
    meant: Slots = {}
    for name in sorted(names):
        source = WORDS[language][name.rstrip("2")]
        entry: Entry = rng.choice([e for e in source if _meaning(e) not in meant.values()])
        said[name] = entry[0] if isinstance(entry, list) else entry
        meant[name] = _meaning(entry)
    return said, meant


def fill_scene(scene: Scene, language: str, rng: random.Random, *, held_out: bool) -> Filled:
    """Use a scene once, with values that are for training, or with values that are held out."""
    while True:
        asked = rng.choice(scene.ask)
        template, extra = asked if isinstance(asked, list) else (asked, {})
        said, meant = draw(slots_of(template) - set(extra), language, rng)
        said, meant = said | extra, meant | extra
        if is_held_out(*sorted(str(meant.get(key, "")) for key in scene.keys)) == held_out:
            break
    later = slots_of(str(scene.result)) | slots_of("".join(scene.say)) | slots_of("".join(scene.think))
    more_said, more_meant = draw(later - set(said), language, rng)
    every_said, every_meant = more_said | said, more_meant | meant
    thought, answer = rng.choice(scene.think), rng.choice(scene.say)
    return Filled(
        scene.tool,
        template.format(**said),
        fill(scene.arguments, meant),
        fill(scene.result, every_meant),
        thought.format(**every_said),
        answer.format(**every_said),
    )


def slots_of(template: str) -> set[str]:
    return set(_SLOT.findall(template))


def fill(template: Any, slots: Slots) -> Any:
    """A JSON template with its slots filled in; parts whose slot has no value are left out."""
    if isinstance(template, dict):
        filled = {key: fill(value, slots) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None} or None
    if isinstance(template, list):
        return [value for value in (fill(item, slots) for item in template) if value is not None] or None
    if isinstance(template, str) and (slot := _SLOT.fullmatch(template)):
        return slots.get(slot.group(1))
    return template


def _meaning(entry: Entry) -> str | int:
    return entry[1] if isinstance(entry, list) else entry


SCENES = {language: _scenes(language) for language in ("en", "zh")}
FIRE: dict[str, Any] = read("scenes/fire_alarm.yaml")
CALCULATION: dict[str, Any] = read("scenes/calculation.yaml")
