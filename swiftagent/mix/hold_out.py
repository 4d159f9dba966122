"""Which rows are the validation split: a share of every channel, whole conversations, and what a recipe holds out."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.errors import refuse
from swiftagent.io.jsonl import read_text
from swiftagent.io.rows import read_rows
from swiftagent.mix.fingerprints import Fingerprint
from swiftagent.mix.recipe import HoldOut, Recipe
from swiftagent.mix.sample import seed_of, shares, validation
from swiftagent.mix.seen import NearDuplicates
from swiftagent.mix.selection import Taken
from swiftagent.mix.spool import Table
from swiftagent.trajectory.content import content_hash


def held_out(recipe: Recipe, taken: Taken, rows: Table) -> set[int]:
    """The indexes of the validation split. Rows of one channel and one first question are never on both sides, so no
    conversation is, and no row has its equal on the other side. With rows made from others or anything held out, rows
    of one first question stand together whatever their channels.

    Rows with a held-out tool or hash are all in it, beside the recipe's share of the others.
    """
    groups = array("Q", rows["group"].tobytes())
    ruled: set[int] = set()
    if recipe.hold_out != HoldOut():
        fingerprints = [
            row
            for _, source in taken
            for index, row in enumerate(source.fingerprints or [Fingerprint()] * len(source))
            for _ in range(source.rounds[0] + (index < source.rounds[1]))
        ]
        if recipe.hold_out.apart:
            groups = _with_near_duplicates(groups, fingerprints, recipe.near)
        alike = {groups[index] for index in _by_rule(recipe, fingerprints)}
        ruled = {index for index, group in enumerate(groups) if group in alike}
    spans: dict[str, list[int]] = {}
    first = 0
    for plan, source in taken:
        own = range(first, first + source.total)
        spans.setdefault(plan.source.channel, []).extend(index for index in own if index not in ruled)
        first += source.total
    wanted = max(1, round(len(rows) * recipe.val)) if recipe.val and len(rows) > 1 else 0
    return ruled | _chosen(recipe, wanted, spans, groups, array("Q", rows["print"].tobytes()))


def _chosen(
    recipe: Recipe, wanted: int, spans: dict[str, list[int]], groups: Sequence[int], prints: Sequence[int]
) -> set[int]:
    """`wanted` rows, so many of each channel as its size asks for; first of the conversations that several channels
    share."""
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
        seed = seed_of(recipe.seed, "val", channel)
        found = validation([groups[index] for index in own], count, seed, whole=recipe.hold_out.apart)
        chosen |= {own[position] for position in found}
    return chosen


def _with_near_duplicates(groups: array[int], rows: Sequence[Fingerprint], near: float) -> array[int]:
    """The groups, of which those with near duplicates of each other become one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known, first, pairs = NearDuplicates(near), dict[int, int](), list[tuple[int, int]]()
    for index, (row, group) in enumerate(zip(rows, groups, strict=True)):
        pairs.append((index, first.setdefault(group, index)))
        pairs += [(index, other) for other in known.like(row.signature)] if row.signature else []
        known.add(row.signature)
    edges = coo_array(([True] * len(pairs), tuple(zip(*pairs, strict=True))), shape=(len(rows), len(rows)))
    labels = connected_components(edges, directed=False)[1].tolist()
    names: dict[int, int] = {}
    return array("Q", [names.setdefault(label, group) for label, group in zip(labels, groups, strict=True)])


def _in_several(spans: dict[str, list[int]], groups: Sequence[int], marks: Sequence[int]) -> set[int]:
    """The groups with a row whose mark is found in more than one channel."""
    seen = Counter(chain.from_iterable({marks[index] for index in indexes} for indexes in spans.values()))
    shared = {mark for mark, channels in seen.items() if channels > 1}
    # None is, nearly always; the pass over all rows is spared then.
    rows = (index for indexes in spans.values() for index in indexes) if shared else ()
    return {groups[index] for index in rows if marks[index] in shared}


def _by_rule(recipe: Recipe, rows: list[Fingerprint]) -> set[int]:
    tools = set(recipe.hold_out.tools)
    hashes = _hashes(recipe.hold_out.hashes) if recipe.hold_out.hashes else set()
    return {index for index, row in enumerate(rows) if tools & set(row.offered) or row.content in hashes}


def _hashes(path: str) -> set[int]:
    """Content hashes that a file lists, one a line, or those of the rows that it holds."""
    try:
        return {int(line, 16) for line in read_text(Path(path)).split()}
    # Not hexadecimal: a file of rows, whose hashes are taken.
    except ValueError:
        found = {content_hash(row) for row in read_trajectories(read_rows(path), Policy())}
    refuse({f"{path}: holds neither hashes of rows, one hexadecimal number a line, nor rows": not found})
    return found
