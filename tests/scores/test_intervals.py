from __future__ import annotations

import math

import numpy as np
import pytest

from swiftagent.scores.intervals import Ratios, mcnemar, paired_differences


def filled(values: list[float], by_step: bool = False) -> Ratios:
    rows = [f"row{index}" for index in range(len(values))]
    return Ratios(("right",), rows, [{"right": (value, 1.0)} for value in values], rows if by_step else ())


def test_the_interval_of_a_share_is_that_of_theory():
    found = filled([1.0] * 60 + [0.0] * 40).estimates()["right"]
    spread = 1.96 * math.sqrt(0.6 * 0.4 / 100)
    assert found.value == pytest.approx(0.6)
    assert found.low == pytest.approx(0.6 - spread, abs=0.02)
    assert found.high == pytest.approx(0.6 + spread, abs=0.02)


def test_rows_are_resampled_not_steps():
    """100 steps of 10 rows, alike within a row, know what 10 rows know."""
    parts = [{"right": (float(step < 50), 1.0)} for step in range(100)]
    found = Ratios(("right",), [f"row{step // 10}" for step in range(100)], parts).estimates()["right"]
    assert found.n == 100
    assert found.high - found.low > 0.5


def test_a_part_is_what_its_additions_alone_would_be():
    generator = np.random.default_rng(1)
    additions = [(f"row{number % 7}", {"a": (float(generator.integers(4)), 4.0)}) for number in range(60)]
    additions += [("row3", {"b": (0.1 * number, 1.0), "a": (1.0, 1.0)}) for number in range(20)]
    whole = Ratios(("a", "b"), *zip(*additions, strict=True))
    chosen = [71, *range(0, 60, 3), 70]
    alone = Ratios(("a", "b"), *zip(*[additions[number] for number in chosen], strict=True))
    assert whole.part(chosen).estimates() == alone.estimates()
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
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_a_paired_difference_is_tighter_than_two_apart():
    base = [float(i % 2) for i in range(200)]
    tuned = [1.0 if i < 20 else value for i, value in enumerate(base)]
    found = paired_differences(filled(base, True), filled(tuned, True))["right"]
    assert found.value == pytest.approx(0.05)
    assert (found.n, found.test, found.is_noise) == (200, "McNemar exact", False)
    assert found.high - found.low < 0.07
    assert found.p == pytest.approx(2 / 2**10)


def test_no_difference_is_noise():
    found = paired_differences(filled([1.0, 0.0] * 30), filled([0.0, 1.0] * 30))["right"]
    assert (found.value, found.is_noise, found.test) == (0.0, True, "paired bootstrap")


def test_nothing_measured():
    empty = paired_differences(filled([]), filled([], True))["right"]
    assert (empty.value, empty.n, empty.p, empty.is_noise) == (None, 0, None, True)


@pytest.mark.parametrize(("rows", "is_noise"), [(1, True), (5, True), (6, False)])
@pytest.mark.parametrize("by_step", [True, False])
def test_a_few_rows_prove_nothing_however_alike_they_are(rows: int, is_noise: bool, by_step: bool):
    found = paired_differences(filled([1.0] * rows, by_step), filled([0.0] * rows, by_step))["right"]
    assert (found.value, found.p, found.is_noise) == (-1.0, pytest.approx(2.0 ** (1 - rows)), is_noise)


def test_a_metric_measured_by_halves_or_at_other_steps_has_no_pairs_of_right_and_wrong():
    base = Ratios(("half", "elsewhere"), "ab", [{"half": (0.5, 1.0), "elsewhere": (1.0, 1.0)}, {}], "ab")
    tuned = Ratios(("half", "elsewhere"), "ab", [{"half": (1.0, 1.0)}, {"elsewhere": (1.0, 1.0)}], "ab")
    assert {found.test for found in paired_differences(base, tuned).values()} == {"paired bootstrap"}
