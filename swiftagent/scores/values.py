"""Whether two values mean the same: numbers, dates and strings are compared by meaning, not by how they are
spelt; and how alike two texts are.

5 = 5.0 = "5" and "5,000" = 5000, but "05" is a code and equals only itself
"2024-03-05" = "March 5, 2024" = "5 Mar 2024" = "2024年3月5日"; "03/05/2024" is read by nobody safely, so it stays text
"New  York." = "new york"; True = "true", but True is not 1
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from swiftagent.trajectory.content import words
from swiftagent.trajectory.types import Json

# 0.1 + 0.2 is 0.3; whole numbers are compared exactly.
RELATIVE_TOLERANCE = 1e-6
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_TIME = r"(?:[t, ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0+)?)?)?(?:z|\+00:?00)?"
_DATES = (
    re.compile(rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}"),
    re.compile(rf"(?P<y>\d{{4}})年(?P<m>\d{{1,2}})月(?P<d>\d{{1,2}})[日号]{_TIME}"),
    re.compile(rf"(?P<name>{_MONTH}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}}){_TIME}"),
    re.compile(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<name>{_MONTH}),? (?P<y>\d{{4}}){_TIME}"),
)


def same_value(gold: Json, predicted: Json) -> bool:
    """Whether two JSON values mean the same. Lists are compared in order; objects by key."""
    if isinstance(gold, dict):
        same_keys = isinstance(predicted, dict) and gold.keys() == predicted.keys()
        return same_keys and all(same_value(value, predicted[key]) for key, value in gold.items())
    if isinstance(gold, list):
        return isinstance(predicted, list) and len(gold) == len(predicted) and all(map(same_value, gold, predicted))
    if isinstance(predicted, (dict, list)) or gold is None or predicted is None:
        return gold is predicted
    return (type(gold) is type(predicted) and gold == predicted) or _same_scalar(gold, predicted)


def _same_scalar(gold: str | int | float | bool, predicted: str | int | float | bool) -> bool:
    # First, since in Python True is 1.
    if isinstance(gold, bool) or isinstance(predicted, bool):
        return str(gold).strip().lower() == str(predicted).strip().lower()
    left, right = as_number(gold), as_number(predicted)
    if left is not None and right is not None:
        return _same_number(left, right)
    if not isinstance(gold, str) or not isinstance(predicted, str):
        return False
    text, other = plain_text(gold), plain_text(predicted)
    return text == other or (date := as_date(text)) is not None and date == as_date(other)


def as_number(value: str | int | float) -> int | float | Decimal | None:
    """The number that a value or its text is; None where it is not one. "007" is a code, not a number."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return Decimal(text.replace(",", "")) if text[-1:].isdigit() and _NUMBER.fullmatch(text) else None


def _same_number(left: int | float | Decimal, right: int | float | Decimal) -> bool:
    if left == right:
        return True
    # Identifiers of many digits must not be equal by a relative tolerance.
    if isinstance(left, int) and isinstance(right, int):
        return False
    try:
        difference = abs(float(left) - float(right))
        return difference <= RELATIVE_TOLERANCE * max(abs(float(left)), abs(float(right)))
    # An integer beyond the range of floats, which is near nothing.
    except OverflowError:
        return False


@lru_cache(maxsize=4096)
def plain_text(text: str) -> str:
    """Text without differences that mean nothing: width, case, spaces, quotes around it, a full stop at its end."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text.rstrip(".。 ") or text


@lru_cache(maxsize=4096)
def as_date(text: str) -> tuple[int, ...] | None:
    """(year, month, day, hour, minute, second) of a text in `plain_text` form; None where it is not a date, or one that
    readers take differently."""
    # Nearly every text: four patterns are spared.
    if not any(letter.isdigit() for letter in text):
        return None
    for pattern in _DATES:
        if found := pattern.fullmatch(text):
            parts = found.groupdict()
            month = _MONTHS.index(parts["name"][:3]) + 1 if parts.get("name") else int(parts["m"])
            clock = [int(part or 0) for part in found.groups()[-3:]]
            return (int(parts["y"]), month, int(parts["d"]), *clock)
    return None


def rouge_l(candidate: str, reference: str) -> float:
    """ROUGE-L F1 (Lin 2004, beta 1): of the longest common subsequence of words. Two texts without a word are alike."""
    left, right = words(candidate), words(reference)
    if not left or not right:
        return float(left == right)
    return 2 * len(common_words(left, right)) / (len(left) + len(right))


def same_text(candidate: str, reference: str) -> bool:
    """Exact but for width, case, spaces and a full stop."""
    return plain_text(candidate) == plain_text(reference)


def common_words(left: Sequence[str], right: Sequence[str]) -> list[str]:
    """One longest common subsequence, from its end; of several, the one found from there that shortens `right` first.

    By bit rows: a machine word holds 64 cells of the table (Hyyrö 2004).
    """
    places: dict[str, int] = {}
    for index, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << index
    # Python's integers take any number of bits, so one row of the table is one number.
    mask = (1 << len(left)) - 1
    rows = [mask]
    for word in right:
        matched = rows[-1] & places.get(word, 0)
        rows.append((rows[-1] + matched | rows[-1] - matched) & mask)
    found = []
    i, j = len(left), len(right)
    while i and j:
        if left[i - 1] == right[j - 1]:
            found.append(left[i - 1])
            i, j = i - 1, j - 1
        elif _length(rows[j], i - 1) > _length(rows[j - 1], i):
            i -= 1
        else:
            j -= 1
    return found


def _length(row: int, size: int) -> int:
    """How long the longest common subsequence is of the first `size` words: the zeros among so many bits of a row."""
    return size - (row & (1 << size) - 1).bit_count()
