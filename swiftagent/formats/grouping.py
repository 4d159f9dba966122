"""Lines that are turns of one conversation, put together before they are read.

Two kinds: transcripts, whose lines of one key stand together in a file (`line_key` of a format module); and rows that
carry an id and a turn number, which may lie anywhere in any of the inputs and are put in order at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from swiftagent.formats.readers import api_bank, autogen, claude_code, codex, openhands, pi, traces, turn_lines
from swiftagent.io.jsonl import BadRow, Row, decode, encode
from swiftagent.trajectory.ledger import Ledger

_LINE_KEYS: tuple[Callable[[Any], Hashable | None], ...] = tuple(
    reader.line_key for reader in (api_bank, claude_code, codex, autogen, openhands, traces, pi, turn_lines)
)
# One of which every such line has.
_MARKS = frozenset(("role", "type", "kind", "source", "span_kind", "attributes", "resourceSpans", "resourceLogs"))
_TURNS = ("turn", "turn_id", "turn_index", "turn_idx", "turn_number", "turn_no", "round")
_TURN_KEYS = frozenset(_TURNS)
_IDS = (
    *("conversation_id", "conv_id", "dialog_id", "dialogue_id", "session_id", "sessionId", "group_id", "chat_id"),
    *("trace_id", "id"),
)


class TurnsOfOne(list[Any]):
    """Raw rows of one conversation in the order of their turns; each is read by its own format, then they are
    joined."""


class Grouping:
    """Rows in the order in which they come; several lines that are one conversation become one row, counted as
    merged."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.lines: list[Row] = []  # of a transcript that may be unfinished
        self._key: Hashable = None
        self._scattered = _Scattered()

    def take(self, row: Row) -> list[Row]:
        """The rows that are whole now, of which this may be one."""
        self._ledger.rows_in += 1
        whole: list[Row] = []
        if self.lines and _file(row) != _file(self.lines[0]):
            whole.append(self._joined_lines())
        if isinstance(row, BadRow):
            return [*whole, row]
        found = line_key(row.value)
        if found is not None:
            if self.lines and found is not True and self._key is not True and found != self._key:
                whole.append(self._joined_lines())
            self.lines.append(row)
            self._key = found if found is not True or self._key is None else self._key
        elif not self._scattered.takes(row):
            whole.append(row)
        return whole

    def end(self) -> Iterator[Row]:
        """What still waits when all rows were taken."""
        if self.lines:
            yield self._joined_lines()
        yield from self._scattered.joined(self._ledger)

    def _joined_lines(self) -> Row:
        lines, self.lines, self._key = self.lines, [], None
        self._ledger.merged += len(lines) - 1
        return _as_one(lines, list)


def line_key(value: Any) -> Hashable | None:
    """The key of a line that is a turn of a transcript; None for a row that stands for itself."""
    if type(value) is not dict or _MARKS.isdisjoint(value) or turn_of(value) is not None:
        return None
    return next((key for function in _LINE_KEYS if (key := function(value)) is not None), None)


def _as_one(rows: list[Row], together: type[list[Any]]) -> Row:
    return Row(together(row.value for row in rows), rows[0].where, tuple(code for row in rows for code in row.repairs))


def _file(row: Row) -> str:
    return row.where.rpartition(":")[0]


def turn_of(value: Any) -> tuple[str, int] | None:
    """(id, turn) of a row that is one turn of a conversation that spans several rows."""
    if type(value) is not dict or _TURN_KEYS.isdisjoint(value):
        return None
    turn = next(value[name] for name in _TURNS if name in value)
    number = turn if type(turn) is int else int(turn) if isinstance(turn, str) and turn.isdecimal() else None
    owner = next((value[key] for key in _IDS if isinstance(value.get(key), (str, int))), None)
    return (str(owner), number) if number is not None and owner is not None else None


class _Scattered:
    """Single turns wait in a temporary file; memory holds a few numbers for each."""

    def __init__(self) -> None:
        self._places: dict[str, list[tuple[int, int, int]]] = {}
        self._spool: Any = None

    def takes(self, row: Row) -> bool:
        found = turn_of(row.value)
        if found is None:
            return False
        if self._spool is None:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `joined`, removed with the process)
        owner, turn = found
        start = self._spool.tell()
        self._spool.write(encode([row.value, row.where, row.repairs]))
        self._places.setdefault(owner, []).append((turn, start, self._spool.tell() - start))
        return True

    def joined(self, ledger: Ledger) -> Iterator[Row]:
        if self._spool is None:
            return
        with self._spool as spool:
            for places in self._places.values():
                rows = []
                for _, start, length in sorted(places):
                    spool.seek(start)
                    value, where, repairs = decode(spool.read(length))
                    rows.append(Row(value, where, tuple(repairs)))
                if len(rows) == 1:
                    yield rows[0]
                    continue
                ledger.merged += len(rows) - 1
                yield _as_one(rows, TurnsOfOne)
