"""Calls of yesterday's tools rewritten for those of today, where names, descriptions and schemas leave one way only."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from difflib import SequenceMatcher
from typing import Any, TypeVar

import msgspec

from swiftagent.clean.values import Path, leaves, slots
from swiftagent.errors import ConfigError, RowError
from swiftagent.io.yaml_file import read_text
from swiftagent.trajectory.content import words
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.types import Call, Json, Tool

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_ALIKE = 0.75  # difflib's ratio of two names
_T = TypeVar("_T")
_NONE: Any = object()  # no value: None is one


class Renames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user declares (`--map FILE`): tools by their old name; `TOOL.old.path` of today's tool to its new path,
    to values by old value, or to the factor between two units."""

    tools: dict[str, str] = {}
    arguments: dict[str, str] = {}
    values: dict[str, dict[str, Json]] = {}
    units: dict[str, float] = {}


def read_renames(path: str) -> Renames:
    """Raises ConfigError."""
    try:
        return msgspec.json.decode(read_text(pathlib.Path(path), f"--map {path}"), type=Renames)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"--map {path}: {error}; its keys are {', '.join(Renames.__struct_fields__)}") from None


def shape(schema: dict[str, Any]) -> str:
    """What of a schema calls depend on: names, choices and what is required. Types and descriptions differ between
    dialects, and a call that has the wrong type shows it by itself."""
    names = sorted((".".join(path), str(slot.get("enum"))) for path, slot in slots(schema).items())
    return str((names, sorted(_required(schema))))


def _required(schema: dict[str, Any]) -> set[str]:
    required = schema.get("required")
    return {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()


def has_changed(old: Tool, today: Tool) -> bool:
    """Whether a declaration is out of date. One that says less, as the flat list of a prompt does, is not."""
    mine, theirs = slots(old.parameters), slots(today.parameters)
    if old.name != today.name or _without_untyped(mine, theirs) != _without_untyped(theirs, mine):
        return True
    if _required(old.parameters) != _required(today.parameters):
        return True
    choices = {path: slot["enum"] for path, slot in mine.items() if "enum" in slot}
    return any(enum != theirs.get(path, {}).get("enum", enum) for path, enum in choices.items())


def _without_untyped(paths: Mapping[Path, Any], other: Mapping[Path, dict[str, Any]]) -> set[Path]:
    """The paths, cut where the other schema knows no type and so nothing of what is inside."""
    untyped = {path for path, slot in other.items() if "type" not in slot}
    cuts = {path: next((path[:end] for end in range(1, len(path)) if path[:end] in untyped), path) for path in paths}
    return set(cuts.values())


def successor(old: Tool, today: Mapping[str, Tool], offered: Collection[str], renames: Renames) -> str:
    """Today's name of a tool that is not there any more, "" where it is not certain. Two tools that a row offers
    beside each other are not one."""
    if old.name in renames.tools:
        return renames.tools[old.name]
    beside = set(offered) if old.name in offered else set()
    free = [tool for name, tool in today.items() if name not in beside]
    mine, parts = set(slots(old.parameters)), name_parts(old.name)

    def is_alike(tool: Tool) -> bool:
        theirs = set(slots(tool.parameters))
        shares = len(mine & theirs) >= max(1, 0.5 * len(mine | theirs))
        return shares and _holds(parts, name_parts(tool.name)) and _about_the_same(old, tool)

    heir = _certain(
        free,
        lambda tool: name_parts(tool.name) == parts,
        lambda tool: len(old.description.split()) > 2 and old.description == tool.description and _is_about(old, tool),
        is_alike,
    )
    return heir.name if heir else ""


def _is_about(old: Tool, today: Tool) -> bool:
    """Whether a description that two tools share is that of today's: not where their names do two things with one, and
    it speaks of the old name's alone, as that of DeleteReminder copied to ModifyReminder does."""
    mine, theirs = set(name_parts(old.name)), set(name_parts(today.name))
    about = today.description.lower()
    says_old, says_new = (any(part[:4] in about for part in parts) for parts in (mine - theirs, theirs - mine))
    return not (mine & theirs and theirs - mine and says_old and not says_new)


def _about_the_same(old: Tool, today: Tool) -> bool:
    """Whether two descriptions share nearly all words: what adds a reminder is not what modifies one."""
    mine, theirs = set(words(old.description)), set(words(today.description))
    return not (mine and theirs) or len(mine & theirs) >= 0.8 * len(mine | theirs)


def _certain(candidates: Sequence[_T], *signs: Callable[[_T], bool]) -> _T | None:
    """The one candidate at which the first sign points that points at any; None where it points at several."""
    found = next(filter(None, ([each for each in candidates if sign(each)] for sign in signs)), [])
    return found[0] if len(found) == 1 else None


def name_parts(name: str) -> tuple[str, ...]:
    """`getWeather_v2` as ("get", "weather"): case, separators and a version at the end make no difference."""
    parts = [part.lower() for part in _PART.findall(name)]
    if len(parts) > 1 and parts[-1].isdigit():
        parts = parts[: -2 if parts[-2] in ("v", "ver", "version") and len(parts) > 2 else -1]
    return tuple(parts)


def _holds(parts: Sequence[str], others: Sequence[str]) -> bool:
    return set(parts) <= set(others) or set(others) <= set(parts)


def _near(name: str, other: str) -> bool:
    mine, theirs = name_parts(name), name_parts(other)
    return _holds(mine, theirs) or SequenceMatcher(None, "".join(mine), "".join(theirs)).ratio() >= _ALIKE


def migrate(call: Call, today: Tool, versions: Sequence[Tool], renames: Renames) -> tuple[Call, list[str]] | None:
    """The call as today's tool takes it, and what was changed; None where no old version makes that certain."""
    for old in (*versions, None) if isinstance(call.arguments, dict) else ():
        work = _Migration(today, old, renames)
        arguments = work.run(call.arguments)
        if arguments is not None and not faults(today.parameters, arguments):
            changes = [f"tool {call.tool} -> {today.name}"] if call.tool != today.name else []
            return msgspec.structs.replace(call, tool=today.name, arguments=arguments), changes + work.changes
    return None


class _Migration:
    """The arguments of one call on their way from one schema to another."""

    def __init__(self, today: Tool, old: Tool | None, renames: Renames) -> None:
        self.name, self.schema, self.renames = today.name, today.parameters, renames
        self.slots = slots(today.parameters)
        self.old = slots(old.parameters) if old else {}
        self.changes: list[str] = []

    def run(self, arguments: dict[str, Json]) -> dict[str, Json] | None:
        given = dict(leaves(arguments, self.slots))
        self.free = [path for path in self.slots if path not in given]
        self.unknown = [path for path in given if path not in self.slots]
        moved: dict[Path, Json] = {}
        for path, value in given.items():
            place = path if path in self.slots else self._place(path, value)
            if place is None:
                if "default" in (before := self.old.get(path, {})) and before["default"] == value:
                    self.changes.append(f"{_dotted(path)} dropped: it was the default {value!r}")
                    continue
                return None
            new = self._fitted(path, place, value)
            if new is _NONE:
                return None
            if place != path:
                self.free.remove(place)
                self.changes.append(f"{_dotted(path)} -> {_dotted(place)}")
            if new is not value:
                self.changes.append(f"{_dotted(place)}: {value!r} -> {new!r}")
            moved[place] = new
        return self._nested(self._with_defaults(moved))

    def _place(self, path: Path, value: Json) -> Path | None:
        """Where a value belongs today, None where that is not certain."""
        if declared := self.renames.arguments.get(f"{self.name}.{_dotted(path)}"):
            place = tuple(declared.split("."))
            return place if place in self.free else None
        free = [slot for slot in self.free if self._fitted(path, slot, value) is not _NONE]
        about = self.old.get(path, {}).get("description")
        required = [slot for slot in free if self._is_required(slot)]
        return _certain(
            free,
            lambda slot: slot[-1] == path[-1],
            lambda slot: name_parts("_".join(slot)) == name_parts("_".join(path)),
            lambda slot: bool(about) and self.slots[slot].get("description") == about,
            lambda slot: _near(slot[-1], path[-1]),
            # By elimination: one argument has no place, and one place no argument, as it has to or is new.
            lambda slot: len(self.unknown) == 1 and required == [slot],
            lambda slot: len(self.unknown) == 1 and free == [slot] and slot not in self.old and bool(self.old),
        )

    def _is_required(self, slot: Path) -> bool:
        schema = self.schema
        for name in slot[:-1]:
            schema = schema["properties"][name]
        return slot[-1] in _required(schema)

    def _fitted(self, path: Path, place: Path, value: Json) -> Json:
        """The value as its parameter takes it today: by the user's mapping, a choice spelt otherwise, another type of
        the same value. _NONE where it does not fit."""
        key, slot = f"{self.name}.{_dotted(path)}", self.slots[place]
        values, factor = self.renames.values.get(key, {}), self.renames.units.get(key)
        if isinstance(value, str) and value in values:
            return values[value]
        if factor is not None and isinstance(value, (int, float)):
            try:
                scaled = value * factor
                return int(scaled) if scaled == int(scaled) else scaled
            except OverflowError:  # beyond a float
                return _NONE
        candidates = [value, *self._choices(path, slot, value), *_other_types(value)]
        schema = {"type": "object", "properties": {"value": slot}}
        return next((each for each in candidates if not faults(schema, {"value": each})), _NONE)

    def _choices(self, path: Path, slot: dict[str, Any], value: Json) -> list[Json]:
        choices, before = slot.get("enum"), self.old.get(path, {}).get("enum")
        if not isinstance(choices, list) or not isinstance(value, str):
            return []
        known = before if isinstance(before, list) else []
        gone, new = [each for each in known if each not in choices], [each for each in choices if each not in known]
        plain, low = "".join(name_parts(value)), value.lower()
        found = _certain(
            [each for each in choices if isinstance(each, str)],
            lambda choice: "".join(name_parts(choice)) == plain,
            lambda choice: bool(plain) and (low.startswith(choice.lower()) or choice.lower().startswith(low)),
            # By elimination: all choices but one stayed the same.
            lambda choice: gone == [value] and new == [choice],
        )
        return [] if found is None else [found]

    def _with_defaults(self, moved: dict[Path, Json]) -> dict[Path, Json]:
        for slot in self.free:
            about = self.slots[slot]
            is_there = len(slot) == 1 or any(path[: len(slot) - 1] == slot[:-1] for path in moved)
            if "default" in about and is_there and self._is_required(slot):
                moved[slot] = about["default"]
                self.changes.append(f"{_dotted(slot)} added: its default {about['default']!r}")
        return moved

    def _nested(self, moved: dict[Path, Json]) -> dict[str, Json]:
        arguments: dict[str, Json] = {}
        for path, value in moved.items():
            inner = arguments
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
        return arguments


def _other_types(value: Json) -> list[Json]:
    """The same value as another type."""
    if isinstance(value, list):
        return value if len(value) == 1 else []
    if isinstance(value, str):
        with suppress(RowError):
            read, repairs = read_loose(value)
            return [*([read] if {"python-repr"}.issuperset(repairs) else []), [value]]
        return [[value]] if value[:1] not in "[{" else []
    return [] if value is None or isinstance(value, dict) else [[value], msgspec.json.encode(value).decode()]


def _dotted(path: Path) -> str:
    return ".".join(path)
