"""Traces of calls of models: OpenTelemetry's `gen_ai`, OpenInference (Phoenix), OpenLLMetry (Traceloop), MLflow,
Logfire and Vercel's AI SDK.

Attribute names: OpenTelemetry's GenAI conventions and the older messages as events; openinference-semantic-conventions;
opentelemetry-semantic-conventions-ai (`gen_ai.prompt.N`); `mlflow.spanInputs`. A span of a model tells the turns that
it was sent and what it answered, so of the spans of a trace those are read that no longer one repeats.

A span stands in OTLP JSON (`resourceSpans`; the messages of older versions in `resourceLogs`), in MLflow's and
Jaeger's traces (`data`), in a list under `spans`, or is a row by itself, its keys nested or joined with dots.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.formats.readers import exchange
from swiftagent.formats.reading.branches import each_once
from swiftagent.formats.reading.delegate import are_turns
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "traces: OTLP JSON (gen_ai.* attributes, events, logs), OpenInference/Phoenix, OpenLLMetry, MLflow, Logfire, "
    "Jaeger; of the spans that tell one conversation the longest"
)
SAMPLE = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "t",
                            "spanId": "s",
                            "name": "chat",
                            "attributes": [
                                {"key": "gen_ai.prompt.0.role", "value": {"stringValue": "user"}},
                                {"key": "gen_ai.prompt.0.content", "value": {"stringValue": "Oslo?"}},
                                {"key": "gen_ai.completion.0.content", "value": {"stringValue": "In Norway."}},
                            ],
                        }
                    ]
                }
            ]
        }
    ]
}
_TRACES = frozenset(("resourceSpans", "resourceLogs"))
_NAMES = (
    *("llm.input_messages", "llm.input_messages.0.message.role", "gen_ai.input.messages", "gen_ai.prompt.0.role"),
    *("gen_ai.prompt.0.content", "mlflow.spanInputs", "ai.prompt.messages"),
)
KEYS = frozenset((*_TRACES, "spans", "data", "attributes", "tags", *_NAMES, *(f"attributes.{name}" for name in _NAMES)))
_TRACE_IDS = ("trace_id", "traceId", "traceID", "context.trace_id")
_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
_NAMESPACES = frozenset(("gen_ai", "llm", "mlflow", "ai"))
Chat = tuple[list[Any], dict[str, Any]]  # (turns, tools and system text beside them)


class TraceSpan(NamedTuple):
    """One span: `attributes` nested as their dotted names say, `events` as (name, attributes)."""

    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


def line_key(row: Any) -> Hashable | None:
    """Lines that hold the spans of one trace are read together."""
    if type(row) is not dict:
        return None
    if not _TRACES.isdisjoint(row):
        spans = [item for held in row.values() for item in _with_trace_id(held)]
        return ("trace", str(spans[0])) if spans else None
    if not any(key == "attributes" or key.startswith("attributes.") for key in row):
        return None
    context = row.get("context")
    places = [row, context] if isinstance(context, dict) else [row]
    return next((("trace", str(place[key])) for place in places for key in _TRACE_IDS if key in place), None)


def _with_trace_id(held: Any) -> list[Any]:
    """The trace ids in an OTLP export, in their order."""
    if isinstance(held, list):
        return [found for item in held for found in _with_trace_id(item)]
    if not isinstance(held, dict):
        return []
    return (
        [held["traceId"]] if "traceId" in held else [found for item in held.values() for found in _with_trace_id(item)]
    )


def reads(row: Any) -> frozenset[str]:
    """The keys of a trace, and of a span whose attributes are keys of the row."""
    named = row if type(row) is dict else {}
    told = ("attributes.", "context.", "span_kind", "gen_ai.", "llm.", "ai.", "mlflow.")
    return KEYS | {key for key in named if key == "context" or key.startswith(told)}


def looks_like(row: Any) -> bool:
    if isinstance(row, list) and not (row and all(line_key(line) is not None for line in row)):
        return False
    return any(_chat_of(span) is not None for span in _spans_of(row))


def parse(row: Any) -> list[Trajectory]:
    """The conversations of a trace. Raises RowError where none can be read."""
    found: list[Trajectory] = []
    fault: RowError | None = None
    for turns, beside in filter(None, map(_chat_of, _spans_of(row))):
        try:
            found.append(exchange.read_conversation(turns, {"id": _id_of(row), **beside}))
        except RowError as error:
            fault = error
    if not found:
        raise fault or RowError("not-a-conversation", "no span holds what a model was asked and answered")
    return each_once(found)


def _id_of(row: Any) -> str:
    key = line_key(row[0] if isinstance(row, list) and row else row)
    return key[1] if isinstance(key, tuple) else ""


def _chat_of(span: TraceSpan) -> Chat | None:
    """What the model was sent and what it answered, in whichever convention the span uses."""
    found = next(filter(None, (read(span) for read in _CONVENTIONS)), None)
    return found if found is not None and found[0] else None


def _gen_ai(span: TraceSpan) -> Chat | None:
    """`gen_ai.input.messages` and `gen_ai.output.messages`, in the attributes or in those of an event."""
    for attributes in (span.attributes, *(told for _, told in span.events)):
        told = attributes.get("gen_ai")
        turns = _turns_at(told, "input", "messages") + _turns_at(told, "output", "messages")
        if turns and isinstance(told, dict):
            system = _value_of(told.get("system_instructions"))
            texts = [part.get("content", part.get("text")) for part in system] if isinstance(system, list) else [system]
            return turns, {
                "tools": _at(told, "tool", "definitions"),
                "system": "\n".join(text for text in texts if isinstance(text, str)),
            }
    return None


def _openinference(span: TraceSpan) -> Chat | None:
    told = span.attributes.get("llm")
    if not isinstance(told, dict) or not told.get("input_messages"):
        return None
    turns = [_open_turn(turn) for key in ("input_messages", "output_messages") for turn in _turns_at(told, key)]
    schemas = [_value_of(_at(_nested(tool), "tool", "json_schema")) for tool in _turns_at(told, "tools")]
    return turns, {"tools": [schema for schema in schemas if schema]}


def _open_turn(turn: Any) -> dict[str, Any]:
    """A turn of OpenInference, whose every level repeats its own name (`message.tool_calls.0.tool_call.id`)."""
    turn = _nested(turn)
    turn = turn["message"] if isinstance(turn.get("message"), dict) else turn
    calls = [_nested(call) for call in _turns_at(turn, "tool_calls")]
    parts = [_nested(part).get("message_content", part) for part in _turns_at(turn, "contents")]
    kept = {key: value for key, value in turn.items() if key not in ("tool_calls", "contents")}
    if parts and not kept.get("content"):
        kept["content"] = parts
    return {**kept, "tool_calls": [call.get("tool_call", call) for call in calls]} if calls else kept


def _openllmetry(span: TraceSpan) -> Chat | None:
    told = span.attributes.get("gen_ai")
    asked, answered = _turns_at(told, "prompt"), _turns_at(told, "completion")
    if not asked or not all(isinstance(turn, dict) and ("content" in turn or "role" in turn) for turn in asked):
        return None
    turns = [{"role": "user", **turn} for turn in asked] + [{"role": "assistant", **turn} for turn in answered[:1]]
    functions = _at(span.attributes, "llm", "request", "functions")
    return [{**turn, "content": _value_of(turn.get("content"))} for turn in turns], {"tools": functions}


def _mlflow(span: TraceSpan) -> Chat | None:
    told = span.attributes.get("mlflow")
    if not isinstance(told, dict):
        return None
    tools = _value_of(_at(told, "chat", "tools"))
    asked = _value_of(told.get("spanInputs"))
    row = {"request": asked, "response": _value_of(told.get("spanOutputs"))}
    if (found := exchange.turns_of(row)) is not None:
        return found[0], {**({"tools": tools} if tools else {}), **found[1]}
    return (turns, {"tools": tools}) if are_turns(turns := _turns_at(told, "chat", "messages")) else None


def _vercel(span: TraceSpan) -> Chat | None:
    """`ai.prompt.messages` with `ai.response.text` and `ai.response.toolCalls`."""
    told = span.attributes.get("ai")
    turns = _turns_at(told, "prompt", "messages")
    calls = [{"type": "tool-call", **call} for call in _turns_at(told, "response", "toolCalls")]
    text = _at(told, "response", "text")
    said = [{"type": "text", "text": text}] if isinstance(text, str) and text else []
    return ([*turns, {"role": "assistant", "content": [*said, *calls]}], {}) if turns and (said or calls) else None


def _events(span: TraceSpan) -> Chat | None:
    """One event a message, as OpenTelemetry had it before; Logfire keeps them in an attribute."""
    events = list(span.events)
    for item in _turns_at(span.attributes, "events"):
        events.append((str(item.get("event.name")), item))
    turns = []
    for name, told in events:
        if name in _EVENTS:
            held = _value_of(_at(told, "gen_ai", "event", "content"))  # Azure puts the whole message here
            told = held if isinstance(held, dict) else told
            message = _value_of(told.get("message"))
            told = {"role": _EVENTS[name], **(message if isinstance(message, dict) else told)}
            turns.append({key: _value_of(value) if key == "tool_calls" else value for key, value in told.items()})
    return (turns, {}) if any(turn["role"] == "assistant" for turn in turns) else None


_CONVENTIONS = (_gen_ai, _openinference, _openllmetry, _mlflow, _vercel, _events)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _turns_at(value: Any, *path: str) -> list[Any]:
    """The objects of a list that may stand as JSON text; [] where there is none."""
    found = _value_of(_at(value, *path))
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _spans_of(row: Any) -> Iterator[TraceSpan]:
    """Every span of a row, or of the rows of one trace, in their order."""
    if isinstance(row, list):
        for item in row:
            yield from _spans_of(item)
    elif isinstance(row, dict):
        held = [*_held(row, "resourceSpans", "scopeSpans", "spans"), *_listed(row, "spans")]
        data = row.get("data")
        for part in data if isinstance(data, list) else [data]:
            held += _listed(part, "spans")
        logs = _of_logs(_held(row, "resourceLogs", "scopeLogs", "logRecords"))
        if held or logs:
            yield from (_span_of(item) for item in held)
            yield from logs
        elif (span := _span_of(row)).attributes:
            yield span


def _span_of(row: dict[str, Any]) -> TraceSpan:
    """A span as it stands in an export; one without attributes has none."""
    row = _nested(row) if any("." in key for key in row) else row
    given = row.get("attributes", row.get("tags", row if not _NAMESPACES.isdisjoint(row) else None))
    told = _value_of(row.get("events"))
    events = [_event(item) for item in told if isinstance(item, dict)] if isinstance(told, list) else []
    return TraceSpan(_attributes(given), events)


def _value_of(value: Any) -> Any:
    """A list or an object that may stand as JSON text; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return read_loose(value)[0]
        except RowError:
            return value
    return value


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
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
    given = _value_of(given)
    if isinstance(given, list):
        given = _pairs([item for item in given if isinstance(item, dict)])
    return _nested(given) if isinstance(given, dict) else {}


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
