"""Where the value of an argument comes from: whether it stands in what a conversation has shown before the call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from swiftagent.trajectory.content import words
from swiftagent.trajectory.types import Call, Json, Observation, Question, System, Tool, Trajectory

Path = tuple[str, ...]
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DATE = re.compile(r"\d{4}-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2}).*)?")
_DAY_BY_NAME = re.compile(
    r"\b(?:to(?:day|morrow|night)|yesterday|now|(?:next|this|last) \w+|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
    r"|[今明后昨]天|周[一二三四五六日末]|星期|现在"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COVERED = 0.5  # share of a value's letters that stand in known words: "Paris, France" where Paris was said


def leaves(value: Json, stop: Any = (), path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """(path, value) of an object's inner values; an object at a path of `stop` is one value."""
    if isinstance(value, dict) and value and path not in stop:
        for name, inner in value.items():
            yield from leaves(inner, stop, (*path, name))
    elif path:
        yield path, value


def slots(schema: dict[str, Any], path: Path = ()) -> dict[Path, dict[str, Any]]:
    """The paths of a schema's inner parameters, each with its schema."""
    found: dict[Path, dict[str, Any]] = {}
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        below = slots(inner, (*path, name)) if isinstance(inner, dict) else {}
        found.update(below or {(*path, name): inner if isinstance(inner, dict) else {}})
    return found


class Context:
    """What was said and answered so far."""

    def __init__(self) -> None:
        self.text = ""
        self.words: set[str] = set()
        self.numbers: set[float] = set()

    def add(self, text: str) -> None:
        self.text += f"\n{text.casefold()}"
        self.words.update(words(text))
        self.numbers.update(_numbers(text))
        self.numbers.update(number for number, word in enumerate(_COUNTS) if word in self.words)

    def grounds(self, value: Json) -> bool:
        """Whether a value, or most of it, stands here; a number by its amount, a text by its words."""
        if isinstance(value, (list, dict)):
            inner = list(value.values() if isinstance(value, dict) else value)
            return all(map(self.grounds, inner))
        if value is None or isinstance(value, bool):
            return True
        if isinstance(value, (int, float)) or _NUMBER.fullmatch(value.strip()):
            return self.numbers.issuperset(_numbers(str(value))) or str(value) in self.text
        text = value.casefold().strip()
        if text in self.text or text in ("true", "false"):
            return True
        if date := _DATE.fullmatch(text):
            return self._grounds_date(*[int(part or 0) for part in date.groups()])
        parts = words(text)
        known = sum(
            len(word) for word in parts if word in self.words or word.isdecimal() and float(word) in self.numbers
        )
        return known >= _COVERED * sum(map(len, parts))

    def _grounds_date(self, month: int, day: int, hour: int, minute: int) -> bool:
        """Half of what a date and a time of day say; days that are named count, as nobody knows when it was said."""
        if _DAY_BY_NAME.search(self.text):
            return True
        is_month = 0 < month < 13 and any(word.startswith(_MONTHS[month - 1]) for word in self.words)
        said = [is_month or month in self.numbers, day in self.numbers]
        said += [not {hour, hour - 12}.isdisjoint(self.numbers)] * bool(hour) + [minute in self.numbers] * bool(minute)
        return 2 * sum(said) >= len(said)


def _numbers(text: str) -> list[float]:
    found = []
    for word in _NUMBER.findall(text):
        found += [float(part) for part in re.split(r"[.,]", word)]
        plain = word.replace(",", "")
        found += [float(plain)] if plain.count(".") < 2 else []
    return found


def free_values(call: Call, tool: Tool | None) -> Iterator[tuple[Path, Json]]:
    """The arguments that only a conversation can give: no flags, defaults and listed choices."""
    known = slots(tool.parameters) if tool else {}
    for path, value in leaves(call.arguments):
        slot = known.get(path, {})
        is_free = not isinstance(value, bool) and value not in (None, "", [], {}) and "enum" not in slot
        if is_free and value != slot.get("default"):
            yield path, value


def grounding(row: Trajectory) -> Iterator[tuple[Call, int, Path, Json, bool]]:
    """(call, its index, path, value, whether it is grounded) of every argument that a conversation gives."""
    context = Context()
    tools = {tool.name: tool for tool in row.tools}
    for place, event in enumerate(row.events):
        if isinstance(event, (System, Question, Observation)):
            context.add(event.text)
        elif isinstance(event, Call):
            for path, value in free_values(event, tools.get(event.tool)):
                yield event, place, path, value, context.grounds(value)
