"""Google ADK: sessions, whose events are Gemini contents, and evaluation cases, whose turns name question, calls and
answer."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers.gemini import read_parts
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import as_messages, kind_of
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "Google ADK: sessions {events: [{author, content: {parts}}]} and cases {conversation: [{user_content, "
    "final_response}]}"
)
SAMPLE = {
    "app_name": "a",
    "events": [
        {"author": "user", "content": {"role": "user", "parts": [{"text": "Oslo?"}]}},
        {
            "author": "a",
            "content": {"role": "model", "parts": [{"function_call": {"name": "weather", "args": {"city": "Oslo"}}}]},
        },
        {
            "author": "a",
            "content": {
                "role": "user",
                "parts": [{"function_response": {"name": "weather", "response": {"result": "3C"}}}],
            },
        },
        {"author": "a", "content": {"role": "model", "parts": [{"text": "It is 3C."}]}},
    ],
}

KEYS = frozenset(("events", "conversation"))


def looks_like(row: Any) -> bool:
    return type(row) is dict and (_events(row) is not None or _turns(row) is not None)


def _events(row: dict[str, Any]) -> list[Any] | None:
    events = row.get("events")
    if isinstance(events, list) and any(_parts(event.get("content")) for event in events if isinstance(event, dict)):
        return events
    return None


def _turns(row: dict[str, Any]) -> list[Any] | None:
    turns = row.get("conversation")
    if (
        isinstance(turns, list)
        and turns
        and all(isinstance(turn, dict) and _parts(turn.get("user_content")) for turn in turns)
    ):
        return turns
    return None


def _parts(content: Any) -> list[dict[str, Any]]:
    """What is said, without what is known of it (signatures of thoughts)."""
    parts = content.get("parts") if isinstance(content, dict) else None
    return [part for part in parts if isinstance(part, dict) and _SAID & part.keys()] if isinstance(parts, list) else []


_SAID = frozenset(
    ("text", "functionCall", "function_call", "functionResponse", "function_response", "inline_data", "inlineData")
)


def parse(row: Any) -> Trajectory:
    builder = Builder(*read_tools(tools_field(row)))
    events, turns = _events(row), _turns(row)
    if events is not None:
        for event in as_messages(events):
            content = event.get("content")
            if isinstance(content, dict) and not event.get("partial"):
                read_parts(builder, kind_of(content.get("role") or "user"), _parts(content))
    elif turns is not None:
        for turn in as_messages(turns):
            _read_case(builder, turn)
    else:
        raise RowError("not-a-conversation", "neither events nor a conversation")
    return builder.build(row.get("eval_id") or row.get("id"))


def _read_case(builder: Builder, turn: dict[str, Any]) -> None:
    told = turn.get("intermediate_data")
    between: dict[str, Any] = told if isinstance(told, dict) else {}
    read_parts(builder, "user", _parts(turn["user_content"]))
    for call in as_messages(between.get("tool_uses") or []):
        builder.call(call.get("name"), call.get("args"), call.get("id"))
    for result in as_messages(between.get("tool_responses") or []):
        read_parts(builder, "result", [{"function_response": result}])
    read_parts(builder, "assistant", _parts(turn.get("final_response")))
