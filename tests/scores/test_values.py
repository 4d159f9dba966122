from __future__ import annotations

import pytest

from swiftagent.scores.values import same_value


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (5, 5.0),
        (5, "5"),
        ("1,000", 1000),
        (0.3, 0.1 + 0.2),
        ("2024-03-05", "March 5, 2024"),
        ("5th of Mar 2024", "2024/3/5"),
        ("2024年3月5日", "2024-03-05"),
        ("2024-03-05T10:00:00Z", "2024-03-05 10:00"),
        ("New  York.", "new york"),
        ("北京", "北京。"),
        (True, "true"),
        ([1, "Oslo"], ["1", "oslo"]),
        ({"a": {"b": [1.0]}}, {"a": {"b": ["1"]}}),
        (None, None),
    ],
)
def test_means_the_same(gold: object, predicted: object):
    assert same_value(gold, predicted)
    assert same_value(predicted, gold)


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (5, 6),
        ("007", "7"),
        ("02139", 2139),
        (True, 1),
        (False, 0),
        ({"on": [True]}, {"on": [1]}),
        (None, ""),
        (None, "null"),
        ([1, 2], [2, 1]),
        ([1], 1),
        ({"a": 1}, {"a": 1, "b": None}),
        (2**70, 2**70 + 1),
        ("2024-03-05", "2024-03-06"),
        ("03/05/2024", "05/03/2024"),
        ("Oslo", "Rome"),
        ("", "."),
    ],
)
def test_means_something_else(gold: object, predicted: object):
    assert not same_value(gold, predicted)
    assert not same_value(predicted, gold)
