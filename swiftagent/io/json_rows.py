"""Rows out of JSON text: one a line, an array, objects one after another, or an array inside an object."""

from __future__ import annotations

import ast
import codecs
import io
import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, cast

from swiftagent.errors import ConfigError, RowError
from swiftagent.io.jsonl import BadRow, Row, parse_json, refuse_constant, without_surrogates

HEAD = 1 << 20  # bytes that show whether each line is a row
_CHUNK = 1 << 20
LONGEST_ROW = 64 << 20  # bytes
_LONGEST_LITERAL = 1 << 20  # characters; Python's parser needs some hundred bytes for each
_FAR = 8 << 20  # characters in which the end of a broken row is looked for
_SPACE = re.compile(r"[\s,]*")
# An object that holds its rows in a list: {"data": [{...}, ...]}
_WRAPPED = re.compile(
    r'\s*\{\s*"(?:data|rows|train|examples|instances|items|records|samples|dataset)"\s*:\s*\[\s*(?=\{)'
)
_ROW_KEYS = frozenset(
    ("messages", "conversations", "conversation", "instruction", "question", "query", "prompt", "problem")
)
_NEXT_ROW = re.compile(r"\n[ \t]*(?=\{)|(?<=\}),\s*(?=\{)")
# A string, or what stands behind a quote that is never closed: so each of these scans a text once.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
_PYTHON_STRING = _STRING.replace('"', "'")
_PIECE = re.compile(rf"{_STRING}|[\[\]{{}}]", re.S)
_PYTHON_PIECE = re.compile(rf"{_PYTHON_STRING}|{_STRING}|[\[\]{{}}]", re.S)
_DEEPER = {"[": 1, "{": 1, "]": -1, "}": -1}
_WORD_END = re.compile(r"[,\]}\n]")
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.S)
_NOT_A_NUMBER = re.compile(rf"({_STRING})|\bNaN\b|-?\bInfinity\b", re.S)
_MENDS: dict[str, Callable[[str], str]] = {
    "": str,
    "trailing-comma": lambda text: _TRAILING_COMMA.sub(lambda found: found.group(1) or "", text),
    "nan": lambda text: _NOT_A_NUMBER.sub(lambda found: found.group(1) or "null", text),
}


def json_rows(stream: io.BufferedReader, place: str, by_line: bool) -> Iterator[Row]:
    """Yield the rows of a JSON text, distinguished by what it holds; `by_line` says that its name promises JSONL."""
    whole = io.BufferedReader(cast(Any, stream), HEAD)  # whose `peek` gives as much, also on a pipe
    head = whole.peek()
    try:
        by_line = is_by_line(head, by_line)
        yield from json_lines(limited_lines(whole, place), place) if by_line else _values(whole, place)
    finally:
        whole.detach()  # whoever opened the stream closes it: stdin may be asked again


def limited_lines(stream: io.BufferedReader, place: str) -> Iterator[bytes]:
    """The lines of a stream, none of which may be longer than memory allows: a small file can unpack to one of
    gigabytes."""
    while line := stream.readline(LONGEST_ROW):
        if len(line) == LONGEST_ROW:
            raise too_long(place)
        yield line


def too_long(place: str) -> ConfigError:
    """For a row beyond LONGEST_ROW."""
    return ConfigError(f"{place}: holds a row of more than {LONGEST_ROW >> 20} MB; this is no data to train on")


def is_by_line(head: bytes, promised: bool) -> bool:
    """Whether each line is a row. A file named .json often holds JSONL, and one named .jsonl an indented array."""
    lines = [line for line in head.split(b"\n", 50) if line.strip()]
    if not lines:
        return promised
    first = lines[0].strip()
    if len(lines) == 1 and not promised and _WRAPPED.match(first[:200].decode(errors="replace")):
        return False
    try:
        value, _ = parse_json(first)
    except RowError:
        return promised and first not in (b"[", b"{") and not first.startswith(b"[{")
    return isinstance(value, dict) or promised or (len(lines) > 1 and lines[1].lstrip().startswith(b"["))


def json_lines(lines: Iterable[bytes], place: str, first: int = 1) -> Iterator[Row]:
    """Yield the row of each line of a JSONL file, of which `first` is the number of the first one here."""
    for number, line in enumerate(lines, first):
        if not line.isspace():
            row = row_of(line, f"{place}:{number}")
            yield from (_by_id(row) if number == 1 else ()) or (row,)


def row_of(text: bytes | str, where: str) -> Row:
    """The row that a text is, mended where its meaning is plain."""
    try:
        value, repairs = parse_json(text)
    except RowError as error:
        return _mended(text, where, error)
    return Row(value, where, repairs)


def _mended(raw: bytes | str, where: str, error: RowError) -> Row:
    """A row that is no JSON, mended where its meaning is plain: trailing commas, NaN, a Python literal."""
    try:
        text = (raw if isinstance(raw, str) else raw.decode()).strip().removesuffix(",")
    except UnicodeDecodeError as wrong:
        shown = raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else raw
        return BadRow(shown, where, (), RowError("not-utf8", f"not UTF-8 text: {wrong.reason} at byte {wrong.start}"))
    repairs: tuple[str, ...] = ("trailing-comma",) if len(text) < len(raw.strip()) else ()
    for code, mend in _MENDS.items():
        text, before = mend(text), text
        if text != before:
            repairs = (*repairs, code)
        with suppress(RowError):
            value, more = parse_json(text)
            return Row(value, where, (*repairs, *more))
    if (literal := _python_literal(text)) is not None:
        return Row(literal, where, (*repairs, "python-row"))
    return BadRow(raw if isinstance(raw, str) else raw.decode(), where, (), error)


def _python_literal(text: str) -> Any:
    """A dict or list written as Python prints it, if it holds JSON values only; else None."""
    if len(text) > _LONGEST_LITERAL or not text.startswith(("{", "[")):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of text that only looks like Python
            value = ast.literal_eval(text)
        return parse_json(json.dumps(value, allow_nan=False))[0]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, RowError):
        return None


def _values(stream: io.BufferedReader, place: str) -> Iterator[Row]:
    """Rows of an array, of an object that wraps one, or of values one after another, read a piece at a time."""
    text = _TextWindow(stream, place)
    text.more()
    wrapped = _WRAPPED.match(text.buffer)
    if wrapped:
        text.advance(wrapped.end())
    elif text.buffer.lstrip()[:1] == "[":
        text.advance(text.buffer.index("[") + 1)
    number, last_line = 0, 0
    while text.to_next_value():
        if text.buffer[text.at] in "]}":  # the end of the array, or of what wraps it
            if wrapped:
                return
            text.advance(text.at + 1)
            continue
        number += 1
        where = f"{place}:{text.line}" if text.line > last_line else f"{place}:{text.line}#{number}"
        last_line = text.line
        row = _unwrapped(text.take(where))
        yield from _by_id(row) or (row,)


def _by_id(row: Row) -> list[Row]:
    """The rows of an object that holds them by their id, {"7": {"messages": [...]}, ...}; [] for any other value."""
    if not isinstance(row.value, dict) or len(row.value) < 2:
        return []
    values = list(row.value.values())
    if not all(isinstance(value, dict) and not _ROW_KEYS.isdisjoint(value) for value in values):
        return []
    return [Row(value, f"{row.where}#{key}", row.repairs) for key, value in row.value.items()]


def _unwrapped(row: Row) -> Row:
    """What a dataset viewer puts around a row: {"row_idx": 0, "row": {...}}."""
    if isinstance(row.value, dict) and "row_idx" in row.value and isinstance(row.value.get("row"), dict):
        return Row(row.value["row"], row.where, row.repairs)
    return row


class _TextWindow:
    """A growing window on a text: `buffer[at:]` is not read yet, `line` is the line of `at`."""

    def __init__(self, stream: io.BufferedReader, place: str) -> None:
        self._place = place
        self.buffer = ""
        self.at = 0
        self.line = 1
        self._stream = stream
        self._ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._decode = json.JSONDecoder(parse_constant=refuse_constant).raw_decode

    def more(self) -> bool:
        """Read on, at least as much as the window holds, so that a long row costs linear time. False at the end."""
        if self._ended:
            return False
        self.buffer = self.buffer[self.at :]
        self.at = 0
        if len(self.buffer) >= LONGEST_ROW:
            raise too_long(self._place)
        piece = self._stream.read(max(_CHUNK, len(self.buffer)))
        self._ended = not piece
        self.buffer += self._decoder.decode(piece, final=self._ended)
        return bool(piece)

    def advance(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def to_next_value(self) -> bool:
        """Go to the first character of the next value or bracket; False at the end of the text."""
        while True:
            found = _SPACE.match(self.buffer, self.at)
            self.advance(found.end() if found else self.at)
            if self.at < len(self.buffer):
                return True
            if not self.more():
                return False

    def take(self, where: str) -> Row:
        """The value that starts here; a `BadRow` where it is broken, and the text continues behind it."""
        while True:
            try:
                value, end = self._decode(self.buffer, self.at)
            except (ValueError, RecursionError) as error:
                if self._may_be_cut(error) and self.more():
                    continue
                return self._take_broken(where, error)
            if end == len(self.buffer) and self.more():  # a number may be incomplete
                continue
            raw = self.buffer[self.at : end]
            self.advance(end)
            if not raw.isascii() and _BAD_BYTE.search(raw):
                return BadRow(without_surrogates(raw), where, (), RowError("not-utf8", "not UTF-8 text"))
            clean = without_surrogates(value) if "\\u" in raw and _ESCAPED_SURROGATE.search(raw) else value
            return Row(clean, where, ("lone-surrogate",) if clean != value else ())

    def _may_be_cut(self, error: Exception) -> bool:
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.buffer) - 16

    def _take_broken(self, where: str, error: Exception) -> Row:
        """Mend or report the broken value: it ends where its brackets close, else where the next row seems to start."""
        while len(self.buffer) - self.at < _FAR and self._closing() is None and self.more():
            pass
        end = self._closing()
        if end is None:
            start = _NEXT_ROW.search(self.buffer, self.at + 1)
            end = start.start() if start else len(self.buffer)
        raw = without_surrogates(self.buffer[self.at : end])
        self.advance(end)
        return _mended(raw, where, RowError("not-json", f"not JSON: {error}"))

    def _closing(self) -> int | None:
        """Where the brackets of the value that starts here are closed; for a bare word, where it ends."""
        if self.buffer[self.at] not in "[{":
            found = _WORD_END.search(self.buffer, self.at + 1)
            return found.start() if found else None
        return self._closing_by(_PIECE) or self._closing_by(_PYTHON_PIECE)

    def _closing_by(self, pieces: re.Pattern[str]) -> int | None:
        depth = 0
        for piece in pieces.finditer(self.buffer, self.at):
            depth += _DEEPER.get(piece.group(), 0)
            if depth == 0:
                return piece.end()
        return None


_BAD_BYTE = re.compile("[\udc80-\udcff]")
_ESCAPED_SURROGATE = re.compile(r"\\ud[89a-f]", re.I)
