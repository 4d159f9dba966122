"""Seal-Tools: {query, calling: [{api, parameters, responses}]}, also as [id, {query, calling}, meta]."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.build import Builder
from swiftagent.formats.calls import call_of
from swiftagent.formats.declared import read_tools
from swiftagent.formats.view import tools_field
from swiftagent.trajectory import Trajectory

ABOUT = "Seal-Tools: {query, calling: [{api, parameters, responses}]}; a later call may name an earlier one's result, API_call_0"
KEYS = frozenset(("calling",))
SAMPLE = {
    "id": "1",
    "query": "Oslo?",
    "calling": [{"api": "weather", "parameters": {"city": "Oslo"}, "responses": ["API_call_0"]}],
}


def looks_like(row: Any) -> bool:
    inner = _inner(row)
    return inner is not None and isinstance(inner.get("calling"), list) and "query" in inner


def _inner(row: Any) -> dict[str, Any] | None:
    if isinstance(row, list) and len(row) >= 2 and isinstance(row[1], dict):
        return row[1]
    return row if type(row) is dict else None


def parse(row: Any) -> Trajectory:
    inner = _inner(row) or {}
    builder = Builder(*read_tools(tools_field(inner)))
    builder.question(str(inner["query"]))
    for item in inner["calling"]:
        builder.call(*call_of(item))
    return builder.build(row[0] if isinstance(row, list) else row.get("id"))
