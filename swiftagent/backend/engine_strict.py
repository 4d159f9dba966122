"""Grammars over the tokens of an engine, by llguidance: what may come next, and what must."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import torch

from swiftagent.agent.sampling import Form


def can_constrain() -> bool:
    return importlib.util.find_spec("llguidance") is not None


def vocabulary_of(tokenizer: Any, size: int) -> Any:
    """The vocabulary of a tokenizer for llguidance; made once for an engine, which takes about a second."""
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, n_vocab=max(size, len(tokenizer)))


class Guide:
    """Follows one generated text and constrains its tokens while a grammar applies."""

    def __init__(self, tokenizer: Any, vocabulary: Any, forms: tuple[Form, ...]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._forms = forms
        self._matcher: Any = None
        self._form: Form | None = None
        # Where the text begins in which the next label is looked for.
        self._start = 0
        self._text = ""
        self._forced: list[int] = []
        self._begin("")

    def forced(self) -> int | None:
        """The token that must come next, as training would write it; None where there is a choice."""
        if self._matcher is not None and not self._forced:
            self._forced = self._matcher.compute_ff_tokens()
        return self._forced[0] if self._forced else None

    def masked(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits, -inf where the grammar allows no token."""
        if self._matcher is None:
            return logits
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: logits.shape[-1]].astype(bool))
        if len(allowed) < logits.shape[-1]:
            allowed = torch.nn.functional.pad(allowed, (0, logits.shape[-1] - len(allowed)))
        return logits.masked_fill(~allowed.to(logits.device), float("-inf"))

    def is_over_after(self, token: int, piece: str) -> bool:
        """Record a generated token and its text; returns whether the text ends here."""
        self._text += piece
        del self._forced[:1]
        if self._matcher is None:
            self._look_for_labels()
            return False
        if not self._matcher.consume_token(token):
            self._matcher = None
        elif self._matcher.is_stopped() and not self._forced:
            is_last = self._form is not None and self._form.is_last
            self._matcher, self._start = None, len(self._text)
            return is_last
        return False

    def _look_for_labels(self) -> None:
        for form in self._forms:
            at = _line_start_of(form.after, self._text, self._start) if form.after else -1
            if at >= 0:
                self._begin(form.after, self._text[at + len(form.after) :])
                return

    def _begin(self, after: str, rest: str = "") -> None:
        from llguidance import LLMatcher

        for form in self._forms:
            if form.after == after:
                matcher = LLMatcher(self._vocabulary, form.lark)
                # A token may reach over the end of the label; what it wrote otherwise is not the grammar's.
                ids = self._tokenizer.encode(rest, add_special_tokens=False) if rest else []
                fits = not matcher.is_error() and (not ids or matcher.consume_tokens(ids))
                self._matcher, self._form = (matcher, form) if fits else (None, None)
                self._start = len(self._text)


def _line_start_of(label: str, text: str, start: int) -> int:
    """Where a label stands at the start of a line, or -1."""
    at = text.find(label, start)
    while at > 0 and text[at - 1] != "\n" and label[:1].isalpha():
        at = text.find(label, at + 1)
    return at
