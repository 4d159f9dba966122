"""Formats that are a wrapping around turns: what stands inside is read by the format that it has."""

from __future__ import annotations

import importlib
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.view import view_of
from swiftagent.formats.table import FORMATS
from swiftagent.trajectory.types import Trajectory

QUESTIONS = ("question", "query", "task", "instruction", "prompt", "user_query", "problem")
_ANSWERS = ("answer", "final_answer", "response", "output", "final_response", "completion")
# What a wrapping hands on beside the turns.
_BESIDE = ("id", "system", "tools", "functions")


def read_turns(turns: list[Any], row: dict[str, Any], repairs: tuple[str, ...] = (), **beside: Any) -> Trajectory:
    """The conversation of `turns`, with what `row` and `beside` hold of tools and system. Raises RowError."""
    inner = {"messages": turns, **{key: row[key] for key in _BESIDE if row.get(key)}, **beside}
    name = view_of(inner).format
    if not name:
        raise RowError("not-a-conversation", "no turns with a role and a text")
    found: Trajectory = importlib.import_module(FORMATS[name]).parse(inner)
    return msgspec.structs.replace(found, repairs=(*found.repairs, *repairs)) if repairs else found


def framed(turns: list[Any], row: dict[str, Any]) -> list[Any]:
    """Turns with the question that stands beside them, where they hold none, and with the answer, where they end before
    it."""
    turns = asked_first(turns, row)
    if _kind(turns[-1]) in ("result", "user") and (answer := _beside(row, _ANSWERS)):
        turns = [*turns, {"role": "assistant", "content": answer}]
    return turns


def asked_first(turns: list[Any], row: dict[str, Any]) -> list[Any]:
    """Turns of which none is the user's, behind the question that stands beside them (runs of smolagents)."""
    asked = _beside(row, QUESTIONS)
    kinds = {_kind(turn) for turn in turns} if asked else {"user"}
    needed = "user" not in kinds and kinds & {"call", "assistant", "thought"}
    return [{"role": "user", "content": asked}, *turns] if needed else turns


def _kind(turn: Any) -> str:
    return ROLES.get(str(turn.get("role", turn.get("from"))).lower(), "") if isinstance(turn, dict) else ""


def _beside(row: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((row[key] for key in keys if isinstance(row.get(key), str) and row[key].strip()), "")


def step_turns(text: Any, calls: list[dict[str, Any]], reasoning: str = "") -> list[dict[str, Any]]:
    """The turns of one step: what the model thought and said beside its calls, then what each of them gave.

    calls: objects with name, arguments, id and result; a result of None is one that never came.
    """
    made = [{"id": call.get("id") or f"call-{place}", **call} for place, call in enumerate(calls)]
    turn = {"role": "assistant", "content": text, **({"reasoning_content": reasoning} if reasoning else {})}
    asked = [{key: call.get(key) for key in ("name", "arguments", "id")} for call in made]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": call["result"]}
        for call in made
        if call.get("result") is not None
    ]
    return [{**turn, "tool_calls": asked}, *results] if made else [turn] if text or reasoning else []


def reader_of(row: Any, but: frozenset[str]) -> Any:
    """The module that reads a row, of all formats but some; None where none does."""
    for name, path in FORMATS.items():
        if name not in but:
            module = importlib.import_module(path)
            if module.looks_like(row):
                return module
    return None


def are_turns(value: Any) -> bool:
    """Whether a value is a list of turns with roles."""
    turns = value if isinstance(value, list) else []
    return bool(turns) and all(isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in turns)
