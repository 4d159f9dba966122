"""ROUGE-L, twice: our own for answers in any language, and the `rouge` package's reading of it, which ToolBench scores
use."""

from __future__ import annotations

from collections.abc import Sequence

from swiftagent.scores.values import plain_text
from swiftagent.trajectory.content import words


def rouge_l(candidate: str, reference: str) -> float:
    """ROUGE-L F1 (Lin 2004, beta 1): of the longest common subsequence of words. Two texts without a word are alike."""
    left, right = words(candidate), words(reference)
    if not left or not right:
        return float(left == right)
    common = _lcs_length(left, right)
    return 2 * common / (len(left) + len(right))


def same_text(candidate: str, reference: str) -> bool:
    """Exact but for width, case, spaces and a full stop."""
    return plain_text(candidate) == plain_text(reference)


def _lcs_length(left: Sequence[str], right: Sequence[str]) -> int:
    """By bit rows: a machine word holds 64 cells of the table (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for index, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << index
    # Python's integers take any number of bits, so one row of the table is one number.
    mask = (1 << len(left)) - 1
    row = mask
    for word in right:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & mask
    return len(left) - row.bit_count()


def rouge_l_by_sentence(candidate: str, reference: str) -> float:
    """ROUGE-L F1 as the `rouge` package 1.0.1 computes it: summary level, over sets of words.

    Sentences end at each ".", words at each space, so a Chinese sentence is one word. The union of the common words
    grows over the reference's sentences; only what a sentence adds counts. 0.0 where one side has no sentence (the
    package raises).
    """
    hypothesis, gold = _sentences(candidate), _sentences(reference)
    if not hypothesis or not gold:
        return 0.0
    common: set[str] = set()
    for sentence in gold:
        for other in hypothesis:
            common.update(_common_subsequence(sentence, other))
    recall = len(common) / len({word for sentence in gold for word in sentence})
    precision = len(common) / len({word for sentence in hypothesis for word in sentence})
    return 2 * precision * recall / (precision + recall + 1e-8)


def _sentences(text: str) -> list[list[str]]:
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _common_subsequence(left: list[str], right: list[str]) -> list[str]:
    """One longest common subsequence; of several, the one found from the end that shortens `right` first."""
    # Not the `rouge` package itself: it recurses once a word and fails on answers of about a thousand words.
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, word in enumerate(left):
        above, row = table[i], table[i + 1]
        for j, other in enumerate(right):
            row[j + 1] = above[j] + 1 if word == other else max(above[j + 1], row[j])
    found = []
    i, j = len(left), len(right)
    while i and j:
        if left[i - 1] == right[j - 1]:
            found.append(left[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found
