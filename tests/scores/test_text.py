from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftagent.scores.toolbench import rouge_l_by_sentence
from swiftagent.scores.values import rouge_l, same_text

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


@given(WORDS, WORDS)
def test_by_sentence_is_what_the_rouge_package_says(candidate: str, reference: str):
    rouge = pytest.importorskip("rouge", reason="the rouge package comes with ms-swift")
    theirs = rouge.Rouge(metrics=["rouge-l"]).get_scores(candidate, reference)[0]["rouge-l"]["f"]
    assert rouge_l_by_sentence(candidate, reference) == pytest.approx(theirs, abs=1e-12)


def test_by_sentence_of_nothing_is_zero():
    assert rouge_l_by_sentence("", "a b") == rouge_l_by_sentence("a b", ".") == 0.0


def test_same_text():
    assert same_text("It is  3C", "it is 3c.")
    assert not same_text("It is 4C", "It is 3C")
