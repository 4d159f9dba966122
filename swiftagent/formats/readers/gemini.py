"""Gemini contents: parts with text, functionCall and functionResponse; tools as functionDeclarations."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.messages import as_messages, kind_of, say_pieces, say_plainly
from swiftagent.formats.reading.tags import read_system
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import lists_in, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "Gemini contents (role/parts): text, functionCall, functionResponse; systemInstruction; functionDeclarations"
SAMPLE = {
    "contents": [
        {"role": "user", "parts": [{"text": "Oslo?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "3C"}}}]},
        {"role": "model", "parts": [{"text": "It is 3C."}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "weather", "description": "tells the weather"}]}],
}
_TURNS = ("contents", "history", "messages")


KEYS = frozenset(_TURNS)


def looks_like(row: Any) -> bool:
    return _turns(row) is not None


def _turns(row: Any) -> list[Any] | None:
    for turns in lists_in(row, _TURNS):
        if isinstance(turns[0], dict) and isinstance(turns[0].get("parts"), list):
            return turns
    return None


def parse(row: Any) -> Trajectory:
    beside = row if type(row) is dict else {}
    builder = Builder(*read_tools(tools_field(beside)))
    system = beside.get("systemInstruction") or beside.get("system_instruction")
    if system:
        read_system(builder, as_text(system["parts"] if isinstance(system, dict) and "parts" in system else system))
    for turn in as_messages(_turns(row) or []):
        read_parts(builder, kind_of(turn.get("role") or "user"), as_messages(turn.get("parts") or []))
    return builder.build(beside.get("id"))


def read_parts(builder: Builder, kind: str, parts: list[dict[str, Any]]) -> None:
    """Add the events of one turn."""
    said: list[str] = []
    calls = [_either(part, "functionCall", "function_call") for part in parts]
    for part, call in zip(parts, calls, strict=True):
        given = _either(part, "functionResponse", "function_response")
        if call is not None:
            say_pieces(builder, said, kind, say_plainly, True, True)
            builder.call(call.get("name"), call.get("args"), call.get("id"))
        elif given is not None:
            say_pieces(builder, said, kind, say_plainly, False, True)
            builder.result(result_text(given.get("response")), given.get("id"), given.get("name"))
        elif part.get("thought") is True:
            builder.thought(as_text(part.get("text")))
        else:
            said.append(as_text([part]))
    say_pieces(builder, said, kind, say_plainly, False, True)


def _either(part: dict[str, Any], *names: str) -> dict[str, Any] | None:
    return next((part[name] for name in names if isinstance(part.get(name), dict)), None)


def result_text(response: Any) -> str:
    """What the API wants as an object is often one text in it."""
    if isinstance(response, dict) and len(response) == 1:
        ((key, value),) = response.items()
        if key in ("result", "output", "content", "response") and isinstance(value, str):
            return value
    return as_text(response)
