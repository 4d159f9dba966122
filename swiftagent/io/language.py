"""English and Chinese: a text's translation is found by its English words in one catalogue, zh.yaml."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

from swiftagent.io.yaml_file import read_text

CATALOGUE = Path(__file__).parent / "zh.yaml"
Say = Callable[..., str]


@cache
def chinese() -> dict[str, str]:
    """English to Chinese, from the catalogue."""
    found: dict[str, str] = yaml.safe_load(read_text(CATALOGUE))
    return found


def speaker(language: str) -> Say:
    """A function from an English text, with its {names} filled in, to a language ("en" or "zh")."""

    def say(text: str, **values: object) -> str:
        known = chinese().get(text, text) if language == "zh" else text
        return known.format(**values) if values else known

    return say


def wanted_language(chosen: str, accepted: str) -> str:
    """ "en" or "zh": what was chosen, else what the browser asks for first."""
    return chosen if chosen in ("en", "zh") else "zh" if accepted.lower().startswith("zh") else "en"
