"""One self-contained page to browse the rows of a training file in: no network, 10,000 rows and more.

A small index of all rows is read when the page opens; the rows themselves lie in gzip'ed chunks that the browser
unpacks when one of their rows is looked at.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from swiftagent.io.jsonl import whole_file
from swiftagent.io.pages import stream
from swiftagent.masks.pieces import KINDS
from swiftagent.masks.view import FLAGS, ShownRow, ShownSpan

ROWS_A_CHUNK = 100


def write_page(target: Path, source: Path, rows: Iterable[ShownRow]) -> tuple[int, int]:
    """Write the page whole or not at all; returns (rows, bytes). Rows are taken one by one and not kept."""
    index = _Index()
    with whole_file(target) as out:
        for piece in stream("masks/page.html.j2", name=source.name, chunks=_chunks(rows, index), index=index):
            out.write(piece.encode())
        size = out.tell()
    return len(index.rows), size


class _Index:
    """What is known of every row without unpacking it: names are numbers of a table."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self._unit = "character"
        self._channels: dict[str, int] = {}
        self._tools: dict[str, int] = {}

    def add(self, row: ShownRow) -> None:
        length, trained = row.count()
        channel = self._channels.setdefault(row.channel, len(self._channels))
        tools = [self._tools.setdefault(tool, len(self._tools)) for tool in row.tools]
        flags = [FLAGS.index(flag) for flag in row.flags if flag in FLAGS]
        self._unit = "token" if row.real_tokens else self._unit
        self.rows.append([row.line, row.id, channel, length, trained, row.turns, tools, flags])

    def facts(self) -> dict[str, Any]:
        names = {"channels": list(self._channels), "tools": list(self._tools), "flags": FLAGS, "kinds": KINDS}
        return {"rows": self.rows, "chunk": ROWS_A_CHUNK, "unit": self._unit, **names}


def _chunks(rows: Iterable[ShownRow], index: _Index) -> Iterator[str]:
    """The rows in base64 of gzip'ed JSON; each is added to the index on its way."""
    rows = iter(rows)
    while chunk := list(islice(rows, ROWS_A_CHUNK)):
        for row in chunk:
            index.add(row)
        packed = [[_packed(span, row.real_tokens) for span in row.spans] for row in chunk]
        data = json.dumps(packed, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        # No date in the archive, so that the same rows give the same page.
        yield base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def _packed(span: ShownSpan, real_tokens: bool) -> list[Any]:
    """[kind, message, text, trained, lengths of tokens, weights, fault], as page.js reads it."""
    same = len(set(span.trained)) <= 1
    trained = int(bool(span.trained and span.trained[0])) if same else [int(value) for value in span.trained]
    lengths = [len(token) for token in span.tokens] if real_tokens else 0
    return [KINDS.index(span.kind), span.message, span.text, trained, lengths, span.weights, span.fault]
