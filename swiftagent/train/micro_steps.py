"""An optimizer step cut into micro-steps by tokens: the same sequences, in as few forward passes as the budget allows,
and as much work for each rank as for the next."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

# Rows of the data, by number. A row that is there only so that no micro-step is empty has `~number`: it is computed,
# since every rank must take part, and not trained.
MicroStep = list[int]


def cut_step(rows: Sequence[int], lengths: Sequence[int], *, budget: int, ranks: int) -> list[list[MicroStep]]:
    """The micro-steps of each rank, the same number for all: as few as hold `rows` within `budget` tokens each.

    `lengths` are tokens by row number. A row longer than the budget has a micro-step to itself.
    """
    long = sum(lengths[row] >= budget for row in rows)
    rest = sum(lengths[row] for row in rows if lengths[row] < budget)
    # The fewest that can do are what the tokens fill; a micro-step for each row is always enough.
    for count in range(math.ceil((long + rest / budget) / ranks), math.ceil(len(rows) / ranks) + 1):
        bins = _evenly(rows, lengths, count * ranks)
        if all(len(micro) < 2 or _tokens(micro, lengths) <= budget for micro in bins):
            break
    return _deal([micro or [~min(rows, key=lengths.__getitem__)] for micro in bins], lengths, ranks)


def batches(count: int, size: int, *, ranks: int) -> list[list[MicroStep]]:
    """Batches of each rank, as many for all, of rows 0 to `count` in their order, `size` in each."""
    groups = [list(range(start, min(start + size, count))) for start in range(0, count, size)]
    groups += [[~0]] * (-len(groups) % ranks)
    return [groups[rank::ranks] for rank in range(ranks)]


def _evenly(rows: Sequence[int], lengths: Sequence[int], count: int) -> list[MicroStep]:
    """`count` groups of nearly the same tokens: the longest row goes first, each into the emptiest group."""
    groups: list[MicroStep] = [[] for _ in range(count)]
    emptiest = [(0, number) for number in range(count)]
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        tokens, number = emptiest[0]
        groups[number].append(row)
        heapq.heapreplace(emptiest, (tokens + lengths[row], number))
    return groups


def _deal(micro_steps: list[MicroStep], lengths: Sequence[int], ranks: int) -> list[list[MicroStep]]:
    """The same number to each rank, largest first, there and back, so that no rank waits long for another."""
    ordered = sorted(micro_steps, key=lambda micro: -_tokens(micro, lengths))
    rounds = [ordered[start : start + ranks] for start in range(0, len(ordered), ranks)]
    dealt = [one if number % 2 == 0 else one[::-1] for number, one in enumerate(rounds)]
    return [[one[rank] for one in dealt] for rank in range(ranks)]


def _tokens(micro: MicroStep, lengths: Sequence[int]) -> int:
    return sum(lengths[row] if row >= 0 else lengths[~row] for row in micro)
