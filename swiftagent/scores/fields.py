"""Answers that are JSON, scored field by field, with the confusions that come most."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from swiftagent.scores.intervals import Metrics, Parts, Ratios
from swiftagent.scores.values import same_value
from swiftagent.trajectory.types import Json

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.S)
ABSENT = "(absent)"


class Confusion(msgspec.Struct, frozen=True):
    """A field whose gold value came out as another one, and how often. Values are JSON text; (absent) where there is
    none."""

    field: str
    gold: str
    predicted: str
    count: int


class FieldScores(msgspec.Struct, frozen=True):
    """As metrics.json holds them. accuracy: of each field; "(all)" is the whole object (all fields right, none extra).
    unreadable: answers that are no JSON."""

    accuracy: Metrics
    confusions: list[Confusion]
    unreadable: int


def json_answer(text: str | None) -> Json:
    """The JSON object or list in an answer: all of it, a fenced block, or from first to last brace. None: there is
    none."""
    if not text:
        return None
    fenced = _FENCED.search(text)
    # From the most exact to the loosest, so that prose around JSON never wins over JSON.
    candidates = [text, fenced.group(1) if fenced else "", _between(text, "{", "}"), _between(text, "[", "]")]
    for candidate in candidates:
        with suppress(ValueError, RecursionError):
            value = json.loads(candidate)
            if isinstance(value, (dict, list)):
                return value
    return None


def _between(text: str, opening: str, closing: str) -> str:
    start, end = text.find(opening), text.rfind(closing)
    return text[start : end + 1] if 0 <= start < end else ""


def fields_of(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """(path, leaf) pairs: `address.city`, `items[].price`. An empty object or list is a leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from fields_of(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and any(isinstance(item, (dict, list)) for item in value):
        for item in value:
            yield from fields_of(item, f"{path}[]")
    else:
        yield path or "value", value


def score_fields(pairs: Iterable[tuple[str, str, str | None]], *, worst: int = 10) -> FieldScores:
    """Score (row id, gold answer, predicted answer) triples; rows whose gold is no JSON take no part."""
    rows: list[str] = []
    all_parts: list[Parts] = []
    confused: Counter[tuple[str, str, str]] = Counter()
    unreadable = 0
    for row, gold_text, predicted_text in pairs:
        gold = json_answer(gold_text)
        # A row whose gold answer is prose has no fields to be right.
        if gold is None:
            continue
        predicted = json_answer(predicted_text)
        unreadable += predicted is None
        parts = {"(all)": (float(predicted is not None and same_value(gold, predicted)), 1.0)}
        wanted, given = _grouped(gold), _grouped(predicted)
        for field, values in wanted.items():
            got = given.get(field, [])
            right = 0
            for index, value in enumerate(values):
                if index < len(got) and same_value(value, got[index]):
                    right += 1
                else:
                    confused[field, _short_json(value), _short_json(got[index]) if index < len(got) else ABSENT] += 1
            parts[field] = (float(right), float(len(values)))
        # Fields that gold does not have are no accuracy of any field, but they show among the confusions.
        for field in given.keys() - wanted.keys():
            confused[field, ABSENT, _short_json(given[field][0])] += 1
        rows.append(row)
        all_parts.append(parts)
    names = tuple(dict.fromkeys(field for parts in all_parts for field in parts))
    found = [Confusion(*key, count) for key, count in confused.most_common(worst)]
    return FieldScores(Ratios(names, rows, all_parts).estimates(), found, unreadable)


def _grouped(value: Any) -> dict[str, list[Json]]:
    grouped: dict[str, list[Json]] = {}
    for field, leaf in () if value is None else fields_of(value):
        grouped.setdefault(field, []).append(leaf)
    return grouped


def _short_json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
