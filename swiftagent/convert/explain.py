"""What became of each text of one row: `convert --explain SOURCE:LINE`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from swiftagent.convert.reading import Ledger, Policy, read_alone
from swiftagent.errors import ConfigError
from swiftagent.formats.dataset_entries import input_rows
from swiftagent.formats.grouping import Grouping
from swiftagent.formats.reading.accounting import is_metadata, said_in
from swiftagent.formats.reading.calls import plain_key
from swiftagent.formats.reading.view import TOOL_KEYS
from swiftagent.io.jsonl import BadRow, Row, texts_in

_DECLARING = frozenset(map(plain_key, TOOL_KEYS)) - {"function"}
_SHORT = 4  # characters of a text that is looked for whole, not inside others


class Fate(msgspec.Struct, frozen=True):
    """What became of a text: trained, not trained, metadata, unread, left out or rejected, and as which events."""

    path: str  # messages[1].content
    fate: str
    events: str = ""
    text: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """What became of a row. `rejects` are the (code, message) of its pieces that became no record."""

    source: str
    format: str
    records: int
    notes: list[str]
    rejects: list[tuple[str, str]]
    texts: list[Fate]


class _Event(NamedTuple):
    kind: str
    trained: bool
    texts: tuple[str, ...]


def find_row(place: str, merge: bool = True) -> Row:
    """The row, or the lines read as one with it, at a place as reports and rejects name it. Raises ConfigError."""
    path, _, number = place.rpartition(":")
    if not path:
        raise ConfigError(f"--explain {place}: write FILE:LINE, as `source` in rejects and records has it")
    groups = Grouping(Ledger()) if merge else None
    numbers = (number, number.partition("#")[0])
    met: list[Row] = []

    def wholes() -> Iterator[Row]:
        for row in input_rows(path):
            if row.where.rpartition(":")[2] in numbers:
                met.append(row)
            yield from groups.take(row) if groups else (row,)
        yield from groups.end() if groups else ()

    for whole in wholes():
        if met and _is_in(met[-1], whole):
            return whole
    raise ConfigError(f"--explain {place}: {path} has no row {number}")


def _is_in(row: Row, whole: Row) -> bool:
    return row.value == whole.value or (isinstance(whole.value, list) and row.value in whole.value)


def explain(row: Row, policy: Policy) -> Explanation:
    """Read one whole row under a policy, and say where each of its texts is now."""
    found, left, ledger, rejects = read_alone(row, policy)
    said = (pair for one in found for pair in said_in(one, lambda value: [text for _, text in texts_in(value)]))
    events = [_Event(type(event).__name__.lower(), getattr(event, "trained", False), texts) for event, texts in said]
    value = row.value if not isinstance(row, BadRow) else {"": str(row.value)}
    unread = set(left.texts)
    missing = ("rejected", rejects[0]["code"]) if rejects else ("left out", "")
    return Explanation(
        row.where,
        ", ".join(ledger.formats),
        len(found),
        [code for counts in (ledger.repairs, ledger.masked, ledger.kept) for code in counts],
        [(reject["code"], reject["message"]) for reject in rejects],
        [Fate(path, *_fate(path, text, unread, events, missing), text) for path, text in texts_in(value)],
    )


def _fate(
    path: str, text: str, unread: set[tuple[str, str]], events: list[_Event], missing: tuple[str, str]
) -> tuple[str, str]:
    keys = [part.partition("[")[0] for part in path.split(".")]
    if any((".".join(filter(None, keys[:depth])), text) in unread for depth in range(1, len(keys) + 1)):
        return "unread", ""
    if is_metadata(keys) or not text.strip():
        return "metadata", ""
    if any(plain_key(key) in _DECLARING for key in keys[:-1]):
        if keys[-1] == "type" and text == "function":
            return "metadata", ""
        events = [event for event in events if event.kind == "tool"]  # a call of the same name is trained, this is not
    own = text.strip()
    met = [event for event in events if any(own == given.strip() for given in event.texts)]
    if not met:
        met = [event for event in events if any(_overlap(own, given) for given in event.texts)]
    if not met:
        return missing
    trained = any(event.trained for event in met)
    names = (f"{event.kind}{' (not trained)' if trained and not event.trained else ''}" for event in met)
    return "trained" if trained else "not trained", ", ".join(dict.fromkeys(names))


def _overlap(text: str, given: str) -> bool:
    """Whether one of two texts is a part of the other."""
    return (len(text) >= _SHORT and text in given) or (len(given) >= _SHORT and given in text)
