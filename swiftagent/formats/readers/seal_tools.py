"""Seal-Tools: {query, calling: [{api, parameters, responses}]}, also as [id, {query, calling}, meta], as [calling,
query] and as chat whose question lists the tools (`api_list = [...]`)."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.calls import call_of, calls_of
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "Seal-Tools: {query, calling: [{api, parameters, responses}]}; a later call may name an earlier one's "
    "result, API_call_0"
)
KEYS = frozenset(("calling", "conversations"))
SAMPLE = {
    "id": "1",
    "query": "Oslo?",
    "calling": [{"api": "weather", "parameters": {"city": "Oslo"}, "responses": ["API_call_0"]}],
}


_ASKED = re.compile(r'api_list = (\[.*\])\s*\ntask_instruction = "(.*)"\s*\nOutput:', re.S)


def looks_like(row: Any) -> bool:
    if type(row) is dict and "calling" not in row:
        return _as_chat(row)
    inner = _inner(row)
    return inner is not None and isinstance(inner.get("calling"), list) and "query" in inner


def _as_chat(row: dict[str, Any]) -> bool:
    turns = row.get("conversations")
    if type(turns) is not list or len(turns) != 2 or not all(type(turn) is dict for turn in turns):
        return False
    asked, called = turns[0].get("value"), turns[1].get("value")
    return type(asked) is str and type(called) is str and called.startswith("[") and "\napi_list = [" in asked


def _inner(row: Any) -> dict[str, Any] | None:
    if isinstance(row, list) and len(row) == 2 and isinstance(row[1], str) and _is_call(row[0]):
        return {"query": row[1], "calling": row[0] if isinstance(row[0], list) else [row[0]]}
    if isinstance(row, list) and len(row) >= 2 and isinstance(row[1], dict):
        return row[1]
    if type(row) is dict and "calling" not in row and _as_chat(row):
        return _read_chat(row)
    return row if type(row) is dict else None


def _is_call(value: Any) -> bool:
    calls = value if isinstance(value, list) else [value]
    return bool(calls) and all(isinstance(call, dict) and "api" in call and "parameters" in call for call in calls)


def _read_chat(row: dict[str, Any]) -> dict[str, Any]:
    """Raises RowError("bad-message") where the question does not list tools as this format does."""
    asked, called = (turn["value"] for turn in row["conversations"])
    found = _ASKED.search(asked)
    if found is None:
        raise RowError("bad-message", "a question with an api_list but no task_instruction")
    return {"query": found.group(2), "tools": found.group(1), "calling": calls_of(called)[0], "id": row.get("id")}


def parse(row: Any) -> Trajectory:
    inner = _inner(row) or {}
    builder = Builder(*read_tools(tools_field(inner)))
    builder.question(str(inner["query"]))
    for item in inner["calling"]:
        builder.call(*(call_of(item) if isinstance(item, dict) else item))
    name = row[0] if isinstance(row, list) else row.get("id")
    return builder.build(name if isinstance(name, str) else None)
