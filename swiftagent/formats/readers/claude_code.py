"""Claude Code transcripts: a line is one message of a session, in Anthropic blocks; a session is one row."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import read_message, say_plainly
from swiftagent.trajectory.types import Trajectory

ABOUT = "Claude Code transcript lines {type, message, sessionId}: the lines of a session become one row"
KEYS = frozenset[str]()
# The result of a call once more, as an object.
READS = frozenset(("toolUseResult",))
SAMPLE = [
    {"type": "user", "sessionId": "s", "message": {"role": "user", "content": "Make hello.py"}},
    {
        "type": "assistant",
        "sessionId": "s",
        "message": {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "Write", "input": {"file_path": "hello.py"}}],
        },
    },
    {
        "type": "user",
        "sessionId": "s",
        "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "written"}]},
    },
    {
        "type": "assistant",
        "sessionId": "s",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
    },
]
_NEWS = frozenset(
    ("summary", "system", "file-history-snapshot", "progress", "queue-operation", "custom-title", "last-prompt")
)


def line_key(row: Any) -> Hashable | None:
    """Lines of one session belong together; a line of news belongs to the session around it (key True)."""
    if type(row) is not dict:
        return None
    if isinstance(row.get("message"), dict) and row.get("type") in ("user", "assistant"):
        return ("session", str(row.get("sessionId", "")), bool(row.get("isSidechain")))
    return (
        True
        if str(row.get("type")) in _NEWS and ("leafUuid" in row or "sessionId" in row or "summary" in row)
        else None
    )


def looks_like(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(line_key(line) is not None for line in row)


def parse(row: Any) -> Trajectory:
    builder = Builder()
    lines = row if isinstance(row, list) else [row]
    for line in lines:
        message = line.get("message")
        if not isinstance(message, dict) or line.get("type") not in ("user", "assistant"):
            continue
        turn = {"role": message.get("role", line["type"]), "content": message.get("content")}
        read_message(builder, turn, say_plainly)
    if not builder.events:
        raise RowError("not-a-conversation", "a transcript without messages")
    return builder.build(next((line["sessionId"] for line in lines if line.get("sessionId")), ""))
