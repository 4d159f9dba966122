"""Which token of an encoded row belongs to which piece of its record: by bytes, exactly, for any ms-swift template.

What a template writes around the messages is learnt from the template itself: a row of the same shape with marks for
contents is encoded, and what stands between the marks is its own text. So the whole token stream is accounted for, or
the row is "altered".
"""

from __future__ import annotations

import codecs
from typing import Any

import msgspec
import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

from swiftagent.masks.pieces import Piece
from swiftagent.trajectory.escape import has_control_token
from swiftagent.trajectory.record import Message

_SHAPES_KEPT = 20_000
# A message, its piece, its bytes; piece None: the template's own text before it.
_Part = tuple[int, Piece | None, bytes]


class Region(msgspec.Struct):
    """Tokens `first` to `last` (exclusive) of one piece, or of the template's own text before `message` (piece None).

    before: the message written before the template's own text, -1 at the beginning.
    """

    first: int
    last: int
    message: int
    piece: Piece | None
    before: int = -1


class Alignment(msgspec.Struct):
    """The regions of a row in order. `problem`: where and how its text differs from the record's, with the message's
    number.

    cut: whether tokens were cut off at the end or the beginning.
    """

    regions: list[Region]
    cut: bool = False
    problem: tuple[int, str] | None = None


class TokenTexts:
    """The bytes of each token of a tokenizer, and which tokens are control tokens."""

    def __init__(self, tokenizer: Any) -> None:
        vocabulary = tokenizer.get_vocab()
        added = tokenizer.added_tokens_decoder
        self.exact = "ByteLevel" in str(getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None))
        normalizer = tokenizer.backend_tokenizer.normalizer if self.exact else None
        # Qwen's composes accents (NFC).
        self.normalize = normalizer.normalize_str if normalizer is not None else None
        self.texts = [b""] * (1 + max([*vocabulary.values(), *added]))
        letters = {letter: byte for byte, letter in bytes_to_unicode().items()}
        for text, number in vocabulary.items():
            self.texts[number] = _byte_level_bytes(text, letters) if self.exact else _metaspace_bytes(text)
        for number, token in added.items():
            self.texts[number] = token.content.encode()
        self.lengths = np.fromiter(map(len, self.texts), dtype=np.int64, count=len(self.texts))
        self.control = np.zeros(len(self.texts), dtype=bool)
        for number, token in added.items():
            self.control[number] = token.special or has_control_token(token.content)

    def join(self, ids: list[int]) -> bytes:
        return b"".join(map(self.texts.__getitem__, ids))

    def readable(self, ids: list[int]) -> list[str]:
        """The text of each token; the letter whose bytes several tokens share stands at the last of them."""
        texts, decoder = [], codecs.getincrementaldecoder("utf-8")("replace")
        for number in ids:
            texts.append(decoder.decode(self.texts[number]))
        if rest := decoder.decode(b"", final=True):
            texts[-1] += rest
        return texts


def as_array(ids: list[int]) -> Any:
    """A list of ids as numpy takes it, in half the time of `asarray`."""
    return np.fromiter(ids, np.int64, len(ids))


def _byte_level_bytes(text: str, letters: dict[str, int]) -> bytes:
    try:
        return bytes([letters[letter] for letter in text])
    except KeyError:
        return text.encode()


def _metaspace_bytes(text: str) -> bytes:
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.replace("▁", " ").encode()


class Aligner:
    """Finds the regions of encoded rows of one template."""

    def __init__(self, template: Any, texts: TokenTexts) -> None:
        self._template = template
        self._texts = texts
        self._around: dict[tuple[Any, ...], tuple[list[int], list[bytes]]] = {}

    def align(
        self, messages: list[Message], pieces: list[Piece], ids: list[int], max_length: int | None = None
    ) -> Alignment:
        """Regions of one row, by the pieces of its messages. They cover all tokens, or `problem` is set."""
        order, around = self._texts_around(messages)
        of_message: list[list[Piece]] = [[] for _ in messages]
        for piece in pieces:
            of_message[piece.message].append(piece)
        parts: list[_Part] = []
        for number, before in zip(order, around, strict=False):
            content = messages[number]["content"]
            parts.append((number, None, before))
            parts += [(number, piece, content[piece.start : piece.end].encode()) for piece in of_message[number]]
        parts.append((len(messages), None, around[-1]))
        seen, normalize = self._texts.join(ids), self._texts.normalize
        if normalize is not None and seen != _text_of(parts):
            parts = [(at, of, normalize(text.decode()).encode() if of else text) for at, of, text in parts]
        expected = _text_of(parts)
        cut = seen != expected and max_length is not None and len(ids) == max_length
        ends: Any = np.cumsum(self._texts.lengths[as_array(ids)])
        if cut and expected.endswith(seen) and not expected.startswith(seen):
            ends = ends + (len(expected) - len(seen))
        elif seen != expected and not (cut and expected.startswith(seen)):
            cut, ends = False, None if self._texts.exact else self._ends_with_spaces_added(ids, expected)
        if ends is None:
            return Alignment([], False, _difference(seen, parts))
        # A token belongs where its last byte stands: one that a tokenizer begins with a space of its own, to the text
        # after it.
        borders = np.cumsum([0, *(len(text) for _, _, text in parts)])
        firsts = np.searchsorted(ends, borders, side="right").tolist()
        # Tokens without bytes at the end belong to the last region.
        firsts[-1] = len(ids)
        regions, last_written = [], -1
        for n, (message, of, _) in enumerate(parts):
            regions.append(Region(firsts[n], firsts[n + 1], message, of, last_written))
            last_written = last_written if of is None else message
        return Alignment(regions, cut)

    def _ends_with_spaces_added(self, ids: list[int], expected: bytes) -> Any:
        """Byte ends in `expected` for tokenizers that put a space before each segment; None where they do not fit."""
        ends, at = [], 0
        for number in ids:
            text = self._texts.texts[number]
            # A space stands in one of the two alone.
            forms = (text, text[1:]) if text[:1] == b" " else (text,)
            starts = (at, at + 1) if expected[at : at + 1] == b" " else (at,)
            fits = (start + len(form) for start in starts for form in forms if expected.startswith(form, start))
            if (at := next(fits, -1)) < 0:
                return None
            ends.append(at)
        return np.asarray(ends) if at == len(expected) else None

    def _texts_around(self, messages: list[Message]) -> tuple[list[int], list[bytes]]:
        """The order in which the template writes the messages, and its own text before each of them and after the
        last."""
        shape = tuple(_shape(message) for message in messages)
        found = self._around.get(shape)
        if found is None:
            if len(self._around) >= _SHAPES_KEPT:
                self._around.clear()
            found = self._around[shape] = self._learn(messages)
        return found

    def _learn(self, messages: list[Message]) -> tuple[list[int], list[bytes]]:
        heads = [b"<think>" if message["content"].startswith("<think>") else b"" for message in messages]
        marks = [head + f"\ue000{number}\ue001".encode() for number, head in enumerate(heads)]
        row = [{**m, "content": mark.decode() if m["content"] else ""} for m, mark in zip(messages, marks, strict=True)]
        kept, self._template.max_length = self._template.max_length, None
        try:
            seen = self._texts.join(self._template.encode({"messages": row})["input_ids"])
        finally:
            self._template.max_length = kept
        written = sorted((seen.find(mark), number) for number, mark in enumerate(marks) if mark in seen)
        order, around, at = [], [], 0
        for place, number in written:
            order.append(number)
            around.append(seen[at:place])
            at = place + len(marks[number])
        return order, [*around, seen[at:]]


def _shape(message: Message) -> tuple[Any, ...]:
    content = message["content"]
    return message["role"], message.get("loss"), message.get("loss_scale"), not content, content.startswith("<think>")


def _text_of(parts: list[_Part]) -> bytes:
    return b"".join(text for _, _, text in parts)


def _difference(seen: bytes, parts: list[_Part]) -> tuple[int, str]:
    """The message in which the token stream first differs from the record, and how."""
    at = 0
    for message, _, part in parts:
        if not seen.startswith(part, at):
            common = next((n for n in range(len(part)) if seen[at : at + n + 1] != part[: n + 1]), len(part))
            there, here = seen[at + common : at + common + 40], part[common : common + 40]
            seen_text, own_text = there.decode(errors="replace"), here.decode(errors="replace")
            return message, f"the trainer sees {seen_text!r} where the record has {own_text!r}"
        at += len(part)
    return parts[-1][0], f"the trainer sees more text: {seen[at : at + 40].decode(errors='replace')!r}"
