"""xLAM and APIGen: {query, tools, answers}, as JSON strings or objects; Hammer's bare parameter maps and chats as
query."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.calls import calls_of
from swiftagent.formats.reading.messages import read_message, say_plainly
from swiftagent.formats.reading.tools import read_tools
from swiftagent.trajectory.types import Trajectory

ABOUT = "xLAM / APIGen / Hammer: {query, tools, answers} with JSON strings or objects; the answers are calls"
KEYS = frozenset(("query",))
SAMPLE = {
    "query": "Oslo?",
    "tools": '[{"name": "weather", "description": "", "parameters": {"city": {"type": "str", "description": "a '
    'city"}}}]',
    "answers": '[{"name": "weather", "arguments": {"city": "Oslo"}}]',
}
_ANSWERS = ("answers", "answer", "function_calls", "tool_calls", "calls")


def looks_like(row: Any) -> bool:
    if type(row) is not dict or "query" not in row or not any(key in row for key in ("tools", "functions")):
        return False
    return any(_is_calls(row[key]) for key in _ANSWERS if key in row)


def _is_calls(value: Any) -> bool:
    if isinstance(value, str):
        return value.lstrip()[:1] in ("[", "{")
    return isinstance(value, (list, dict))


def parse(row: Any) -> Trajectory:
    builder = Builder(*read_tools(row.get("tools") or row.get("functions")))
    if isinstance(row.get("system"), str):
        builder.system(row["system"])
    _read_query(builder, row["query"])
    answers = next(row[key] for key in _ANSWERS if key in row)
    if not answers or answers in ("[]", "{}"):
        raise RowError(
            "nothing-trained", "no call among the answers: the row asks for none and says nothing in its place"
        )
    calls, repairs = calls_of(answers)
    builder.repairs += repairs
    for name, arguments, id in calls:
        builder.call(name, arguments, id)
    return builder.build(row.get("id"))


def _read_query(builder: Builder, query: Any) -> None:
    """A question, or a conversation so far; its assistant turns are context and not trained."""
    if isinstance(query, str):
        builder.question(query)
        return
    if not isinstance(query, list):
        raise RowError("bad-message", f"the query is a {type(query).__name__}")
    for message in query:
        if isinstance(message, list):
            _read_query(builder, message)
        elif isinstance(message, dict):
            read_message(builder, {**message, "loss": False}, say_plainly)
        else:
            raise RowError("bad-message", f"a turn of the query is a {type(message).__name__}")
