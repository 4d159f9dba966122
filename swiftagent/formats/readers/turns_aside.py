"""Turns of a run under a key of its own, beside a question and an answer; also as JSON text in a column."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.delegate import QUESTIONS, are_turns, framed, read_turns
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "turns with roles under a key of any name (intermediate_steps, trace_log, messages_json), as a list or as JSON text"
)
SAMPLE = {
    "question": "Oslo?",
    "answer": "It is 3C.",
    "run_log": [
        {"role": "user", "content": "Oslo?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "content": "3C"},
        {"role": "assistant", "content": "It is 3C."},
    ],
}
_SPOKEN = frozenset(("assistant", "call"))
_TOOLS = ("tools_json", "functions_json", "tools_schema")


def looks_like(row: Any) -> bool:
    return type(row) is dict and len(_found(row)) == 1


def reads(row: Any) -> frozenset[str]:
    """The key under which the turns stand."""
    return frozenset(_found(row)) if type(row) is dict else frozenset()


def parse(row: Any) -> Trajectory:
    found = _found(row)
    if len(found) != 1:
        raise RowError("not-a-conversation", "not one list of turns with roles")
    turns = framed(next(iter(found.values())), row)
    tools = tools_field(row) or next((row[key] for key in _TOOLS if row.get(key)), None)
    return read_turns(turns, row, **({"tools": tools} if tools else {}))


def _found(row: dict[str, Any]) -> dict[str, list[Any]]:
    """Every key under which turns stand of which a model wrote one."""
    found = {}
    for key, value in row.items():
        if type(value) is str and value.lstrip()[:1] == "[" and ('"role"' in value or "'role'" in value):
            try:
                value, _ = read_loose(value)
            except RowError:
                continue
        if type(value) is list and are_turns(value):
            kinds = {ROLES.get(str(turn.get("role", turn.get("from"))).lower()) for turn in value}
            # A question that is a list of turns needs no word of the model: what it said stands under another key.
            if None not in kinds and (len(value) > 1 and kinds & _SPOKEN or key in QUESTIONS):
                found[key] = value
    return found
