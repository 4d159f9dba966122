"""Rows of a training file as spans that can be shown: on a terminal, in a page, with or without real tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.console import translated
from swiftagent.errors import ConfigError, RowError
from swiftagent.io.jsonl import BadRow, parse_json
from swiftagent.io.parts import Part, read_part, text_lines
from swiftagent.io.rows import damage, read_rows
from swiftagent.io.storage import open_binary
from swiftagent.masks.pieces import Fault, is_native, malformed, native_pieces, pieces
from swiftagent.trajectory.react import ACTION_LABEL
from swiftagent.trajectory.record import Message, Record, is_record

_BUFFER = 1 << 17
FLAGS = ("faulty", "truncated", "dropped", "masked", "rejected")  # what `--only` and the page's filter know


class ShownSpan(msgspec.Struct):
    """A span as it is shown. `tokens` are the texts of its tokens, or its whole text where there is no model.

    weights: one for each token, only where they are not all 0 or 1. fault: what is wrong with it.
    """

    kind: str
    message: int
    tokens: list[str]
    trained: list[bool]
    weights: list[float] = []
    fault: str = ""

    @property
    def text(self) -> str:
        return "".join(self.tokens)


class ShownRow(msgspec.Struct):
    """One row. `line` is its line in the file; `tools` the names of the tools that it calls."""

    line: int
    id: str
    channel: str
    source: str
    spans: list[ShownSpan]
    tools: list[str] = []
    flags: list[str] = []
    turns: int = 0
    real_tokens: bool = False

    def count(self) -> tuple[int, int]:
        """(length, trained) in tokens, or in characters where there is no model."""
        pairs = [pair for span in self.spans for pair in zip(span.tokens, span.trained, strict=True)]
        sizes = [(1 if self.real_tokens else len(token), is_trained) for token, is_trained in pairs]
        return sum(size for size, _ in sizes), sum(size for size, is_trained in sizes if is_trained)


def shown_without_model(line: int, record: Record, faults: Iterable[Fault] = ()) -> ShownRow:
    """A row's spans as its record marks them."""
    wrong = {fault.span: fault.text for fault in faults}
    spans = []
    native = is_native(record)
    problem = "" if native else malformed(record)
    if problem:
        spans.append(ShownSpan("template", 0, [str(record)], [False], fault=problem))
        return ShownRow(line, "", "", "", spans, flags=["faulty"])
    messages = record["messages"]
    for piece in native_pieces(messages) if native else pieces(messages):
        text = str(messages[piece.message]["content"])[piece.start : piece.end]
        spans.append(ShownSpan(piece.kind, piece.message, [text], [piece.marked], fault=wrong.get(piece.message, "")))
    return describe_row(line, record, spans)


def describe_row(line: int, record: Record, spans: list[ShownSpan]) -> ShownRow:
    """A shown row with the facts of its record: tools, flags, turns."""
    messages = record["messages"]
    tools = dict.fromkeys(_tools_called(messages, spans))
    masked = any(span.kind in ("thought", "call", "answer") and not any(span.trained) and span.text for span in spans)
    flags = (["faulty"] if any(span.fault for span in spans) else []) + (["masked"] if masked else [])
    turns = sum(message["role"] == "user" for message in messages)
    name, channel, source = (str(record.get(key, "")) for key in ("id", "channel", "source"))
    return ShownRow(line, name, channel, source, spans, list(tools), flags, turns)


def _tools_called(messages: list[Message], spans: list[ShownSpan]) -> Iterator[str]:
    for span in spans:
        head = span.text.partition("\n")[0]
        if span.kind == "call" and head.startswith(ACTION_LABEL):
            yield head.removeprefix(ACTION_LABEL)
    for message in messages:
        if message["role"] == "tool_call":
            with suppress(RowError, KeyError, TypeError):
                yield str(parse_json(str(message["content"]).encode())[0]["name"])


def read_records(path: Path) -> Iterator[tuple[int, Record]]:
    """(line, record) of each row of a file. Raises ConfigError where it holds something else than training records."""
    if not path.is_file():
        fact = "is no file but a pipe or device" if path.exists() else "no such file"
        fact = "is a folder" if path.is_dir() else fact
        raise ConfigError(f"{path}: {fact}; a training file is needed")
    empty = True
    for found in records_of(Part(str(path), "lines", 0, path.stat().st_size)):
        empty = False
        yield found
    if empty:
        raise ConfigError(f"{path}: no rows")


def records_of(part: Part) -> Iterator[tuple[int, Record]]:
    """(line, record) of each row of a part, and (number, record) in Parquet. Raises ConfigError as `read_records`
    does."""
    first = part.start == 0
    for number, row in _rows_of(part):
        if first and not is_record(row) and not is_native(row):
            raise ConfigError(_not_a_record(Path(part.path), number, row, ""))
        first = False
        yield number, row


def _rows_of(part: Part) -> Iterator[tuple[int, Any]]:
    if part.kind != "lines":
        yield from ((number, row.value) for number, row in enumerate(read_part(part), part.first))
        return
    with damage(part.path), open_binary(part.path, _BUFFER) as stream:
        for number, text in enumerate(text_lines(stream, part), part.first):
            if text.isspace():
                continue
            try:
                row, _ = parse_json(text.removeprefix(b"\xef\xbb\xbf"))
            except RowError as error:
                raise ConfigError(_not_a_record(Path(part.path), number, None, str(error))) from error
            yield number, row


def _not_a_record(path: Path, number: int, row: object, why: str) -> str:
    """Which format a file is of, and how it becomes training records."""
    # Imported here: the readers of all formats are needed for this error alone.
    from swiftagent.convert.reading import recognise

    # An array over many lines or a table: other programs' files.
    if row is None and number == 1:
        found = next(read_rows(str(path)), None)
        row = None if found is None or isinstance(found, BadRow) else found.value
    name = ""
    with suppress(RowError):
        name = recognise(row) if row is not None else ""
    fact = f"{name} rows, not training records" if name else why or "no training records"
    return f"{path}:{number}: {fact}; make some with: swiftagent convert {path} -o {path.stem}.react.jsonl"


def wanted(record: Record, line: int, rows: list[int], identity: str, text: str) -> bool:
    """Whether a row is asked for: by line, by id, by a text in any of its messages (case does not count)."""
    if rows and line not in rows:
        return False
    if identity and str(record.get("id", "")) != identity:
        return False
    said = (str(message.get("content", "")).lower() for message in record.get("messages", []))
    return not text or any(text.lower() in content for content in said)


def styled(row: ShownRow) -> Iterator[tuple[str, str]]:
    """(text, style) parts that show a row; styles are rich's. Without colour the marks in words and `|` carry all of
    it."""
    length, trained = row.count()
    unit = "tokens" if row.real_tokens else "characters"
    names = {"line": row.line, "id": row.id, "channel": row.channel}
    yield " · ".join(f"{translated(name)} {value}" for name, value in names.items() if value), "bold"
    yield f" · {length:,} {translated(unit)}, {trained:,} {translated('trained')} ({share(trained, length)})", ""
    yield (f" · {translated('from')} {row.source}" if row.source else "") + "\n", "dim"
    for span in row.spans:
        yield from _styled_span(span, row.real_tokens)
    yield "\n", ""


def _styled_span(span: ShownSpan, real_tokens: bool) -> Iterator[tuple[str, str]]:
    trained = sum(span.trained)
    whole = "trained" if trained == len(span.trained) else "PARTLY TRAINED"
    state = whole if trained else "not trained"
    weights = sorted(set(span.weights))
    weight = f", {translated('weight')} {', '.join(f'{value:g}' for value in weights)}" if weights else ""
    number = f", {len(span.tokens)} {translated('tokens')}" if real_tokens else ""
    colour = COLOURS.get(span.kind, "")
    yield (
        f"  [{span.message}] {translated(span.kind)}: {translated(state)}{weight}{number}",
        f"{colour} bold" if trained else colour,
    )
    yield (f"  ! {translated(span.fault)}\n" if span.fault else "\n"), "bold red"
    for index, (token, is_trained) in enumerate(zip(span.tokens, span.trained, strict=True)):
        # Every second token is underlined, so that borders show between tokens of one colour.
        style = f"{colour} reverse" if is_trained else f"{colour} dim"
        yield token, f"{style} underline" if real_tokens and index % 2 else style
        if real_tokens and index < len(span.tokens) - 1:
            yield "|", "dim"
    yield "\n", ""


COLOURS = {
    "system": "bright_black", "question": "cyan", "thought": "yellow", "call": "green", "observation": "magenta",
    "answer": "blue", "template": "bright_black",
}  # fmt: skip


def legend() -> Iterator[tuple[str, str]]:
    """The kinds in their colours, and what trained looks like."""
    for kind, colour in COLOURS.items():
        yield f" {translated(kind)} ", f"{colour} reverse"
        yield " ", ""
    yield f"  {translated('reversed: trained; dim: not trained')}\n\n", ""


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def as_json(row: ShownRow) -> dict[str, object]:
    """A row for `inspect --json`."""
    length, trained = row.count()
    spans = []
    for span in row.spans:
        shown: dict[str, object] = {"kind": span.kind, "message": span.message, "text": span.text}
        if row.real_tokens:
            shown |= {"tokens": span.tokens, "trained": span.trained}
        else:
            shown["trained"] = span.trained[0] if span.trained else False
        shown |= {"weights": span.weights} if span.weights else {}
        shown |= {"fault": span.fault} if span.fault else {}
        spans.append(shown)
    unit = "token" if row.real_tokens else "character"
    head = {"line": row.line, "id": row.id, "channel": row.channel, "source": row.source, "unit": unit}
    return head | {"length": length, "trained": trained, "tools": row.tools, "flags": row.flags, "spans": spans}
