"""Which rows are the validation split: a share of every channel, whole conversations, and what a recipe holds out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.errors import ConfigError
from swiftagent.io.rows import read_rows
from swiftagent.mix.fingerprints import Fingerprint
from swiftagent.mix.recipe import HoldOut, Recipe
from swiftagent.mix.sample import seed_of, shares, validation
from swiftagent.mix.seen import NearDuplicates
from swiftagent.mix.selection import Selection, Taken
from swiftagent.mix.spool import Table
from swiftagent.trajectory.content import content_hash


def held_out(recipe: Recipe, taken: Taken, rows: Table) -> set[int]:
    """The indexes of the validation split. Rows of one channel and one first question are never on both sides, so no
    conversation is, and no row has its equal on the other side. With rows made from others or anything held out, rows
    of one first question stand together whatever their channels.

    Rows with a held-out tool or hash are all in it, beside the recipe's share of the others.
    """
    groups = array("Q", rows["group"].tobytes())
    fingerprints = [each for _, source in taken for each in _each_copy(source)]
    near = _Twins(recipe, fingerprints) if recipe.hold_out.apart else None
    ruled = _with_their_like(_by_rule(recipe, fingerprints), groups, near)
    spans: dict[str, list[int]] = {}
    first = 0
    for plan, source in taken:
        spans.setdefault(plan.source.channel, []).extend(
            index for index in range(first, first + source.total) if index not in ruled
        )
        first += source.total
    wanted = max(1, round(len(rows) * recipe.val)) if recipe.val and len(rows) > 1 else 0
    chosen = _chosen(recipe, wanted, spans, rows)
    return ruled | (near.without(chosen, ruled) if near is not None else chosen)


def _chosen(recipe: Recipe, wanted: int, spans: dict[str, list[int]], rows: Table) -> set[int]:
    """`wanted` rows, so many of each channel as its size asks for; first of the conversations that several channels
    share."""
    groups, prints = (array("Q", rows[name].tobytes()) for name in ("group", "print"))
    # A restraint row asks the question of the row that it was made from, so groups decide and not whole contents.
    strict = bool(recipe.no_call) or recipe.hold_out != HoldOut()
    shared = _in_several(spans, groups, groups if strict else prints)
    common = [index for indexes in spans.values() for index in indexes if groups[index] in shared]
    share = round(len(common) * recipe.val)
    found = validation([groups[index] for index in common], share, seed_of(recipe.seed, "val"), whole=True)
    chosen = {common[position] for position in found}
    for (channel, indexes), count in zip(spans.items(), shares(wanted, [*map(len, spans.values())]), strict=True):
        own = [index for index in indexes if groups[index] not in shared] if shared else indexes
        count -= sum(index in chosen for index in indexes) if chosen else 0
        found = validation([groups[index] for index in own], count, seed_of(recipe.seed, "val", channel))
        chosen |= {own[position] for position in found}
    return chosen


def _in_several(spans: dict[str, list[int]], groups: Sequence[int], marks: Sequence[int]) -> set[int]:
    """The groups with a row whose mark is found in more than one channel."""
    seen: set[int] = set()
    shared: set[int] = set()
    for indexes in spans.values():
        own = {marks[index] for index in indexes}
        shared |= seen & own
        seen |= own
    # Nearly always; the pass over all rows below is spared then.
    if not shared:
        return set()
    return {groups[index] for indexes in spans.values() for index in indexes if marks[index] in shared}


def _with_their_like(held: set[int], groups: Sequence[int], near: _Twins | None) -> set[int]:
    """Rows that a rule holds out, and all that would leak them into training: of their conversations, their near
    duplicates."""
    size = -1
    # Held-out rows pull in their conversations, these their near duplicates, those their conversations, until no more.
    while held and len(held) != size:
        size = len(held)
        alike = {groups[index] for index in held}
        held = {index for index, group in enumerate(groups) if group in alike}
        if near is not None:
            held |= near.like(held)
    return held


def _each_copy(source: Selection) -> list[Fingerprint]:
    whole, more = source.rounds
    return [
        row
        for index, row in enumerate(source.fingerprints or [Fingerprint()] * len(source))
        for _ in range(whole + (index < more))
    ]


def _by_rule(recipe: Recipe, rows: list[Fingerprint]) -> set[int]:
    tools = set(recipe.hold_out.tools)
    hashes = _hashes(recipe.hold_out.hashes) if recipe.hold_out.hashes else set()
    return {index for index, row in enumerate(rows) if tools & set(row.offered) or row.content in hashes}


def _hashes(path: str) -> set[int]:
    """Content hashes that a file lists, one a line, or those of the rows that it holds."""
    try:
        return {int(line, 16) for line in Path(path).read_text(encoding="utf-8").split()}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    # Not hexadecimal: a file of rows, whose hashes are taken.
    except ValueError:
        found = {content_hash(row) for row in read_trajectories(read_rows(path), Policy())}
    if not found:
        raise ConfigError(f"{path}: holds neither hashes of rows, one hexadecimal number a line, nor rows")
    return found


class _Twins:
    """Which rows are near duplicates of which."""

    def __init__(self, recipe: Recipe, rows: list[Fingerprint]) -> None:
        self._index = NearDuplicates(recipe.near)
        self._signatures = [row.signature for row in rows]
        for signature in self._signatures:
            self._index.add(signature)

    def like(self, held: set[int]) -> set[int]:
        """The near duplicates of these rows."""
        return {other for index in held for other in self._of(index)}

    def without(self, chosen: set[int], ruled: set[int]) -> set[int]:
        """Of the rows chosen those that no row of the training split is like; the others stay there with their
        twins."""
        alike = {index: set(self._of(index)) for index in chosen}
        size = -1
        # What stays in training may have a twin here that has to stay there too.
        while len(chosen) != size:
            size = len(chosen)
            chosen = {index for index in chosen if alike[index] <= chosen | ruled}
        return chosen

    def _of(self, index: int) -> list[int]:
        return self._index.like(self._signatures[index]) if self._signatures[index] else []
