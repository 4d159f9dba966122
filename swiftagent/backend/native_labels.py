"""Native rows (`tools`, `tool_call`, `tool_response`) checked: an agent template writes their text, so only ms-swift
knows it.

ms-swift passes every piece of a row with its type (response, suffix, other) through its loss scale, before it is
tokenised. A recorder there keeps the pieces; the final labels are compared with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from swiftagent.backend.token_spans import TokenTexts
from swiftagent.masks.pieces import RowReport
from swiftagent.trajectory.record import Message


class PieceRecorder:
    """A template's loss scale that also records the pieces of the last row."""

    def __init__(self, template: Any) -> None:
        self._inner = template.loss_scale
        # Context, type, round, trained.
        self.pieces: list[tuple[Any, str, int, bool]] = []
        self.rounds: list[str] = []
        template._loss_scale_cache[template._loss_scale] = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, contexts: list[Any], types: list[str], messages: list[Message], **options: Any) -> Any:
        self.rounds = [message["role"] for message in messages[::2]]
        self.pieces = list(_pieces(contexts, types, messages))
        return self._inner(contexts, types, messages, **options)


def _pieces(contexts: list[Any], types: list[str], messages: list[Message]) -> Iterator[tuple[Any, str, int, bool]]:
    number = 0
    trained = False
    for context, kind in zip(contexts, types, strict=True):
        if kind != "response":
            yield context, kind, number, trained and kind == "suffix"
            continue
        loss = messages[2 * number + 1].get("loss")
        parts = context if isinstance(context, list) else [context]
        marks = loss if isinstance(loss, list) else [loss] * len(parts)
        for part, mark in zip(parts, marks, strict=True):
            trained = mark is not False
            yield part, kind, number, trained
        number += 1


def check_native(
    encoded: dict[str, Any], listener: PieceRecorder, texts: TokenTexts, report: RowReport
) -> list[int] | None:
    """Count the tokens of one native row and compare its labels with the pieces; its ids, or None where its text is
    another."""
    ids: list[int] = encoded["input_ids"]
    written = [texts.join(piece[0]) if isinstance(piece[0], list) else piece[0].encode() for piece in listener.pieces]
    if b"".join(written) != texts.join(ids):
        report.fault(0, "altered", "the tokens are not the text that the agent template wrote")
        return None
    trained = np.asarray(encoded["labels"]) != -100
    ends = np.cumsum(texts.lengths[np.asarray(ids)])
    borders = np.searchsorted(ends, np.cumsum([0, *map(len, written)]), side="right").tolist()
    # Tokens without bytes at the end belong to the last piece.
    borders[-1] = len(ids)
    follows_trained = False
    regions = zip(listener.pieces, written, borders, borders[1:], strict=False)
    for (_, kind, number, right), text, first, last in regions:
        part = int(trained[first:last].sum())
        label = _kind(kind, number, listener.rounds, first)
        report.totals.count(label, last - first, part)
        if first == last:
            continue
        readable = text.decode(errors="replace")
        if kind == "response":
            if part != (last - first if right else 0):
                report.wrong_mask(number, label, readable, last - first - part if right else part, right)
            follows_trained = right
            continue
        # The template's own text after a turn: its first tokens end the turn and are trained where the turn is.
        if part and not (follows_trained and bool(trained[first])):
            report.wrong_mask(number, label, readable, part, right=False)
        if kind == "suffix" and bool(trained[first]) != right:
            report.fault(number, "ends_open", "its end token has another mask than its turn")
        follows_trained = False
    return ids


def _kind(kind: str, number: int, rounds: list[str], first: int) -> str:
    if kind == "response":
        return "call" if number + 1 < len(rounds) and rounds[number + 1] == "tool" else "answer"
    if kind == "suffix":
        return "template"
    if first == 0:
        return "system"
    return "observation" if number < len(rounds) and rounds[number] == "tool" else "question"


def native_steps(messages: list[Message]) -> Iterator[int]:
    """The messages at which the model begins to write."""
    for number, message in enumerate(messages):
        before = messages[number - 1]["role"] if number else ""
        if message["role"] in ("assistant", "tool_call") and before in ("user", "tool_response", "tool"):
            yield number
