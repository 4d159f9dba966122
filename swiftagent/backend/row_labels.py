"""One row as ms-swift encoded it, compared with what its record means: kinds, masks, weights, end tokens, control
tokens.

Of native rows (`tools`, `tool_call`, `tool_response`) only ms-swift knows the text, which an agent template writes. It
passes every piece of a row with its type (response, suffix, other) through its loss scale, before it is tokenised. A
recorder there keeps the pieces; the final labels are compared with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from swiftagent.backend.template import Trainer
from swiftagent.backend.token_spans import Aligner, Alignment, Region, TokenTexts, as_array
from swiftagent.masks.pieces import Piece, RowReport, describe
from swiftagent.trajectory.record import Message


class RowLabels:
    """One encoded row: its ids, which are trained, their weights, and the piece that each belongs to."""

    def __init__(
        self, messages: list[Message], found: list[Piece], encoded: dict[str, Any], trainer: Trainer, aligner: Aligner
    ) -> None:
        self.messages = messages
        self.pieces = found
        self.ids: list[int] = encoded["input_ids"]
        self.trained = as_array(encoded["labels"]) != -100
        self.weights = np.asarray(encoded.get("loss_scale") or self.trained, dtype=float)
        self.trained &= self.weights > 0
        self.strategy = trainer.base_strategy
        self.empty_think = trainer.template.template_meta.non_thinking_prefix.encode()
        self.alignment: Alignment = aligner.align(messages, found, self.ids, trainer.template.max_length)

    def steps(self) -> Iterator[tuple[int, int]]:
        """(message, token) where the model begins to write: at the head of a turn and after each result."""
        before: Piece | None = None
        for region in self.alignment.regions:
            piece = region.piece
            if piece is None:
                continue
            begins = before is None or before.kind in ("system", "question", "observation")
            if begins and piece.kind in ("thought", "call", "answer"):
                yield piece.message, region.first
            before = piece

    def check(self, report: RowReport, texts: TokenTexts) -> None:
        """Count the tokens of each kind and compare their labels with what is right."""
        if self.alignment.problem:
            message, text = self.alignment.problem
            report.fault(message, "altered", text)
            report.totals.count("unknown", len(self.ids), int(self.trained.sum()))
            return
        if self.alignment.cut:
            text = f"cut to {len(self.ids)} tokens by ms-swift's truncation_strategy"
            report.fault(0, "truncated", text)
        trained_before = np.concatenate(([0], np.cumsum(self.trained))).tolist()
        control = np.flatnonzero(texts.control[as_array(self.ids)]).tolist()
        ends_trained = False
        questions = [number for number, message in enumerate(self.messages) if message["role"] == "user"]
        # Under `last_round` only what follows the last question is to be trained.
        scope = max(questions, default=0) if self.strategy == "last_round" else 0
        for region in self.alignment.regions:
            number, trained = region.last - region.first, trained_before[region.last] - trained_before[region.first]
            report.totals.count(region.piece.kind if region.piece else "template", number, trained)
            if region.piece is None:
                self._check_template_text(region, trained, ends_trained, report, texts)
                continue
            right = region.piece.trained and region.piece.message >= scope
            if number:
                ends_trained = right
            if trained != (number if right else 0):
                text, off = self._text_of(region, right, texts), number - trained if right else trained
                report.wrong_mask(region.piece.message, region.piece.kind, text, off, right)
            self._check_weights(region, report)
            inside = [n for n in control if region.first <= n < region.last] if control else []
            if inside and not (region.piece.kind == "thought" and self._is_own_markup(region, inside, texts)):
                text = describe("control", region.piece.kind, texts.texts[self.ids[inside[0]]].decode(errors="replace"))
                report.fault(region.piece.message, "control", text, len(inside))

    def _check_weights(self, region: Region, report: RowReport) -> None:
        """The weight of every trained token is the one that its message asks for: 1, or its `loss_scale`."""
        assert region.piece is not None
        asked = self.messages[region.piece.message].get("loss_scale")
        wanted = 1.0 if asked is None else float(asked)
        trained, real = self.trained[region.first : region.last], self.weights[region.first : region.last]
        off = int((trained & (np.abs(real - wanted) > 1e-6)).sum())
        if off:
            seen = ", ".join(f"{value:g}" for value in sorted(set(real[trained].tolist())))
            text = f"{region.piece.kind} trained with weight {seen} where the record says {wanted:g}"
            report.fault(region.piece.message, "weight", text, off)

    def _text_of(self, region: Region, right: bool, texts: TokenTexts) -> str:
        """The text of the tokens whose label is wrong."""
        wrong = [self.ids[n] for n in range(region.first, region.last) if bool(self.trained[n]) != right]
        return texts.join(wrong).decode(errors="replace")

    def _is_own_markup(self, region: Region, inside: list[int], texts: TokenTexts) -> bool:
        """Whether the control tokens of a thought are the <think> and </think> that we write around it."""
        found = [texts.texts[self.ids[n]] for n in inside]
        return region.piece is not None and region.piece.start == 0 and found == [b"<think>", b"</think>"]

    def _check_template_text(
        self, region: Region, trained: int, ends_trained: bool, report: RowReport, texts: TokenTexts
    ) -> None:
        """What the template wrote: the end of a turn is trained where the turn is; an empty think block by the config's
        word."""
        before, after = region.before, region.message
        is_turn_end = before >= 0 and self.messages[before]["role"] == "assistant" and not self._goes_on(before, after)
        if region.first == region.last:
            return
        if is_turn_end:
            if bool(self.trained[region.first]) != ends_trained:
                masked = "it ends on something masked, and its end token is trained"
                text = "its end token is not trained" if ends_trained else masked
                report.fault(before, "ends_open", text)
            return
        if trained:
            wrong = texts.join([self.ids[n] for n in range(region.first, region.last) if self.trained[n]])
            if wrong != self.empty_think:
                report.wrong_mask(after, "template", wrong.decode(errors="replace"), trained, right=False)

    def _goes_on(self, before: int, after: int) -> bool:
        """Whether two assistant messages are of one turn: nothing else stands between them."""
        between = self.messages[before : after + 1]
        return before < after < len(self.messages) and all(message["role"] == "assistant" for message in between)


# native rows
# ---------------------------------------------------------------------------------------------------------------


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
