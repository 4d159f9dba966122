"""Steps cut by tokens: every row once, as many micro-steps for each rank, none over the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swiftagent.train.step_cutting import batches, cut_step


def test_the_longest_rows_go_first_each_into_the_emptiest_micro_step():
    assert cut_step([0, 1, 2, 3], [9, 5, 4, 2], budget=11, ranks=1) == [[[0, 3], [1, 2]]]


def test_ranks_get_the_same_tokens_as_nearly_as_can_be():
    assert cut_step(range(8), [8, 7, 6, 5, 4, 3, 2, 1], budget=9, ranks=2) == [[[0, 7], [3, 4]], [[1, 6], [2, 5]]]


def test_a_rank_without_a_row_computes_one_that_is_not_trained():
    assert cut_step([4], [1, 1, 1, 1, 5], budget=100, ranks=2) == [[[4]], [[~4]]]


def test_a_row_over_the_budget_stands_alone():
    assert cut_step([0, 1, 2], [50, 3, 3], budget=6, ranks=1) == [[[0], [1, 2]]]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 900), st.integers(1, 5))
def test_every_row_is_trained_once_within_the_budget(lengths: list[int], budget: int, ranks: int):
    dealt = cut_step(range(len(lengths)), lengths, budget=budget, ranks=ranks)
    micro_steps = [micro for rank in dealt for micro in rank]
    assert len({len(rank) for rank in dealt}) == 1
    assert all(micro_steps)
    assert sorted(row for micro in micro_steps for row in micro if row >= 0) == list(range(len(lengths)))
    assert all(len(micro) == 1 or sum(lengths[row] for row in micro) <= budget for micro in micro_steps)


def test_batches_of_sequences_hold_every_row_once():
    assert batches(7, 3, ranks=2) == [[[0, 1, 2], [6]], [[3, 4, 5], [~0]]]
