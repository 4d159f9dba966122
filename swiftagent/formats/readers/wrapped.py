"""Conversations inside an object with more about them: a thread's state, a log's samples, the body of a request."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.delegate import reader_of
from swiftagent.formats.reading.view import system_field, tools_field
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "an object around one conversation or a list of them: LangGraph {values: {messages}}, Inspect {samples: "
    "[...]}, {body: {...}}"
)
SAMPLE = {
    "values": {
        "messages": [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": "The capital of Norway."}]
    }
}
_ONE = (
    *(
        "conversation",
        "values",
        "state",
        "chat",
        "body",
        "data",
        "log",
        "trace",
        "sample",
        "example",
        "trajectory",
        "thread",
    ),
    *(
        "input",
        "inputs",
        "output",
        "outputs",
        "result",
        "response",
        "info",
        "attributes",
        "payload",
        "content",
        "llmSchema",
    ),
)
_MANY = (
    "samples",
    "conversations",
    "sessions",
    "chats",
    "threads",
    "eval_cases",
    "runs",
    "trajectories",
    "simulations",
)
# Questions and answers are everywhere; only what is plainly a conversation is looked for inside.
_NOT_INSIDE = frozenset(
    ("alpaca", "conversation-pair", "chat-text", "preference", "xlam", "swiftagent", "speaker-turns")
)

KEYS = frozenset((*_ONE, *_MANY))


def looks_like(row: Any) -> bool:
    return type(row) is dict and _found(row) is not None


def reads(row: Any) -> frozenset[str]:
    """The key that holds what is read: what stands under another one is counted as unread."""
    found = _found(row)
    return frozenset((found[0],) if found else ())


def _found(row: dict[str, Any]) -> tuple[str, list[Any], list[Any]] | None:
    """A key, what stands under it, and who reads each of it."""
    for key in _MANY:
        items = row.get(key)
        if isinstance(items, list) and items and all(isinstance(item, (dict, list)) for item in items):
            readers = [reader_of(item, _NOT_INSIDE) for item in items]
            if all(readers):
                return key, items, readers
    for key in _ONE:
        value = _value(row.get(key))
        if isinstance(value, dict) or (isinstance(value, list) and key != "content"):
            reader = reader_of(value, _NOT_INSIDE)
            if reader is not None:
                return key, [value], [reader]
    return None


def _value(value: Any) -> Any:
    """JSON text as what it says."""
    if isinstance(value, str) and value[:1] == "{" and '"role"' in value:
        try:
            return read_loose(value)[0]
        except RowError:
            return value
    return value


def parse(row: Any) -> list[Trajectory]:
    found = _found(row)
    if found is None:
        raise RowError("not-a-conversation", "no conversation inside the row")
    read: list[Trajectory] = []
    for item, reader in zip(*found[1:], strict=True):
        pieces = reader.parse(_with_what_stands_beside(item, row))
        read += pieces if isinstance(pieces, list) else [pieces]
    return read


def _with_what_stands_beside(item: Any, row: dict[str, Any]) -> Any:
    """The id, tools and system text of the outer object, where the inner one has none."""
    if not isinstance(item, dict):
        return item
    tools, system = tools_field(row), system_field(row)
    outer = {"id": row.get("id"), "tools": tools, "system": system}
    has = {"id": "id" in item, "tools": tools_field(item) is not None, "system": system_field(item) is not None}
    return {**item, **{key: value for key, value in outer.items() if value is not None and not has[key]}}
