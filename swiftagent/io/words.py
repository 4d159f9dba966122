"""Words that a user typed: the known word nearest to a misspelt one, and shares such as 2%; and values in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


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


def plainly(value: Any) -> str:
    """A value for a cell of a table, without JSON's marks: "merge, equal 12, of 12"."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plainly(one)}" for name, one in value.items() if one not in ("", [], {}, None))
    if isinstance(value, (list, tuple)):
        return "\n".join(map(plainly, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
