"""API-Bank: a file is one dialogue, a line is one turn of User, AI or API; the API turn holds call and result."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "API-Bank dialogues: a line is a turn of User, AI or API, a file is one row"
KEYS = frozenset[str]()
READS = frozenset(("result", "exception"))
SAMPLE = [
    {"role": "User", "text": "Oslo?"},
    {
        "role": "API",
        "api_name": "Weather",
        "param_dict": {"city": "Oslo"},
        "result": {"output": "3C", "exception": None},
    },
    {"role": "AI", "text": "It is 3C."},
]
_ROLES = ("User", "AI", "API")


def line_key(row: Any) -> Hashable | None:
    """Lines of one file belong together."""
    return "api-bank" if _is_turn(row) else None


def _is_turn(row: Any) -> bool:
    return type(row) is dict and row.get("role") in _ROLES and ("text" in row or "api_name" in row)


def looks_like(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(_is_turn(turn) for turn in row)


def parse(row: Any) -> Trajectory:
    builder = Builder()
    for turn in row if isinstance(row, list) else [row]:
        if turn["role"] == "User":
            builder.question(as_text(turn.get("text")))
        elif turn["role"] == "AI":
            builder.answer(as_text(turn.get("text")))
        else:
            builder.call(*call_of(turn))
            builder.result(_result(turn.get("result")))
    return builder.build()


def _result(result: Any) -> str:
    if isinstance(result, dict) and "output" in result:
        return as_text(result["exception"]) if result.get("exception") is not None else as_text(result["output"])
    return as_text(result)
