"""Rows of any format in, training rows of any format out, with a ledger in which every row is accounted for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from swiftagent.convert.quick import Quick, quick_messages
from swiftagent.errors import ConfigError, RowError
from swiftagent.formats.grouping import Grouping, TurnsOfOne, line_key
from swiftagent.formats.outside import outside_reader
from swiftagent.formats.table import FORMATS
from swiftagent.io.jsonl import BadRow, Row
from swiftagent.io.words import did_you_mean
from swiftagent.trajectory.ledger import Ledger
from swiftagent.trajectory.record import Record
from swiftagent.trajectory.types import Call, Event, Observation, System, Tool, Trajectory
from swiftagent.trajectory.wellformed import DEFAULT, Policy, check

__all__ = ["Ledger", "Policy", "read_records", "read_trajectories", "recognise"]

Reject = Callable[[dict[str, Any]], None]


def read_trajectories(
    rows: Iterable[Row], options: Policy = DEFAULT, ledger: Ledger | None = None, reject: Reject | None = None
) -> Iterator[Trajectory]:
    """Yield every row as it is trained: recognised, parsed, repaired, checked, trimmed.

    What cannot be used goes to `reject` as {"source", "code", "message", "row"}; `ledger` counts everything. One row is
    read at a time, but for formats of which several lines make one conversation. Raises ConfigError for an unknown
    format name.
    """
    reader = _Reader(options, ledger or Ledger(), reject or _forget)
    for row in reader.grouped(rows):
        yield from reader.read(row)


def read_records(
    rows: Iterable[Row],
    options: Policy = DEFAULT,
    ledger: Ledger | None = None,
    reject: Reject | None = None,
    quickly: Callable[[Any], Quick | None] = quick_messages,
) -> Iterator[Record | Trajectory]:
    """As `read_trajectories`, but a row that can go the quick way comes as the finished record of the default
    prompt."""
    ledger = ledger or Ledger()
    reader = _Reader(options, ledger, reject or _forget)
    groups = Grouping(ledger) if options.merge else None
    slow = options.format != "auto" or bool(options.on) or options.thinking != "keep"
    for row in rows:
        found = None if slow or row.repairs or (groups is not None and groups.lines) else quickly(row.value)
        if found is not None:
            yield _counted_record(row, found, ledger, options)
        elif groups is None:
            ledger.rows_in += 1
            yield from reader.read(row)
        else:
            for whole in groups.take(row):
                yield from reader.read(whole)
    for whole in groups.end() if groups else ():
        yield from reader.read(whole)


def _counted_record(row: Row, found: Quick, ledger: Ledger, policy: Policy) -> Record:
    messages, form, repairs = found
    ledger.rows_in += 1
    ledger.rows_out += 1
    ledger.formats[form] += 1
    if repairs:
        ledger.note(repairs, policy)
    name = row.value.get("id", "")
    return {
        "messages": messages,
        "channel": "agent" if form == "ms-agent" else "general",
        "id": name if type(name) is str else "" if name is None else str(name),
        "source": row.where,
    }


def recognise(row: Any) -> str:
    """The name of the format that a raw row has. Raises RowError("unknown-format" or "not-training-data")."""
    return _recognised(row)[0]


def _recognised(row: Any) -> tuple[str, ModuleType]:
    shape = tuple(row) if type(row) is dict else type(row)
    candidates = _by_shape.get(shape)
    if candidates is None:
        candidates = _candidates(row)
        if len(_by_shape) < 4096:  # files whose rows all have keys of their own are not remembered without end
            _by_shape[shape] = candidates
    for found in candidates:
        if found[1].looks_like(row):
            return found
    raise _unknown(row)


_modules: list[tuple[str, ModuleType]] = []
_by_shape: dict[Any, list[tuple[str, ModuleType]]] = {}


def _candidates(row: Any) -> list[tuple[str, ModuleType]]:
    """The formats that a row of these keys can have, in the order of the table."""
    if not _modules:
        _modules.extend((name, importlib.import_module(path)) for name, path in FORMATS.items())
    if type(row) is not dict:
        return _modules
    return [found for found in _modules if not hasattr(found[1], "KEYS") or not found[1].KEYS.isdisjoint(row)]


def _unknown(row: Any) -> RowError:
    if line_key(row) is not None:
        return RowError("unknown-format", "one line of a transcript; `swiftagent convert` puts its lines together")
    if isinstance(row, dict) and _NO_SPEECH & row.keys():
        return RowError(
            "not-training-data", f"tools, questions or gold answers ({_keys(row)}), with nothing that a model said"
        )
    if not isinstance(row, dict):
        return RowError("unknown-format", f"a row is a {type(row).__name__}, and no reader knows it")
    keys = ", ".join(map(str, list(row)[:8]))
    return RowError(
        "unknown-format",
        f"no reader knows a row with the keys {keys}; --from names one, `swiftagent formats` lists them",
    )


# Keys of evaluation sets and of tool catalogues (BFCL, MCP servers): there is nothing to train in them.
_NO_SPEECH = frozenset(
    (
        *(
            "ground_truth",
            "function",
            "involved_classes",
            "tools",
            "functions",
            "labels",
            "inputSchema",
            "input_schema",
        ),
        *("ideal", "expected_tool_use"),
    )
)


def _keys(row: dict[str, Any]) -> str:
    return ", ".join(map(str, list(row)[:8]))


def _forget(reject: dict[str, Any]) -> None:
    """For callers that only count."""


class _Reader:
    """Reads row after row under one policy."""

    def __init__(self, policy: Policy, ledger: Ledger, reject: Reject) -> None:
        self.policy = policy
        self.ledger = ledger
        self.reject = reject
        self.fixed: tuple[str, Any] | None = None
        if policy.format != "auto":
            self.fixed = (policy.format, _named(policy.format))

    def grouped(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows, those of a format of which several lines make one conversation put together; each is counted in."""
        if not self.policy.merge:
            for row in rows:
                self.ledger.rows_in += 1
                yield row
            return
        groups = Grouping(self.ledger)
        for row in rows:
            yield from groups.take(row)
        yield from groups.end()

    def read(self, row: Row) -> Iterator[Trajectory]:
        if isinstance(row, BadRow):
            self._reject(row, row.error)
            return
        try:
            parsed = self._joined(row.value) if isinstance(row.value, TurnsOfOne) else self._parse(row.value)
        except RowError as error:
            self._reject(row, error)
            return
        except RecursionError:
            self._reject(row, RowError("bad-message", "the row is nested too deeply"))
            return
        pieces = parsed if isinstance(parsed, list) else [parsed]
        if not pieces:
            self._reject(row, RowError("nothing-trained", "the row holds no conversation"))
            return
        self.ledger.split += len(pieces) - 1
        failed = type(row.value) is dict and is_marked_failed(row.value)
        for number, piece in enumerate(pieces):
            trained = self._check(row, piece, number if len(pieces) > 1 else None, failed)
            if trained is not None:
                yield trained

    def _parse(self, value: Any) -> Any:
        name, module = self.fixed or _recognised(value)
        self.ledger.formats[name] += 1
        try:
            return module.parse(value)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # The boundary of one row: a shape that nobody thought of costs this row, not the run.
            raise RowError("unknown-shape", f"not as {name} rows are: {type(error).__name__}: {error}") from error

    def _joined(self, values: TurnsOfOne) -> Trajectory:
        pieces: list[Trajectory] = []
        for value in values:
            parsed = self._parse(value)
            pieces += parsed if isinstance(parsed, list) else [parsed]
        return join_turns(pieces)

    def _check(self, row: Row, piece: Trajectory, number: int | None, failed: bool) -> Trajectory | None:
        notes = piece.repairs + row.repairs
        if failed:
            notes = (*notes, "failed-row")
        if type(row.value) is dict and not _MEDIA.isdisjoint(row.value) and any(row.value.get(key) for key in _MEDIA):
            notes = (*notes, "media-left-out")
        source = piece.source or (row.where if number is None else f"{row.where}#{number}")
        channel = piece.channel if piece.source or piece.is_agentic else "general"
        name = piece.id if number is None or not piece.id else f"{piece.id}#{number}"
        placed = Trajectory(piece.events, piece.tools, name, source, channel, notes)
        try:
            trained = check(placed, self.policy)
        except RowError as error:
            self._reject(row, error)
            return None
        ledger = self.ledger
        if trained.repairs:
            ledger.note(trained.repairs, self.policy)
            ledger.trimmed += "trimmed-tail" in trained.repairs
        ledger.rows_out += 1
        return trained

    def _reject(self, row: Row, error: RowError) -> None:
        self.ledger.rejected += 1
        self.ledger.reasons[error.code] += 1
        self.reject({"source": row.where, "code": error.code, "message": error.message, "row": row.value})


def join_turns(pieces: list[Trajectory]) -> Trajectory:
    """Turns of one conversation as one: what a later turn repeats of the earlier ones is not told twice."""
    events: list[Event] = []
    tools: dict[str, Tool] = {}
    repairs: list[str] = []
    calls = 0
    for piece in pieces:
        tools.update((tool.name, tool) for tool in piece.tools if tool.name not in tools)
        repairs += piece.repairs
        renumbered = [_renumber(event, calls) for event in piece.events]
        if len(piece.events) >= len(events) and [*piece.events[: len(events)]] == events:
            renumbered, events = list(piece.events), []  # a later turn that holds the whole conversation so far
            calls = 0
        if events and renumbered and renumbered[0] == events[0] and isinstance(events[0], System):
            renumbered = renumbered[1:]
        events += renumbered
        calls = sum(isinstance(event, Call) for event in events)
    return Trajectory(tuple(events), tuple(tools.values()), pieces[0].id, "", "agent", tuple(repairs))


def _renumber(event: Event, calls: int) -> Event:
    if isinstance(event, Call):
        return Call(event.tool, event.arguments, f"c{int(event.id[1:]) + calls}", event.trained)
    if isinstance(event, Observation) and event.call_id:
        return Observation(event.text, f"c{int(event.call_id[1:]) + calls}")
    return event


_MEDIA = frozenset(("images", "image", "videos", "video", "audios", "audio"))
_FAILED_IF_ZERO = ("reward", "weight", "loss_weight", "sample_weight")
_FAILED_IF_FALSE = ("label", "success", "win", "is_success", "is_correct", "correct", "passed", "resolved", "reward")
_FAILED_KEYS = frozenset(_FAILED_IF_ZERO + _FAILED_IF_FALSE)


def is_marked_failed(row: dict[str, Any]) -> bool:
    """Whether a whole row is marked as a failed run: reward or weight 0, label or success false."""
    if _FAILED_KEYS.isdisjoint(row):
        return False
    for key in _FAILED_IF_ZERO:
        value = row.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
            return True
    return any(row.get(key) is False for key in _FAILED_IF_FALSE)


def _named(name: str) -> Any:
    if ":" in name:
        return outside_reader(name)
    if name not in FORMATS:
        hint = did_you_mean(name, FORMATS, otherwise="`swiftagent formats` lists them")
        raise ConfigError(f"--from {name}: no such format; {hint}")
    return importlib.import_module(FORMATS[name])
