"""Intervals and tests: a cluster bootstrap for ratios, paired differences, and McNemar's exact test."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
# Counts drawn at a time: 32 MB, however many rows there are.
CHUNK = 4_000_000

Array = NDArray[np.float64]
Parts = Mapping[str, tuple[float, float]]  # metric: (reached, out of)


class MetricEstimate(msgspec.Struct, frozen=True):
    """A value with its n and its bootstrap 95 % interval; all None where there was nothing to measure (n = 0)."""

    value: float | None
    n: int
    low: float | None
    high: float | None


Metrics = dict[str, MetricEstimate]


class MetricDifference(MetricEstimate, frozen=True):
    """tuned - base on the same rows, with its paired bootstrap 95 % interval.

    `p`: McNemar's exact test where every step is right or wrong, else the paired bootstrap's two-sided p.
    """

    p: float | None
    test: str

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds zero or p is not small: neither a gain nor a loss."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high or self.p is None or self.p >= 0.05

    def as_dict(self) -> dict[str, Any]:
        return {**msgspec.structs.asdict(self), "is_noise": self.is_noise}


class Ratios(msgspec.Struct, frozen=True):
    """The parts of several metrics at each step or run. clusters: of each, what is resampled together. ids: of each,
    where two models are compared step by step."""

    metrics: tuple[str, ...]
    clusters: Sequence[str]
    parts: Sequence[Parts]
    ids: Sequence[str] = ()

    def part(self, numbers: Sequence[int]) -> Ratios:
        """The same metrics of some steps only."""
        return Ratios(self.metrics, [self.clusters[i] for i in numbers], [self.parts[i] for i in numbers])

    @property
    def values(self) -> Array:
        """steps x (reached, out of) x metrics."""
        rows = [[each.get(name, (0.0, 0.0)) for name in self.metrics] for each in self.parts]
        return np.swapaxes(np.array(rows, float).reshape(len(rows), len(self.metrics), 2), 1, 2)

    def estimates(self, *, seed: int = 0, resamples: int = RESAMPLES, not_shares: Collection[str] = ()) -> Metrics:
        """Each metric with its interval and n: the sum of its out-of; of `not_shares`, the number of clusters that have
        it."""
        sums = _summed(self.clusters, self.values)
        values, drawn = _ratios(sums.sum(axis=0)), _ratios(resampled_sums(sums, seed, resamples))
        named = enumerate(self.metrics)
        return {name: _estimate(values[i], drawn[:, i], sums[:, 1, i], name not in not_shares) for i, name in named}


def _estimate(value: float, drawn: Array, out_of: Array, is_share: bool) -> MetricEstimate:
    clusters = int(np.count_nonzero(out_of))
    low, high = _bounds(drawn)
    # Resampling 20 successes out of 20 gives [1, 1]; Clopper-Pearson's bound (0.83), here in closed form, is what the
    # data supports. It is that of a proportion, so of shares alone.
    if is_share and low == high and value in (0.0, 1.0):
        bound = 0.025 ** (1 / clusters)
        low, high = (bound, high) if value else (low, 1 - bound)
    return MetricEstimate(_number(value), int(round(out_of.sum())) if is_share else clusters, low, high)


def paired_differences(base: Ratios, tuned: Ratios, not_shares: Collection[str] = ()) -> dict[str, MetricDifference]:
    """tuned - base for every metric, resampling the same rows for both. Where both have ids, metrics that are right or
    wrong at every step of either get McNemar's test."""
    split = len(base.parts)
    both = np.zeros((split + len(tuned.parts), 2, 2, len(base.metrics)))  # the second: base, tuned
    both[:split, 0], both[split:, 1] = base.values, tuned.values
    # Both sides by one numbering: a draw takes the same rows of both.
    sums = _summed([*base.clusters, *tuned.clusters], both)
    steps = _summed([*base.ids, *tuned.ids], both) if base.ids and tuned.ids else None
    values = np.diff(_ratios(sums.sum(axis=0)), axis=-2)[0]
    drawn = np.diff(_ratios(resampled_sums(sums)), axis=-2)[:, 0]
    result = {}
    for i, name in enumerate(base.metrics):
        is_share = name not in not_shares
        pairs = None if steps is None or not is_share else steps[..., i]
        result[name] = _difference(values[i], drawn[:, i], sums[:, :, 1, i], is_share, pairs)
    return result


def _difference(value: float, drawn: Array, out_of: Array, is_share: bool, pairs: Array | None) -> MetricDifference:
    """out_of: clusters x (base, tuned). pairs: steps x (base, tuned) x (reached, out of)."""
    clusters = int(np.count_nonzero(out_of, axis=0).min())
    n = int(round(out_of.sum(axis=0).min())) if is_share else clusters
    p, test = _two_sided(drawn), "paired bootstrap"
    # Measured at other steps for one model than for the other, or by halves, a metric is not right or wrong.
    if n and pairs is not None and np.isin(pairs, (0, 1)).all() and (pairs[:, 0, 1] == pairs[:, 1, 1]).all():
        gain = pairs[:, 1, 0] - pairs[:, 0, 0]
        p, test = mcnemar(int((gain > 0).sum()), int((gain < 0).sum())), "McNemar exact"
    if p is not None and clusters:
        # A sign test of so few rows could not go lower, however alike they are.
        p = max(p, 2.0 ** (1 - clusters))
    return MetricDifference(_number(value), n, *_bounds(drawn), p, test)


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided exact p of McNemar's test; 1.0 where nothing differs."""
    # Imported here: it takes longer than all the rest, and only a comparison with a base needs it.
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def _summed(labels: Sequence[str], values: Array) -> Array:
    """The sums of the values of each label: labels x the other axes."""
    number = {name: index for index, name in enumerate(dict.fromkeys(labels))}
    sums = np.zeros((len(number), *values.shape[1:]))
    np.add.at(sums, np.array([number[name] for name in labels], int), values)
    return sums


def resampled_sums(sums: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """Sums over `resamples` draws of rows with replacement: resamples x the other axes.

    Rows that are alike are drawn together: how often each kind comes is multinomial, which is the same and far quicker.
    """
    n = len(sums)
    if n == 0:
        return np.full((resamples, *sums.shape[1:]), np.nan)
    kinds, counts = np.unique(sums.reshape(n, -1), axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // len(kinds))
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    drawn = [generator.multinomial(n, counts / n, size=size).astype(float) @ kinds for size in sizes]
    return np.concatenate(drawn).reshape(resamples, *sums.shape[1:])


def _ratios(sums: Array) -> Array:
    """Reached / out of, which are the last axis but one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0, :] / sums[..., 1, :])


def _bounds(drawn: Array) -> tuple[float | None, float | None]:
    """2.5 % and 97.5 %; draws without a denominator are left out."""
    kept = drawn[np.isfinite(drawn)]
    low, high = np.quantile(kept, (0.025, 0.975)).tolist() if len(kept) else (None, None)
    return low, high


def _two_sided(differences: Array) -> float | None:
    kept = differences[np.isfinite(differences)]
    if not len(kept):
        return None
    below, above = np.mean(kept <= 0), np.mean(kept >= 0)
    return float(min(1.0, max(2 * min(below, above), 1 / len(kept))))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
