"""English and Chinese: a text's translation is found by its English words in one catalogue, zh.yaml.

Pages ask for it by the text and its named values. What the command line prints is looked up as it is printed: a key
with placeholders, such as "run {}: {}", is found by the text that it became.
"""

from __future__ import annotations

import argparse
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swiftagent.io.yaml_file import read_text

CATALOGUE = Path(__file__).parent / "zh.yaml"
Say = Callable[..., str]
_VALUE = re.compile(r"\{(\w*)\}")


@cache
def chinese() -> dict[str, str]:
    """English to Chinese, from the catalogue."""
    return dict(yaml.safe_load(read_text(CATALOGUE)))


def speaker(language: str) -> Say:
    """A function from an English text, with its {names} filled in, to a language ("en" or "zh")."""

    def say(text: str, **values: object) -> str:
        known = chinese().get(text, text) if language == "zh" else text
        return known.format(**values) if values else known

    return say


def in_chinese(text: str) -> str:
    """What the command line says, in Chinese; what the catalogue does not have stays as it is, with what is filled into
    a known sentence, or stands behind a place ("config.yaml:7: "), translated by itself."""
    if text in chinese():
        return chinese()[text]
    if "\n" in text:
        return "\n".join(map(in_chinese, text.split("\n")))
    for piece, key in _sentences():
        if piece in text and (found := _pattern(key).fullmatch(text)):
            values = [in_chinese(value) for value in found.groups()]
            names = filter(None, _VALUE.findall(key))
            return chinese()[key].format(*values, **dict(zip(names, values, strict=False)))
    place, colon, rest = text.partition(": ")
    if rest:
        return f"{place}{colon}{in_chinese(rest)}"
    fact, semicolon, remedy = text.partition("; ")
    return f"{in_chinese(fact)}{semicolon}{in_chinese(remedy)}" if remedy else text


@cache
def _sentences() -> list[tuple[str, str]]:
    """(its longest part without values, key) of each key with values, the longest keys first."""
    # A key of few letters, such as "{} of {}", would be found in sentences that the catalogue does not have.
    keys = sorted((key for key in chinese() if "{" in key and len(_VALUE.sub("", key)) >= 8), key=len, reverse=True)
    return [(max(_VALUE.split(key)[::2], key=len), key) for key in keys]


@cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, _VALUE.split(key)[::2])), re.DOTALL)


def description_parts(text: str) -> Iterator[str]:
    """The parts of a command's description: prose by its paragraphs, examples by what stands between two blanks."""
    for paragraph in re.split(r"(\n\n+)", text):
        if re.search(r"^( |swiftagent |eval )", paragraph, re.MULTILINE):
            yield from re.split(r"(\n| {2,})", paragraph)
        else:
            yield " ".join(paragraph.split("\n")) if paragraph.strip() else paragraph


class _ChineseHelp(argparse.RawDescriptionHelpFormatter):
    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, in_chinese("usage: "))

    def _split_lines(self, text: str, width: int) -> list[str]:
        wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
        # A Chinese letter is two columns wide and a line may end after any of them.
        return textwrap.wrap(text, max(10, width * len(text) // (len(text) + wide)))


def translate_help(parser: argparse.ArgumentParser) -> None:
    """Put a parser's help into Chinese."""
    # Intermixed arguments cut the length of the English prefix off a usage that they have to make themselves.
    usage = parser.usage or parser.format_usage().removeprefix("usage: ").rstrip()
    parser.formatter_class = _ChineseHelp
    for name in ("description", "epilog"):
        text = getattr(parser, name)
        # A command's name, alone in its column, stays as it is typed.
        spoken = (part if part.isalpha() else in_chinese(part) for part in description_parts(text or ""))
        setattr(parser, name, text and "".join(spoken))
    parser.usage = usage
    for group in parser._action_groups:
        group.title = group.title and in_chinese(group.title)
    for action in parser._actions:
        action.help = action.help and in_chinese(action.help)


def wanted_language(chosen: str, accepted: str) -> str:
    """ "en" or "zh": what was chosen, else what the browser asks for first."""
    return chosen if chosen in ("en", "zh") else "zh" if accepted.lower().startswith("zh") else "en"
