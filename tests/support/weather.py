"""One conversation in every dialect: the user asks for the weather of Oslo, a tool is called, it answers, and so does
the model."""

from __future__ import annotations

import json
from typing import Any

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question

GIVEN = {"city": "Oslo"}
GIVEN_TEXT = json.dumps(GIVEN)
ASKED, CALLED = Question("Oslo?"), Call("weather", GIVEN, "c0")
EVENTS: tuple[Event, ...] = (ASKED, CALLED, Observation("3C", "c0"), Answer("It is 3C."))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
USER = {"role": "user", "content": "Oslo?"}
MADE = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": GIVEN_TEXT}}
CALL = {"role": "assistant", "content": None, "tool_calls": [MADE]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "3C"}
SAID = {"role": "assistant", "content": "It is 3C."}
TURNS = [USER, CALL, RESULT, SAID]


def read(rows: list[Any], format: str = "") -> list[tuple[Event, ...]]:
    """The events of each conversation of the lines of a file, of which nothing was left unread; `format` is the one
    that reads them all."""
    ledger = Ledger()
    rejected: list[dict[str, Any]] = []
    lines = [Row(row, f"x:{number}") for number, row in enumerate(rows, 1)]
    found = [piece.events for piece in read_trajectories(lines, Policy(), ledger, rejected.append)]
    assert ledger.balanced and not rejected and not ledger.unread
    assert not format or list(ledger.formats) == [format]
    return found


def refused(row: Any) -> str:
    """The code with which a row is rejected."""
    ledger = Ledger()
    assert not list(read_trajectories([Row(row, "x:1")], Policy(), ledger))
    (code,) = ledger.reasons
    return code
