"""Keys, shares and the validation split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swiftagent.mix.sample import copies, key_of, place_of, seed_of, shares, validation


def test_a_key_follows_from_seed_channel_and_content_alone():
    agent, general = seed_of(42, "agent"), seed_of(42, "general")
    assert key_of(b"row", agent) == key_of(b"row", seed_of(42, "agent"))
    assert (
        len(
            {
                key_of(b"row", agent),
                key_of(b"row", general),
                key_of(b"row", seed_of(43, "agent")),
                key_of(b"rov", agent),
            }
        )
        == 4
    )


def test_copies_are_spread_evenly_and_limited():
    assert copies(3000, 108, 3000) == (27, 84)
    assert copies(50, 108, 3000) == (0, 50)
    assert copies(300, 100, 2) == (2, 0)
    assert copies(5, 0, 9) == (0, 0)


@given(st.integers(0, 10_000), st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_shares_add_up(total: int, weights: list[float]):
    counts = shares(total, weights)
    assert sum(counts) == (total if sum(weights) > 0 else 0)
    assert all(count >= 0 for count in counts)


def test_shares_follow_the_weights():
    assert shares(100, [1, 2, 1]) == [25, 50, 25]
    assert shares(900, [30_000, 60_000]) == [300, 600]


def test_validation_holds_equal_rows_together():
    keys = [key for key in range(50) for _ in range(4)]
    held = validation(keys, 10, 7)
    assert len(held) == 8
    assert {keys[index] for index in held}.isdisjoint(keys[index] for index in range(200) if index not in held)


def test_validation_takes_single_copies_only_where_nothing_else_is_left():
    assert len(validation([1] * 28, 3, 7)) == 3
    assert validation([1, 2, 3], 0, 7) == set()


def test_places_of_copies_differ():
    assert len({place_of(5, copy, 9) for copy in range(28)}) == 28
