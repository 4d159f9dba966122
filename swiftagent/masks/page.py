"""One self-contained page to browse the rows of a training file in: no network, 10,000 rows and more.

A small index of all rows is read when the page opens; the rows themselves lie in gzip'ed chunks that the browser
unpacks when one of their rows is looked at.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from swiftagent.io.jsonl import whole_file
from swiftagent.masks.pieces import KINDS
from swiftagent.masks.view import FLAGS, ShownRow, ShownSpan

ROWS_A_CHUNK = 100


def write_page(target: Path, source: Path, rows: Iterable[ShownRow]) -> tuple[int, int]:
    """Write the page whole or not at all; returns (rows, bytes). Rows are taken one by one and not kept."""
    page = resources.files("swiftagent") / "masks"
    head, _, tail = page.joinpath("page.html").read_text(encoding="utf-8").partition("@DATA@")
    style, script = (page.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    head = head.replace("@TITLE@", escape(source.name)).replace("@STYLE@", style)
    index = _Index()
    with whole_file(target) as out:
        out.write(head.encode())
        chunk: list[list[Any]] = []
        for row in rows:
            index.add(row)
            chunk.append([_packed(span, row.real_tokens) for span in row.spans])
            if len(chunk) == ROWS_A_CHUNK:
                out.write(_chunk(index.chunks, chunk))
                index.chunks, chunk = index.chunks + 1, []
        if chunk:
            out.write(_chunk(index.chunks, chunk))
        out.write(index.text().encode())
        out.write(tail.replace("@SCRIPT@", script).encode())
        size = out.tell()
    return len(index.rows), size


class _Index:
    """What is known of every row without unpacking it: names are numbers of a table."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.chunks = 0
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

    def text(self) -> str:
        facts = {
            "rows": self.rows,
            "chunk": ROWS_A_CHUNK,
            "unit": self._unit,
            "channels": list(self._channels),
            "tools": list(self._tools),
            "flags": FLAGS,
            "kinds": KINDS,
        }
        # JSON in a script element ends at the first "</script", whatever it stands in.
        data = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        return f'<script type="application/json" id="index">{data}</script>\n'


def _packed(span: ShownSpan, real_tokens: bool) -> list[Any]:
    """[kind, message, text, trained, lengths of tokens, weights, fault], as page.js reads it."""
    same = len(set(span.trained)) <= 1
    trained = int(bool(span.trained and span.trained[0])) if same else [int(value) for value in span.trained]
    lengths = [len(token) for token in span.tokens] if real_tokens else 0
    return [KINDS.index(span.kind), span.message, span.text, trained, lengths, span.weights, span.fault]


def _chunk(number: int, rows: list[list[Any]]) -> bytes:
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    packed = base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()
    return f'<script type="application/octet-stream" id="chunk{number}">{packed}</script>\n'.encode()
