from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftagent.scores.values import rouge_l, same_text, same_value


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


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e."]), min_size=1, max_size=12).map(" ".join)


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("It is 3 C.", "it is 3 c", 1.0),
        ("今天天气好", "今天天气很好", 10 / 11),
        ("", "", 1.0),
        ("", "something", 0.0),
    ],
)
def test_rouge_l(candidate: str, reference: str, expected: float):
    assert rouge_l(candidate, reference) == pytest.approx(expected)


@given(WORDS, WORDS)
def test_rouge_l_is_that_of_the_plain_table(candidate: str, reference: str):
    left, right = candidate.replace(".", "").split(), reference.replace(".", "").split()
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, word in enumerate(left, 1):
        for j, other in enumerate(right, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if word == other else max(table[i - 1][j], table[i][j - 1])
    assert rouge_l(candidate, reference) == pytest.approx(2 * table[-1][-1] / (len(left) + len(right)))


def test_same_text():
    assert same_text("It is  3C", "it is 3c.")
    assert not same_text("It is 4C", "It is 3C")
