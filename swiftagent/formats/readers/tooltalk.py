"""ToolTalk: a conversation of turns {role, text, apis}; the calls of a turn stand before its text."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.messages import as_messages
from swiftagent.trajectory.types import Trajectory

ABOUT = "ToolTalk: conversation of {role, text, apis: [{request, response, exception}]}"
KEYS = frozenset(("conversation",))
SAMPLE = {
    "name": "1",
    "conversation": [
        {"index": 0, "role": "user", "text": "Oslo?"},
        {
            "index": 1,
            "role": "assistant",
            "text": "It is 3C.",
            "apis": [
                {
                    "request": {"api_name": "Weather", "parameters": {"city": "Oslo"}},
                    "response": {"c": 3},
                    "exception": None,
                }
            ],
        },
    ],
}


def looks_like(row: Any) -> bool:
    if type(row) is not dict or not isinstance(row.get("conversation"), list) or not row["conversation"]:
        return False
    return all(isinstance(turn, dict) and "role" in turn and "text" in turn for turn in row["conversation"])


def parse(row: Any) -> Trajectory:
    builder = Builder()
    for turn in row["conversation"]:
        if turn["role"] != "assistant":
            builder.question(as_text(turn["text"]))
            continue
        for api in as_messages(turn.get("apis") or []):
            builder.call(*call_of(api["request"] if isinstance(api.get("request"), dict) else api))
            failed = api.get("exception") is not None
            builder.result(as_text(api["exception"] if failed else api.get("response")))
        builder.answer(as_text(turn["text"]))
    return builder.build(row.get("name") or row.get("conversation_id"))
