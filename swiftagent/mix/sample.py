"""Which rows are taken: a key from (seed, channel, content), and the rows with the smallest keys.

The same rows are chosen whatever the order of the files, the size of the pieces and the number of processes or
machines.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Sequence

import xxhash

_PACK = struct.Struct("<QQ").pack


def seed_of(*parts: object) -> int:
    """A hash seed from anything that has a text."""
    return xxhash.xxh3_64_intdigest("\0".join(map(str, parts)).encode())


def key_of(content: bytes, seed: int) -> int:
    return xxhash.xxh3_64_intdigest(content, seed)


def place_of(key: int, copy: int, seed: int) -> int:
    """Where a row stands in the shuffled output. `copy` distinguishes repeats of one row."""
    return xxhash.xxh3_64_intdigest(_PACK(key, copy), seed)


def copies(wanted: int, available: int, limit: int) -> tuple[int, int]:
    """How often each of `available` rows is taken to have `wanted`: (whole rounds, rows of one more round)."""
    return divmod(min(wanted, available * limit), available) if available else (0, 0)


def shares(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in the proportion of the weights, with this sum (largest remainders)."""
    whole = sum(weights)
    if whole <= 0:
        return [0] * len(weights)
    exact = [total * weight / whole for weight in weights]
    counts = [int(value) for value in exact]
    # Ties go to the earlier weight, so that the same recipe always gives the same counts.
    order = sorted(range(len(weights)), key=lambda index: (counts[index] - exact[index], index))
    for index in order[: total - sum(counts)]:
        counts[index] += 1
    return counts


def validation(groups: Sequence[int], wanted: int, seed: int, *, whole: bool = False) -> set[int]:
    """The indexes of about `wanted` rows, never more, chosen by group: rows of one group are in it all or not at all.

    Where every group is larger than what is wanted, a part of one is chosen, or none with `whole`.
    """
    if wanted <= 0 or not groups:
        return set()
    places = ((place_of(group, 0, seed), group) for group in groups)
    # More than are wanted, since groups that are too large are passed over; not all, which may be millions to sort.
    first = dict(heapq.nsmallest(2 * wanted + 1000, places))
    members: dict[int, list[int]] = {group: [] for group in first.values()}
    for index, group in enumerate(groups):
        if group in members:
            members[group].append(index)
    chosen: set[int] = set()
    for _, group in sorted(first.items()):
        if len(chosen) + len(members[group]) <= wanted:
            chosen.update(members[group])
    return chosen if chosen or whole else set(members[first[min(first)]][:wanted])
