"""Where the value of an argument comes from: whether it stands in what a conversation has shown before the call."""

from __future__ import annotations

import locale
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from swiftagent.trajectory.content import words
from swiftagent.trajectory.types import Answer, Call, Json, Observation, Question, System, Tool, Trajectory

Path = tuple[str, ...]
# What a number of each unit is as a number, or in the next smaller unit: 30 years are 360 months.
_SCALES = {"%": 0.01, "percent": 0.01, "k": 1e3, "thousand": 1e3, "million": 1e6, "万": 1e4, "km": 1e3}
_SCALES |= {"year": 12, "年": 12, "week": 7, "周": 7, "hour": 60, "小时": 60, "minute": 60, "分钟": 60}
_UNIT = "|".join(rf"{unit}s?\b" if unit.isascii() and unit.isalpha() else unit for unit in _SCALES)
_NUMBER = re.compile(rf"(\d+(?:[.,]\d+)*)[\s-]*({_UNIT})?")
_SIGNS = str.maketrans({"$": " usd ", "€": " eur ", "£": " gbp ", "¥": " jpy "})
_DATE = re.compile(r"(?:(?:(\d{4})-)?(\d{1,2})-(\d{1,2}))?[t ]*(?:(\d{1,2}):(\d{2})?(?::\d{2}.*| ?[ap]m)?)?")
_DATE_MARKS = str.maketrans("/年月日点", "--- :", "上下午早晚分")
_DAY_BY_NAME = re.compile(
    r"\b(?:to(?:day|morrow|night)|yesterday|now|(?:next|this|last) \w+|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
    r"|[今明后昨]天|周[一二三四五六日末]|星期|现在"
)
_HOUR_BY_NAME = re.compile(r"\b(?:noon|midnight|morning|afternoon|evening|tonight|now|o'clock)\b|[点早晚午]")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_YEAR_LAST = re.compile(r"\A(\d{1,2})-(\d{1,2})-(\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COVERED = 0.5  # share of a value's letters that stand in known words: "Paris, France" where Paris was said
_STEM = 5  # letters that words of one stem share: "registering" and "registration"
_LONG = 6  # letters and digits from which a text is itself without its spaces: "DataAnalysis", "555-0199"
_PROSE = 12  # words from which a text is the model's own and no value


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


class Given(msgspec.Struct, array_like=True):
    """One argument that only a conversation can give. slot: "TOOL.path"; place: of its call."""

    slot: str
    place: int
    value: Json
    is_grounded: bool


class Context:
    """What was said and answered so far."""

    def __init__(self) -> None:
        self.text = self.squeezed = ""
        self.words: set[str] = set()
        self.stems: set[str] = set()
        self.numbers: set[float] = {0.0}

    def add(self, text: str) -> None:
        text = text.casefold().translate(_SIGNS)
        self.text += f"\n{text}"
        self.squeezed += f"\n{_squeezed(text)}"
        found = words(text)
        self.words.update(found)
        self.stems.update(word[:_STEM] for word in found if len(word) >= _STEM)
        self.numbers.update(*_numbers(text))
        for names in (_COUNTS, _ORDINALS):
            self.numbers.update(number for number, word in enumerate(names) if word in self.words)

    def grounds(self, value: Json) -> bool:
        """Whether a value, or most of it, stands here; a number by its amount, a text by its words."""
        if isinstance(value, (list, dict)):
            return all(map(self.grounds, value.values() if isinstance(value, dict) else value))
        if value is None or isinstance(value, bool):
            return True
        text = str(value).casefold().translate(_SIGNS).strip()
        if isinstance(value, (int, float)) or _NUMBER.fullmatch(text):
            digits, amounts = _numbers(text)
            return self.numbers.issuperset(digits) or bool(amounts) and self.numbers.issuperset(amounts)
        if self._says(text) or text in ("true", "false") or self._abbreviates(str(value)):
            return True
        date = _DATE.fullmatch(_YEAR_LAST.sub(r"\3-\1-\2", text.translate(_DATE_MARKS)))
        if date and date.lastindex:
            return self._grounds_date(date)
        if len(plain := _squeezed(text)) >= _LONG and plain in self.squeezed:
            return True
        parts = words(_CAMEL.sub(" ", str(value)))
        known = [word for word in parts if self._knows(word)]
        # "pier_46.png" is not "pier_29.png", though most of it is; of a year, most speakers say nothing.
        unknown = [word for word in parts if word not in known and any(map(str.isdecimal, word))]
        if any(_YEAR.search(self.text) or not _YEAR.fullmatch(word) for word in unknown):
            return False
        return sum(map(len, known)) >= _COVERED * sum(map(len, parts))

    def _abbreviates(self, code: str) -> bool:
        """Whether a code is short for what stands here: "es" for Spanish, "JPY" for Japanese yen, "NFLX" for
        Netflix."""
        if len(code) == 2 and code.isalpha():
            return any(locale.locale_alias.get(word, "")[:3] == f"{code.lower()}_" for word in self.words)
        if not (2 < len(code) < 6 and code.isascii() and code.isalpha() and code.isupper()):
            return False
        # Bounded, as a text may be one word of a million letters.
        return re.search(r"\b" + r"[a-z]{0,12}\W{0,3}".join(code.lower()), self.text) is not None

    def _says(self, text: str) -> bool:
        """Whether a text stands here from the beginning of a word on: "eur" in "euros", and not in "europe's" ."""
        at = self.text.find(text)
        while at > 0 and text[:1].isascii() and self.text[at - 1].isalnum() and self.text[at - 1].isascii():
            at = self.text.find(text, at + 1)
        return at >= 0

    def _knows(self, word: str) -> bool:
        if word.isdecimal() and float(word) in self.numbers or word in self.words:
            return True
        return word.isalpha() and len(word) >= _STEM and (word[:_STEM] in self.stems or word[: _STEM - 1] in self.words)

    def _grounds_date(self, date: re.Match[str]) -> bool:
        """More than half of what a date says, and half of what a time of day does; days and hours that are named count,
        as nobody knows when it was said."""
        day_said: list[bool] = []
        hour_said: list[bool] = []
        year, month, day, hour, minute = (None if part is None else int(part) for part in date.groups())
        if month and day:
            is_named = month < 13 and day < 32 and _DAY_BY_NAME.search(self.text) is not None
            is_month = month < 13 and any(word.startswith(_MONTHS[month - 1]) for word in self.words)
            day_said = [is_named or is_month or month in self.numbers, is_named or day in self.numbers]
            day_said += [year in self.numbers] * (year is not None and _YEAR.search(self.text) is not None)
        if (hour, minute) == (23, 59):  # the end of a day that was said
            hour = minute = 0
        if hour:
            hour_said = [_HOUR_BY_NAME.search(self.text) is not None or not {hour, hour - 12}.isdisjoint(self.numbers)]
        hour_said += [minute in self.numbers] * bool(minute)
        return (not day_said or 2 * sum(day_said) > len(day_said)) and 2 * sum(hour_said) >= len(hour_said)


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _numbers(text: str) -> tuple[list[float], list[float]]:
    """The digits of numbers, apart at points and commas, and their amounts: (1, 5) and 1.5."""
    digits: list[float] = []
    amounts: list[float] = []
    for word, scale in _NUMBER.findall(text):
        digits += [float(part) for part in re.split(r"[.,]", word)]
        plain = word.replace(",", "")
        if plain.count(".") < 2:
            amounts += [float(plain), float(plain) * _SCALES.get(scale.removesuffix("s"), 1.0)]
    return digits, amounts


def free_values(call: Call, tool: Tool | None) -> Iterator[tuple[Path, Json]]:
    """The arguments that only a conversation can give: no flags, defaults, listed choices and prose."""
    known = slots(tool.parameters) if tool else {}
    for path, value in leaves(call.arguments):
        slot = known.get(path, {})
        choices = slot["enum"] if isinstance(slot.get("enum"), list) else []
        is_free = not isinstance(value, bool) and value not in (None, "", [], {}, slot.get("default"), *choices)
        if is_free and not (isinstance(value, str) and len(words(value)) > _PROSE):
            yield path, value


def given_values(row: Trajectory) -> Iterator[Given]:
    """The free values of the calls that are trained."""
    context = Context()
    tools = {tool.name: tool for tool in row.tools}
    for place, event in enumerate(row.events):
        # What the model answered was said too: the user has read it.
        if isinstance(event, (System, Question, Observation, Answer)):
            context.add(event.text)
        elif isinstance(event, Call) and event.trained:
            for path, value in free_values(event, tools.get(event.tool)):
                yield Given(".".join((event.tool, *path)), place, value, context.grounds(value))
