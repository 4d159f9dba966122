"""Calls written like Python: `[Market Trends(kind="index", top=3), get.time()]`, names with spaces and dots
included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from swiftagent.errors import RowError
from swiftagent.trajectory.read_loose import read_loose

_START = re.compile(r"\s*\[\s*[A-Za-z_][\w .\-/:]*\(")
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def looks_like_calls(text: str) -> bool:
    """Whether a text is `[Name(...)]` and nothing else."""
    return text.rstrip().endswith(")]") and _START.match(text) is not None


_ONE_CALL = re.compile(r"\s*[A-Za-z_][\w.\-]*\(.*\)\s*", re.S)


def are_calls(text: str) -> bool:
    """Whether a text is one call or several, with brackets around them or without."""
    return looks_like_calls(text) or _ONE_CALL.fullmatch(text) is not None


def python_calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Every call as (name, arguments). Raises RowError("broken-call") where brackets or quotes do not close."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    calls = []
    place = 0
    while place < len(text):
        start = text.find("(", place)
        name = text[place : start if start >= 0 else len(text)].strip(" ,;\n\t")
        if start < 0:
            if name:
                raise RowError("broken-call", f"no call in {text[place : place + 60]!r}")
            break
        end = _closing(text, start)
        calls.append((name, _arguments(text[start + 1 : end])))
        place = end + 1
    return calls


def _closing(text: str, start: int) -> int:
    for place, depth in _walk(text, start):
        if depth == 0:
            return place
    raise RowError("broken-call", f"a call does not close: {text[start - 20 if start > 20 else 0 : start + 40]!r}")


def _walk(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Yield (place, depth) at every bracket outside strings."""
    depth = 0
    quote = ""
    place = start
    while place < len(text):
        letter = text[place]
        if quote:
            if letter == "\\":
                place += 1
            elif letter == quote:
                quote = ""
        elif letter in "\"'" and text[place - 1 : place] in ("=", " ", "(", "[", "{", ",", ":", "\n", ""):
            quote = letter
        elif letter in "([{":
            depth += 1
            yield place, depth
        elif letter in ")]}":
            depth -= 1
            yield place, depth
        elif letter == "," and depth == 0:
            yield place, -1
        place += 1


def _arguments(text: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for part in _parts(text):
        name, equals, value = part.partition("=")
        if not equals or name.strip()[:1] in "\"'{[":
            arguments["input" if not arguments else f"input{len(arguments)}"] = _value(part)
        else:
            arguments[name.strip()] = _value(value)
    return arguments


def _parts(text: str) -> list[str]:
    cuts = [place for place, depth in _walk(text, 0) if depth == -1 and text[place] == ","]
    starts = [0, *(cut + 1 for cut in cuts)]
    parts = [text[start:end] for start, end in zip(starts, [*cuts, len(text)], strict=True)]
    return [part.strip() for part in parts if part.strip()]


def _value(text: str) -> Any:
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return read_loose(text)[0]
    except RowError:
        return text.strip("\"'")
