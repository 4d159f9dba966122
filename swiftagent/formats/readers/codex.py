"""Codex transcripts (rollout-*.jsonl): a line is one item of OpenAI's Responses under `payload`; a session is one
row."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers.responses import read_item
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import as_messages
from swiftagent.trajectory.types import Trajectory

ABOUT = "Codex transcript lines {type: response_item, payload}: the lines of a session become one row"
KEYS = frozenset[str]()
SAMPLE = [
    {"type": "session_meta", "payload": {"id": "s"}},
    {
        "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "List"}]},
    },
    {
        "type": "response_item",
        "payload": {"type": "function_call", "call_id": "1", "name": "shell", "arguments": '{"command": "ls"}'},
    },
    {"type": "response_item", "payload": {"type": "function_call_output", "call_id": "1", "output": "a.py"}},
    {
        "type": "response_item",
        "payload": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a.py"}]},
    },
]
_NEWS = frozenset(("response_item", "event_msg", "turn_context", "compacted"))


def line_key(row: Any) -> Hashable | None:
    """A line that names its session starts a row; the others belong to the session around them (key True)."""
    if type(row) is not dict or type(row.get("payload")) is not dict:
        return None
    if row.get("type") == "session_meta":
        return ("codex", str(row["payload"].get("id", "")))
    return True if str(row.get("type")) in _NEWS else None


def looks_like(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(line_key(line) is not None for line in row)


def parse(row: Any) -> Trajectory:
    builder = Builder()
    name = ""
    for line in as_messages(row if isinstance(row, list) else [row]):
        payload = line["payload"]
        if line["type"] == "session_meta":
            name = str(payload.get("id", ""))
            if isinstance(payload.get("instructions"), str):
                builder.system(payload["instructions"])
        elif line["type"] == "response_item":
            read_item(builder, payload)
    if not builder.events:
        raise RowError("not-a-conversation", "a transcript without messages")
    return builder.build(name)
