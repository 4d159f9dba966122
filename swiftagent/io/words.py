"""Words that a user typed: the known word nearest to a misspelt one, and shares such as 2%."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word nearest to a misspelt one; "" where none is near."""
    import difflib  # only where something is misspelt: it costs milliseconds of every start

    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


def did_you_mean(word: str, known: Iterable[str], before: str = "", otherwise: str = "") -> str:
    """`did you mean X?` with `before` in front of it; `otherwise` where no known word is near."""
    near = nearest(word, known)
    return f"{before}did you mean {near}?" if near else otherwise


def share(text: Any) -> float:
    """`2%` or `0.02` as a share from 0 to 1. Raises ValueError."""
    value = float(text[:-1]) / 100 if isinstance(text, str) and text.endswith("%") else float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is not a share: write 2% or a number from 0 to 1")
    return value
