"""The data of the samples, read from the YAML files beside this one: the words, the chat and the scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
Entry = str | int | list[str | int]  # the text itself, or [how a question says it, the value that a tool expects]


def read(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


_LISTS: dict[str, dict[str, list[Entry]]] = read("words.yaml")
WORDS = {language: {name: lists[language] for name, lists in _LISTS.items()} for language in ("en", "zh")}
_STEMS = (
    "cam yard roof gate hall shed attic kitchen tower depot lobby garage barn corridor office bakery cabin shop stairs "
    "basement terrace factory school hotel pier boiler laundry workshop canteen archive"
)
IMAGE_STEMS = _STEMS.split()
IMAGE_ENDINGS = ("jpg", "png", "jpeg")
