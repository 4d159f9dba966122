"""Fingerprints of rows, by which each is compared with all others: a hash of its content, a MinHash signature,
its tools.

They are made only for a recipe that needs them (duplicates, hold-outs, decontamination, a limit by tool).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import xxhash

from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.errors import refuse
from swiftagent.io.rows import read_rows
from swiftagent.mix.recipe import HoldOut, Recipe
from swiftagent.trajectory.content import content_hash, words
from swiftagent.trajectory.types import Answer, Call, Question, Trajectory

SCHEME = "affine32"
PERMUTATIONS = 64  # of a signature: an estimate of the Jaccard similarity to about 0.06
_SHINGLE = 5  # words or Chinese characters that stand together
_GRAM = 13  # words in a row that are no accident: the length that decontamination of evaluation sets uses


class Fingerprint(msgspec.Struct, array_like=True):
    """`content`: a hash of questions, calls and answers. `offered` holds called and declared tools."""

    content: int = 0
    signature: bytes = b""
    called: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    seen_in: str = ""  # the evaluation row that it overlaps


def needs_fingerprints(recipe: Recipe) -> bool:
    compared = recipe.duplicates != "keep" or recipe.max_per_tool is not None or recipe.decontaminate
    return bool(compared or recipe.hold_out != HoldOut())


def fingerprint_of(row: Trajectory, recipe: Recipe) -> Fingerprint:
    """The fingerprint of one row, as far as the recipe needs it."""
    called = tuple(dict.fromkeys(event.tool for event in row.events if isinstance(event, Call)))
    near = recipe.duplicates == "near" or recipe.hold_out.apart
    return Fingerprint(
        content_hash(row),
        signature(shingles(text_of(row))) if near else b"",
        called,
        tuple(dict.fromkeys((*called, *(tool.name for tool in row.tools)))),
        overlap(row, recipe.decontaminate) if recipe.decontaminate else "",
    )


def text_of(row: Trajectory) -> str:
    """The text of questions, calls and answers."""
    said = (event for event in row.events if isinstance(event, (Question, Answer, Call)))
    return "\n".join(f"{event.tool} {event.arguments}" if isinstance(event, Call) else event.text for event in said)


def shingles(text: str) -> set[bytes]:
    found = words(text)
    return set(_windows(found, _SHINGLE)) or {" ".join(found).encode()}


def _windows(found: list[str], size: int) -> list[bytes]:
    """Every so many words that stand together."""
    return [" ".join(found[at : at + size]).encode() for at in range(len(found) - size + 1)]


def signature(parts: Iterable[bytes]) -> bytes:
    """A MinHash signature (datasketch) as bytes."""
    # A copy: each new MinHash would draw its permutations again.
    made = _empty_signature().copy()
    made.update_batch(parts)
    return bytes(made.hashvalues.astype("<u4").tobytes())


@lru_cache(maxsize=1)
def _empty_signature() -> Any:
    from datasketch import MinHash  # type: ignore[import-untyped]

    return MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=xxhash.xxh32_intdigest, scheme=SCHEME)


def overlap(row: Trajectory, files: tuple[str, ...]) -> str:
    """The first evaluation row whose question, or 13 words in a row of it, stand in this row; "" where none does."""
    known = _evaluation(files)
    for event in row.events:
        if isinstance(event, (Question, Answer)):
            marks = _marks(words(event.text), whole=isinstance(event, Question))
            if place := next((known[mark] for mark in marks if mark in known), ""):
                return place
    return ""


@lru_cache(maxsize=4)
def _evaluation(files: tuple[str, ...]) -> dict[int, str]:
    """Hash of a whole question or of 13 words -> the first evaluation row that holds it. Read once a process.

    Raises ConfigError for a file without a question: nothing would be left out for it.
    """
    known: dict[int, str] = {}
    for file in files:
        asked = 0
        for asked, (where, text) in enumerate(_asked(file), 1):  # noqa: B007
            found = words(text)
            # "hello" is in every set.
            for mark in _marks(found, whole=len(found) >= 3):
                known.setdefault(mark, where)
        what = f"{file}: no question is found in this evaluation set; `swiftagent formats --of` says what it is"
        refuse({what: not asked})
    return known


def _asked(file: str) -> Iterator[tuple[str, str]]:
    """(place, text) of the questions of an evaluation set: by the keys of its rows, since many hold no answer, and as
    readers of its format take it."""
    for row in read_rows(file):
        yield from ((row.where, text) for text in _questions(row.value))
    for trajectory in read_trajectories(read_rows(file), Policy()):
        yield from ((trajectory.source, event.text) for event in trajectory.events if isinstance(event, Question))


def _questions(value: object) -> list[str]:
    """The texts of an evaluation row that the user wrote, in any format: long texts that are no system prompt."""
    match value:
        case {"role": "system"} | {"from": "system"}:
            return []
        case {"role": "user" | "human", "content": str(text)} | {"from": "user" | "human", "value": str(text)}:
            return [text]
        case {"role": str()} | {"from": str()}:
            return []
        case dict():
            asked = [value.get(key) for key in ("question", "query", "instruction", "prompt")]
            return [text for text in asked if isinstance(text, str)] + [
                text for item in value.values() if isinstance(item, (dict, list)) for text in _questions(item)
            ]
        case list():
            return [text for item in value for text in _questions(item)]
    return []


def _marks(found: list[str], whole: bool) -> list[int]:
    """Hashes of a text as a `whole` and of all 13 words in a row of it."""
    parts = [" ".join(found).encode()] if whole else []
    return [*map(xxhash.xxh3_64_intdigest, parts + _windows(found, _GRAM))]
