"""Spans of traces, however they were exported: their attributes as nested values, with the events inside them.

A span stands in OTLP JSON (`resourceSpans`; the messages of older versions in `resourceLogs`), in MLflow's and
Jaeger's traces (`data`), in a list under `spans`, or is a row by itself, its keys nested or joined with dots.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.trajectory.read_loose import read_loose

_NAMESPACES = frozenset(("gen_ai", "llm", "mlflow", "ai"))


class TraceSpan(NamedTuple):
    """One span: `attributes` nested as their dotted names say, `events` as (name, attributes)."""

    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


def spans_of(row: Any) -> Iterator[TraceSpan]:
    """Every span of a row, or of the rows of one trace, in their order."""
    if isinstance(row, list):
        for item in row:
            yield from spans_of(item)
    elif isinstance(row, dict):
        held = [*_held(row, "resourceSpans", "scopeSpans", "spans"), *_listed(row, "spans")]
        data = row.get("data")
        for part in data if isinstance(data, list) else [data]:
            held += _listed(part, "spans")
        logs = _of_logs(_held(row, "resourceLogs", "scopeLogs", "logRecords"))
        if held or logs:
            yield from (span_of(item) for item in held)
            yield from logs
        elif (span := span_of(row)).attributes:
            yield span


def span_of(row: dict[str, Any]) -> TraceSpan:
    """A span as it stands in an export; one without attributes has none."""
    row = nested(row) if any("." in key for key in row) else row
    given = row.get("attributes", row.get("tags", row if not _NAMESPACES.isdisjoint(row) else None))
    told = value_of(row.get("events"))
    events = [_event(item) for item in told if isinstance(item, dict)] if isinstance(told, list) else []
    return TraceSpan(_attributes(given), events)


def value_of(value: Any) -> Any:
    """A list or an object that may stand as JSON text; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return read_loose(value)[0]
        except RowError:
            return value
    return value


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`{"a.0.b": 1}` as `{"a": [{"b": 1}]}`. What stands inside the values stays as it is."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        place = tree
        for name in path:
            inner = place.get(name)
            if not isinstance(inner, dict):
                place[name] = inner = {}
            place = inner
        if not (isinstance(place.get(last), dict) and not isinstance(value, dict)):
            place[last] = {**place.get(last, {}), **value} if isinstance(value, dict) else value
    return {key: _numbered(value) for key, value in tree.items()}


def _numbered(value: Any) -> Any:
    """Objects whose keys count from 0 as lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _numbered(item) for key, item in value.items()}
    if inner and all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _attributes(given: Any) -> dict[str, Any]:
    """Attributes as an object, as JSON text of one, or as OTLP's and Jaeger's list of {key, value}."""
    given = value_of(given)
    if isinstance(given, list):
        given = _pairs([item for item in given if isinstance(item, dict)])
    return nested(given) if isinstance(given, dict) else {}


def _plain(value: Any) -> Any:
    """A value of OTLP JSON (`{"stringValue": ...}`, `{"kvlistValue": {"values": [...]}}`) as what it says."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, held),) = value.items()
    if kind == "arrayValue":
        return [_plain(item) for item in _listed(held, "values")]
    if kind == "kvlistValue":
        return _pairs(_listed(held, "values"))
    if kind == "intValue" and str(held).lstrip("-").isdecimal():  # 64 bits stand as text in JSON
        return int(held)
    return held if kind.endswith("Value") else value


def _pairs(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["key"]: _plain(item.get("value")) for item in items if isinstance(item.get("key"), str)}


def _event(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    attributes = _attributes(item.get("attributes"))
    event = attributes.get("event")
    name = item.get("eventName") or item.get("name") or (event.get("name") if isinstance(event, dict) else "")
    body = _plain(item.get("body"))
    return str(name), {**attributes, **(body if isinstance(body, dict) else {})}


def _of_logs(records: list[dict[str, Any]]) -> list[TraceSpan]:
    """The log records of each span together, as its events."""
    by_span: dict[Any, list[tuple[str, dict[str, Any]]]] = {}
    for record in records:
        by_span.setdefault(record.get("spanId"), []).append(_event(record))
    return [TraceSpan({}, events) for events in by_span.values()]


def _held(row: Any, *path: str) -> list[dict[str, Any]]:
    """What stands at the end of a path of lists."""
    found = [row]
    for key in path:
        found = [item for owner in found for item in _listed(owner, key)]
    return found


def _listed(owner: Any, key: str) -> list[Any]:
    value = owner.get(key) if isinstance(owner, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
