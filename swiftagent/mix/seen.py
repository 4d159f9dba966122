"""Rows that are refused because of other rows: duplicates, a tool that has enough rows, an evaluation set."""

from __future__ import annotations

from collections import Counter
from typing import Any

from swiftagent.mix.fingerprints import PERMUTATIONS, SCHEME, Fingerprint
from swiftagent.mix.recipe import Recipe

SEEN = "in-evaluation-set"
OF_RECORDS = (SEEN, "duplicate", "near-duplicate", "enough-of-tool")


class SeenRows:
    """The rows that are taken so far. They come in the order of the recipe's sources and of their keys, so that what is
    refused does not depend on processes."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.contents: set[int] = set()
        self.per_tool: Counter[str] = Counter()
        self.near = NearDuplicates(recipe.near) if recipe.duplicates == "near" else None

    def refuses(self, row: Fingerprint) -> str:
        """The reason why a row is not taken, or "", with which it is remembered."""
        recipe = self.recipe
        if row.seen_in:
            return SEEN
        if recipe.duplicates != "keep" and row.content in self.contents:
            return "duplicate"
        if self.near is not None and self.near.like(row.signature):
            return "near-duplicate"
        if recipe.max_per_tool is not None and any(self.per_tool[tool] >= recipe.max_per_tool for tool in row.called):
            return "enough-of-tool"
        self.learn(row)
        return ""

    def learn(self, row: Fingerprint) -> None:
        """Remember a row that is taken."""
        if self.recipe.duplicates != "keep":
            self.contents.add(row.content)
        if self.near is not None:
            self.near.add(row.signature)
        self.per_tool.update(row.called)


class NearDuplicates:
    """Signatures of rows, and whether one is like any of them (datasketch's MinHashLSH, then the estimate itself)."""

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHashLSH  # type: ignore[import-untyped]

        self.threshold = threshold
        # The index only proposes; it is looser than the threshold, and `like` decides by the estimate.
        self._index = MinHashLSH(threshold=max(0.1, threshold - 0.05), num_perm=PERMUTATIONS)
        self._rows: list[Any] = []

    def add(self, signature: bytes) -> None:
        """The next row; one without a signature is like no other."""
        row = _minhash(signature) if signature else None
        if row is not None:
            self._index.insert(len(self._rows), row, check_duplication=False)
        self._rows.append(row)

    def like(self, signature: bytes) -> list[int]:
        """The numbers of the rows that are at least this similar, in the order in which they came."""
        mine = _minhash(signature)
        found = sorted(self._index.query(mine))
        return [number for number in found if mine.jaccard(self._rows[number]) >= self.threshold]


def _minhash(signature: bytes) -> Any:
    import numpy
    from datasketch import LeanMinHash

    return LeanMinHash(seed=1, hashvalues=numpy.frombuffer(signature, "<u4"), scheme=SCHEME)
