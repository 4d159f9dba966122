"""Rows of any format in, training rows of any format out, with a ledger in which every row is accounted for."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

from swiftagent.convert.fast import read_fast
from swiftagent.errors import ConfigError, RowError
from swiftagent.formats.grouping import Grouping, TurnsOfOne, line_key
from swiftagent.formats.outside import outside_reader
from swiftagent.formats.reading.accounting import NOTHING, Unread, unread
from swiftagent.formats.reading.training_marks import is_marked_failed
from swiftagent.formats.reading.view import MESSAGE_KEYS, view_of
from swiftagent.formats.table import BY_STRUCTURE, FORMATS, TURN_FORMATS
from swiftagent.io.jsonl import BadRow, Row
from swiftagent.io.words import did_you_mean
from swiftagent.trajectory.ledger import Ledger
from swiftagent.trajectory.record import is_record
from swiftagent.trajectory.types import Call, Event, Observation, System, Tool, Trajectory
from swiftagent.trajectory.wellformed import DEFAULT, Policy, check

__all__ = ["Ledger", "Policy", "read_alone", "read_trajectories", "recognise"]

Reject = Callable[[dict[str, Any]], None]
_Made = TypeVar("_Made")


def read_trajectories(
    rows: Iterable[Row], options: Policy = DEFAULT, ledger: Ledger | None = None, reject: Reject | None = None
) -> Iterator[Trajectory]:
    """Yield every row as it is trained: recognised, parsed, repaired, checked, trimmed.

    What cannot be used goes to `reject` as {"source", "code", "message", "row"}; `ledger` counts everything. One row is
    read at a time, but for formats of which several lines make one conversation. Raises ConfigError for an unknown
    format name.
    """
    ledger = ledger or Ledger()
    reader = _Reader(options, ledger, reject or (lambda reject: None))
    groups = Grouping(ledger) if options.merge else None
    # A policy that asks for anything but the default is applied by the readers and `check` alone.
    is_plain = not options.on and options.step is None and options.thinking == "keep"
    may_be_fast = options.format == "auto" and is_plain
    for row in rows:
        # A row must not overtake the lines of a transcript that is still open.
        is_fast = may_be_fast and not row.repairs and (groups is None or not groups.lines)
        try:
            found = read_fast(row.value, row.where) if is_fast else None
        except RecursionError:  # which `reader.read` meets again, and reports
            found = None
        except Exception as error:
            ledger.rows_in += 1
            reader.refuse(row, error)
            continue
        if found is not None:
            ledger.rows_in += 1
            ledger.formats[found[1]] += 1
            yield reader.count(found[0])
        elif groups is None:
            ledger.rows_in += 1
            yield from reader.read(row)
        else:
            for whole in reader.attempt(row, groups.take, row) or ():
                yield from reader.read(whole)
    for whole in groups.end() if groups else ():
        yield from reader.read(whole)


def read_alone(row: Row, policy: Policy) -> tuple[list[Trajectory], Unread, Ledger, list[dict[str, Any]]]:
    """What one whole row becomes: its trajectories, what of it was not read, its ledger and its rejects."""
    rejects: list[dict[str, Any]] = []
    reader = _Reader(policy, Ledger(), rejects.append)
    return list(reader.read(row)), reader.left, reader.ledger, rejects


def recognise(row: Any) -> str:
    """The name of the format that a raw row has. Raises RowError("unknown-format" or "not-training-data")."""
    if is_record(row):  # the first of the table, and the only one that needs no look at what stands in the row
        return "swiftagent"
    for candidate in candidates(row):
        if name := candidate(row):
            return name
    raise _unknown(row)


Candidate = Callable[[Any], str]  # the name of the format that a row has, "" where it is not the one asked for
Asked = list[tuple[str, Candidate]]  # by name; "" for those that are distinguished by their turns
_by_form: dict[Any, list[Candidate]] = {}
_MOST_FORMS = 4096  # a file whose rows all have keys of their own does not fill the memory


def candidates(row: Any) -> list[Candidate]:
    """What a row of this form is asked by, in the order of the table."""
    asked, everyone, structured = _asked_by_keys(tuple(row) if type(row) is dict else None)
    if not structured or type(row) is not dict:
        return everyone
    try:
        form = _form_of(row)
    except ValueError:
        return everyone
    found = _by_form.get(form)
    if found is None:
        # Readers that look at structure alone say of all rows of a form what they say of the first.
        found = [candidate for name, candidate in asked if name not in BY_STRUCTURE or candidate(row)]
        if len(_by_form) < _MOST_FORMS:
            _by_form[form] = found
    return found


@lru_cache(maxsize=_MOST_FORMS)
def _asked_by_keys(keys: tuple[str, ...] | None) -> tuple[Asked, list[Candidate], bool]:
    """(by name, all of them, whether any looks at structure alone); keys: None for what is no object, which every
    reader is asked about."""
    readers = _all_readers()
    asked = [(name, ask) for name, known, ask in readers if not (known and keys is not None and known.isdisjoint(keys))]
    return asked, [ask for _, ask in asked], any(name in BY_STRUCTURE for name, _ in asked)


def _form_of(value: Any, key: str = "", depth: int = 0) -> Any:
    """Keys, types and labels of a row and what stands in it. Raises ValueError where a text may hold structure."""
    kind = type(value)
    if key in _OPAQUE:
        return kind, bool(value)
    if kind is str:
        if depth < _DEPTH_OF_TURNS and value[:1] in _MAY_BE_JSON:
            raise ValueError
        return value if key in _LABELS else value != ""
    if depth > _DEEPEST or (kind is not dict and kind is not list):
        return kind, bool(value)
    if kind is dict:
        return tuple([(name, _form_of(item, name, depth + 1)) for name, item in value.items()])
    forms = [_form_of(item, key, depth + 1) for item in value]
    return frozenset(forms), forms[-1] if forms else None


_MAY_BE_JSON = frozenset("[{ \t\r\n")
# A row holds a list of turns, a turn a list of blocks, and a block plain values.
_DEPTH_OF_TURNS, _DEEPEST = 4, 5
_LABELS = frozenset(("role", "from", "type", "kind", "source", "schemaVersion"))
# Declared tools and arguments differ from row to row and identify no format.
_OPAQUE = frozenset(("tools", "functions", "function", "parameters", "arguments", "args", "input_schema"))


@cache
def _all_readers() -> list[tuple[str, frozenset[str] | None, Candidate]]:
    """(name, keys of which a row has one, what it is asked by)."""
    readers: list[tuple[str, frozenset[str] | None, Candidate]] = []
    for name, path in FORMATS.items():
        module = importlib.import_module(path)
        if name == TURN_FORMATS[0]:  # one look at the turns distinguishes all of these
            readers.append(("", frozenset(MESSAGE_KEYS), lambda row: view_of(row).format))
        if name not in TURN_FORMATS:
            readers.append((name, getattr(module, "KEYS", None), partial(_asked, name, module.looks_like)))
    return readers


def _asked(name: str, looks_like: Callable[[Any], bool], row: Any) -> str:
    return name if looks_like(row) else ""


def _unknown(row: Any) -> RowError:
    if line_key(row) is not None:
        return RowError("unknown-format", "one line of a transcript; `swiftagent convert` puts its lines together")
    if isinstance(row, dict) and _NO_SPEECH & row.keys():
        return RowError(
            "not-training-data", f"tools, questions or gold answers ({_keys(row)}), with nothing that a model said"
        )
    if not isinstance(row, dict):
        return RowError("unknown-format", f"a row is a {type(row).__name__}, and no reader knows it")
    sentence = f"no reader knows a row with the keys {_keys(row)}; --from names one, `swiftagent formats` lists them"
    return RowError("unknown-format", sentence)


# Keys of evaluation sets and of tool catalogues (BFCL, MCP servers): there is nothing to train in them.
_NO_SPEECH = frozenset(
    ("ground_truth", "function", "involved_classes", "tools", "functions", "labels", "inputSchema", "input_schema")
    + ("ideal", "expected_tool_use")
)


def _keys(row: dict[str, Any]) -> str:
    return ", ".join(map(str, list(row)[:8]))


class _Reader:
    """Reads row after row under one policy."""

    def __init__(self, policy: Policy, ledger: Ledger, reject: Reject) -> None:
        self.policy = policy
        self.ledger = ledger
        self.reject = reject
        self.fixed = None if policy.format == "auto" else _reader_named(policy.format)
        self.left = NOTHING  # of the last row
        self._keys = _NONE, False  # that the reader of the last row takes texts from

    def read(self, row: Row) -> Iterator[Trajectory]:
        if isinstance(row, BadRow):
            self.refuse(row, row.error)
            return
        pieces = self.attempt(row, self._pieces, row)
        if pieces is None:
            return
        self.ledger.split += len(pieces) - 1
        failed = type(row.value) is dict and is_marked_failed(row.value)
        for number, piece in enumerate(pieces):
            trained = self.attempt(row, self._checked, row, piece, number if len(pieces) > 1 else None, failed)
            if trained is not None:
                yield self.count(trained)

    def attempt(self, row: Row, work: Callable[..., _Made], *arguments: Any) -> _Made | None:
        """What the work gives; None where the row is rejected instead. No row ends a run, whatever it holds."""
        try:
            return work(*arguments)
        except Exception as error:
            self.refuse(row, error)
        return None

    def refuse(self, row: Row, error: Exception) -> None:
        """Reject a row; called while the error is handled."""
        refused = rejection(row.where, error, row.value)
        self.ledger.rejected += 1
        self.ledger.reasons[refused["code"]] += 1
        self.reject(refused)

    def _pieces(self, row: Row) -> list[Trajectory]:
        """The conversations of a row, every text of it accounted for."""
        if isinstance(row.value, TurnsOfOne):
            pieces = [join_turns([piece for value in row.value for piece in self._parse(value)])]
        else:
            pieces = self._parse(row.value)
        if not pieces:
            raise RowError("nothing-trained", "the row holds no conversation")
        self.left = left = unread(row.value, pieces, *self._keys)
        if left.texts:
            self.ledger.unread.update(left.counts)
        for code, sentence in _NOTED.items():
            if self.policy.action(code) == "reject" and any(code in piece.repairs for piece in pieces):
                raise RowError(code, sentence)
        if left.steps:
            if self.policy.action("unread-turns") != "keep":
                raise RowError("unread-turns", f"what stands under {left.steps!r} was not read")
            self.ledger.kept["unread-turns"] += 1
        return pieces

    def _parse(self, value: Any) -> list[Trajectory]:
        name, module = self.fixed or _reader_named(recognise(value))
        self.ledger.formats[name] += 1
        self._keys = _keys_of(name, module, value)
        try:
            parsed = module.parse(value)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # The boundary of one row: a shape that nobody thought of costs this row, not the run.
            raise RowError("unknown-shape", f"not as {name} rows are: {type(error).__name__}: {error}") from error
        return parsed if isinstance(parsed, list) else [parsed]

    def _checked(self, row: Row, piece: Trajectory, number: int | None, failed: bool) -> Trajectory:
        notes = piece.repairs + row.repairs
        if failed:
            notes = (*notes, "failed-row")
        if type(row.value) is dict and not _MEDIA.isdisjoint(row.value) and any(row.value.get(key) for key in _MEDIA):
            notes = (*notes, "media-left-out")
        place = row.where if number is None else f"{row.where}#{number}"
        channel = piece.channel if piece.source or piece.is_agentic else "general"
        name = piece.id if number is None or not piece.id else f"{piece.id}#{number}"
        whole = Trajectory(piece.events, piece.tools, name, piece.source or place, channel, notes)
        checked = check(whole, self.policy)
        return self.policy.step(checked, place) if self.policy.step else checked

    def count(self, trained: Trajectory) -> Trajectory:
        ledger = self.ledger
        if trained.repairs:
            ledger.note(trained.repairs, self.policy)
            ledger.trimmed += "trimmed-tail" in trained.repairs
        ledger.rows_out += 1
        return trained


def rejection(where: str, error: Exception, row: Any) -> dict[str, Any]:
    """A line of the rejects file; what is no fault of the row has the code `bug` and a traceback. Called while the
    error is handled."""
    place: dict[str, Any] = {"source": where}
    if isinstance(error, RecursionError):
        error = RowError("bad-message", "the row is nested too deeply")
    if isinstance(error, RowError):
        return {**place, "code": error.code, "message": error.message, "row": row}
    sentence = f"an error of this program, please report it: {type(error).__name__}: {error}"
    return {**place, "code": "bug", "message": sentence, "traceback": traceback.format_exc(), "row": row}


def join_turns(pieces: list[Trajectory]) -> Trajectory:
    """Turns of one conversation as one: what a later turn repeats of the earlier ones is not kept twice."""
    events: list[Event] = []
    tools: dict[str, Tool] = {}
    repairs: list[str] = []
    calls = 0
    for piece in pieces:
        tools.update((tool.name, tool) for tool in piece.tools if tool.name not in tools)
        repairs += piece.repairs
        renumbered = [_renumber(event, calls) for event in piece.events]
        if [*piece.events[: len(events)]] == events:
            renumbered, events = list(piece.events), []  # a later turn that holds the whole conversation so far
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


def _keys_of(name: str, module: Any, row: Any) -> tuple[frozenset[str], bool]:
    """The keys of a row from which its reader takes texts, and whether it has a structure of its own below them."""
    keys = module.reads(row) if hasattr(module, "reads") else getattr(module, "READS", getattr(module, "KEYS", _NONE))
    if (name in TURN_FORMATS or name == "react") and view_of(row).format == name:
        return keys | {view_of(row).key}, False
    return keys, True


_NONE = frozenset[str]()
_NOTED = {  # by a reader, of what it cannot read
    "unread-turns": "a call that the server made, without what it gave",
    "unread-result": "a turn of the user that is nothing but results, of which no call is left to be answered",
}


def _reader_named(name: str) -> tuple[str, Any]:
    if ":" in name:
        return name, outside_reader(name)
    if name not in FORMATS:
        hint = did_you_mean(name, FORMATS, otherwise="`swiftagent formats` lists them")
        raise ConfigError(f"--from {name}: no such format; {hint}")
    return name, importlib.import_module(FORMATS[name])
