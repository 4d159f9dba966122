from __future__ import annotations

import math

import numpy as np
import pytest

from swiftagent.scores.intervals import Ratios, mcnemar, paired_differences


def filled(values: list[float]) -> Ratios:
    ratios = Ratios(("right",))
    for index, value in enumerate(values):
        ratios.add(f"row{index}", {"right": (value, 1.0)})
    return ratios


def test_the_interval_of_a_share_is_that_of_theory():
    found = filled([1.0] * 60 + [0.0] * 40).estimates()["right"]
    spread = 1.96 * math.sqrt(0.6 * 0.4 / 100)
    assert found.value == pytest.approx(0.6)
    assert found.low == pytest.approx(0.6 - spread, abs=0.02)
    assert found.high == pytest.approx(0.6 + spread, abs=0.02)


def test_rows_are_resampled_not_steps():
    """100 steps of 10 rows, alike within a row, know what 10 rows know."""
    ratios = Ratios(("right",))
    for row in range(10):
        for _ in range(10):
            ratios.add(f"row{row}", {"right": (float(row < 5), 1.0)})
    found = ratios.estimates()["right"]
    assert found.n == 100
    assert found.high - found.low > 0.5


def test_a_part_is_what_its_additions_alone_would_be():
    generator = np.random.default_rng(1)
    additions = [(f"row{number % 7}", {"a": (float(generator.integers(4)), 4.0)}) for number in range(60)]
    additions += [("row3", {"b": (0.1 * number, 1.0), "a": (1.0, 1.0)}) for number in range(20)]
    whole, alone = Ratios(("a", "b")), Ratios(("a", "b"))
    for addition in additions:
        whole.add(*addition)
    chosen = [71, *range(0, 60, 3), 70]
    for number in chosen:
        alone.add(*additions[number])
    assert whole.part(chosen).estimates() == alone.estimates()
    assert set(whole.part(chosen).clusters) == set(alone.clusters)
    assert whole.part([]).estimates()["a"].value is None


def test_twenty_of_twenty_is_not_certainty():
    found = filled([1.0] * 20).estimates()["right"]
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.832, abs=0.001)


def test_coverage_of_the_interval():
    generator = np.random.default_rng(1)
    samples = [list((generator.random(60) < 0.7).astype(float)) for _ in range(200)]
    found = [filled(sample).estimates(seed=trial)["right"] for trial, sample in enumerate(samples)]
    hits = sum(each.low <= 0.7 <= each.high for each in found)
    assert hits >= 180


@pytest.mark.parametrize(("lost", "gained", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (5, 5, 1.0)])
def test_mcnemar(lost: int, gained: int, p: float):
    pairs = [(True, False)] * lost + [(False, True)] * gained + [(True, True)] * 7
    assert mcnemar(pairs) == pytest.approx(p)


def test_a_paired_difference_is_tighter_than_two_apart():
    base = [float(i % 2) for i in range(200)]
    tuned = [1.0 if i < 20 else value for i, value in enumerate(base)]
    pairs = [(bool(b), bool(t)) for b, t in zip(base, tuned, strict=True)]
    found = paired_differences(filled(base), filled(tuned), {"right": pairs})["right"]
    assert found.value == pytest.approx(0.05)
    assert (found.n, found.test, found.is_noise) == (200, "McNemar exact", False)
    assert found.high - found.low < 0.07
    assert found.p == pytest.approx(2 / 2**10)


def test_no_difference_is_noise():
    found = paired_differences(filled([1.0, 0.0] * 30), filled([0.0, 1.0] * 30), {})["right"]
    assert (found.value, found.is_noise, found.test) == (0.0, True, "paired bootstrap")


def test_nothing_measured():
    empty = paired_differences(Ratios(("right",)), Ratios(("right",)), {})["right"]
    assert (empty.value, empty.n, empty.p, empty.is_noise) == (None, 0, None, True)


@pytest.mark.parametrize(("rows", "is_noise"), [(1, True), (5, True), (6, False)])
@pytest.mark.parametrize("by_step", [True, False])
def test_a_few_rows_prove_nothing_however_alike_they_are(rows: int, is_noise: bool, by_step: bool):
    pairs = {"right": [(True, False)] * rows} if by_step else {}
    found = paired_differences(filled([1.0] * rows), filled([0.0] * rows), pairs)["right"]
    assert (found.value, found.p, found.is_noise) == (-1.0, pytest.approx(2.0 ** (1 - rows)), is_noise)
