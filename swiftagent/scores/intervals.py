"""Intervals and tests: a cluster bootstrap for ratios, paired differences, and McNemar's exact test."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
# Counts drawn at a time: 32 MB, however many rows there are.
CHUNK = 4_000_000

Array = NDArray[np.float64]


class MetricEstimate(msgspec.Struct, frozen=True):
    """A value with its n and its bootstrap 95 % interval; all None where there was nothing to measure (n = 0)."""

    value: float | None
    n: int
    low: float | None
    high: float | None


Metrics = dict[str, MetricEstimate]


class MetricDifference(msgspec.Struct, frozen=True):
    """tuned - base on the same rows, with its paired bootstrap 95 % interval.

    `p`: McNemar's exact test where every step is right or wrong, else the paired bootstrap's two-sided p.
    """

    value: float | None
    n: int
    low: float | None
    high: float | None
    p: float | None
    test: str

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds zero or p is not small: neither a gain nor a loss."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high or self.p is None or self.p >= 0.05

    def as_dict(self) -> dict[str, Any]:
        return {**msgspec.structs.asdict(self), "is_noise": self.is_noise}


class Ratios:
    """Sums of (reached, out of) by cluster, for several metrics at once; a cluster is what is resampled together."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._column = {name: index for index, name in enumerate(self.names)}
        self._clusters: list[str] = []  # of each addition
        self._rows: list[Array] = []  # of each addition: reached of every metric, then out of

    def add(self, cluster: str, parts: Mapping[str, tuple[float, float]]) -> None:
        row = np.zeros(2 * len(self.names))
        for name, part in parts.items():
            row[self._column[name] :: len(self.names)] = part
        self._clusters.append(cluster)
        self._rows.append(row)

    def part(self, additions: Sequence[int]) -> Ratios:
        """The same metrics of some additions only, named by their number in the order in which they were added."""
        found = Ratios(self.names)
        found._clusters = [self._clusters[number] for number in additions]
        found._rows = [self._rows[number] for number in additions]
        return found

    def sums(self, clusters: Sequence[str]) -> Array:
        """clusters x [reached of every metric | out of every metric]."""
        number = {name: index for index, name in enumerate(clusters)}
        rows = np.array(self._rows).reshape(-1, 2 * len(self.names))
        row_of = [number[name] for name in self._clusters]
        return np.stack([np.bincount(row_of, column, len(number)) for column in rows.T], axis=1)

    @property
    def clusters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._clusters))

    def estimates(
        self, *, seed: int = 0, resamples: int = RESAMPLES, not_shares: Collection[str] = ()
    ) -> dict[str, MetricEstimate]:
        """Each metric with its interval and n: the sum of its out-of; of `not_shares`, the number of clusters that have
        it."""
        reached, out_of = np.hsplit(self.sums(self.clusters), 2)
        values, low, high = _ratio_intervals(reached, out_of, seed, resamples)
        clusters = np.count_nonzero(out_of, axis=0)
        shares = np.array([name not in not_shares for name in self.names])
        # Only shares: Clopper-Pearson's bound is that of a proportion.
        _widen_where_all_agree(values, low, high, np.where(shares, clusters, 0))
        n = [clusters[i] if name in not_shares else out_of[:, i].sum() for i, name in enumerate(self.names)]
        return {
            name: MetricEstimate(_number(values[i]), int(round(n[i])), _number(low[i]), _number(high[i]))
            for i, name in enumerate(self.names)
        }


def paired_differences(
    base: Ratios,
    tuned: Ratios,
    pairs: Mapping[str, Sequence[tuple[bool, bool]]],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    not_shares: Collection[str] = (),
) -> dict[str, MetricDifference]:
    """tuned - base for every metric, resampling the same rows for both.

    pairs: for metrics that are right or wrong at a step, (base right, tuned right) of each step: they get McNemar's
    test.
    """
    # Both sides by one numbering: a draw takes the same rows of both.
    clusters = tuple(dict.fromkeys([*base.clusters, *tuned.clusters]))
    sums = np.hstack([base.sums(clusters), tuned.sums(clusters)])
    width = len(base.names)
    total = sums.sum(axis=0)
    value = _gain(total[None, :], width)[0]
    drawn = _gain(resampled_sums(sums, seed, resamples), width)
    low, high = _quantiles(drawn)
    result = {}
    for index, name in enumerate(base.names):
        parts = sums[:, [width + index, 3 * width + index]]
        counts = np.count_nonzero(parts, axis=0) if name in not_shares else parts.sum(axis=0)
        n = int(round(counts.min())) if len(parts) else 0
        by_step = n > 0 and name in pairs
        p = mcnemar(pairs[name]) if by_step else _two_sided(drawn[:, index])
        clusters_of_both = int(np.count_nonzero(parts, axis=0).min()) if len(parts) else 0
        if p is not None and clusters_of_both:
            # A sign test of so few rows could not go lower, however alike they are.
            p = max(p, 2.0 ** (1 - clusters_of_both))
        test = "McNemar exact" if by_step else "paired bootstrap"
        result[name] = MetricDifference(_number(value[index]), n, _number(low[index]), _number(high[index]), p, test)
    return result


def _gain(sums: Array, width: int) -> Array:
    """Rows of [base reached | base out of | tuned reached | tuned out of] as tuned ratio - base ratio."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gain: Array = (
            sums[:, 2 * width : 3 * width] / sums[:, 3 * width :] - sums[:, :width] / sums[:, width : 2 * width]
        )
    return gain


def mcnemar(pairs: Iterable[tuple[bool, bool]]) -> float:
    """The two-sided exact p of McNemar's test over (right before, right after) pairs; 1.0 where none differ."""
    # Imported here: it takes longer than all the rest, and only a comparison with a base needs it.
    from scipy.stats import binomtest

    gained = [after for before, after in pairs if before != after]
    return float(binomtest(sum(gained), len(gained)).pvalue) if gained else 1.0


def resampled_sums(sums: Array, seed: int, resamples: int) -> Array:
    """Column sums over `resamples` draws of rows with replacement: resamples x columns.

    Rows that are alike are drawn together: how often each kind comes is multinomial, which is the same and far quicker.
    """
    n = len(sums)
    if n == 0:
        return np.full((resamples, sums.shape[1]), np.nan)
    kinds, counts = np.unique(sums, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    drawn = np.empty((resamples, sums.shape[1]))
    step = max(1, CHUNK // len(kinds))
    for start in range(0, resamples, step):
        rows = slice(start, min(start + step, resamples))
        drawn[rows] = generator.multinomial(n, counts / n, size=rows.stop - start).astype(float) @ kinds
    return drawn


def _ratio_intervals(reached: Array, out_of: Array, seed: int, resamples: int) -> tuple[Array, Array, Array]:
    width = reached.shape[1]
    drawn = resampled_sums(np.concatenate([reached, out_of], axis=1), seed, resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = reached.sum(axis=0) / out_of.sum(axis=0)
        low, high = _quantiles(drawn[:, :width] / drawn[:, width:])
    return values, low, high


def _widen_where_all_agree(values: Array, low: Array, high: Array, clusters: NDArray[np.int64]) -> None:
    """Resampling 20 successes out of 20 gives [1, 1]; Clopper-Pearson's bound (0.83) is what the data supports."""
    for column in np.flatnonzero((clusters > 0) & (low == high)):
        # Clopper-Pearson in closed form, where all clusters succeed or all fail.
        bound = 0.025 ** (1 / clusters[column])
        if values[column] == 1.0:
            low[column] = bound
        elif values[column] == 0.0:
            high[column] = 1 - bound


def _quantiles(drawn: Array) -> tuple[Array, Array]:
    """2.5 % and 97.5 % of each column; draws without a denominator are left out, a column of them is NaN."""
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    for column in range(drawn.shape[1]):
        kept = drawn[:, column][np.isfinite(drawn[:, column])]
        if len(kept):
            low[column], high[column] = np.quantile(kept, (0.025, 0.975))
    return low, high


def _two_sided(differences: Array) -> float | None:
    kept = differences[np.isfinite(differences)]
    if not len(kept):
        return None
    below, above = np.mean(kept <= 0), np.mean(kept >= 0)
    return float(min(1.0, max(2 * min(below, above), 1 / len(kept))))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
