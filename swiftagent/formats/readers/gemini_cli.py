"""Sessions of Gemini CLI (and of Qwen Code, which follows it): messages of user and gemini, calls with their results.

As packages/core/src/services/chatRecordingService.ts of google-gemini/gemini-cli writes them.
"""

from __future__ import annotations

from typing import Any

from swiftagent.formats.readers import gemini
from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.delegate import read_turns, step_turns
from swiftagent.trajectory.types import Trajectory

ABOUT = "Gemini CLI sessions: messages {type: user | gemini, content, thoughts, toolCalls: [{name, args, result}]}"
KEYS = frozenset(("projectHash",))
READS = KEYS | {"messages"}
SAMPLE = {
    "sessionId": "s",
    "projectHash": "h",
    "messages": [
        {"type": "user", "content": "List"},
        {
            "type": "gemini",
            "content": "",
            "thoughts": [{"subject": "Listing", "description": "I look."}],
            "toolCalls": [
                {
                    "id": "c",
                    "name": "ls",
                    "args": {"path": "."},
                    "result": [{"functionResponse": {"id": "c", "name": "ls", "response": {"output": "a.py"}}}],
                }
            ],
        },
        {"type": "gemini", "content": "a.py"},
    ],
}


def looks_like(row: Any) -> bool:
    return type(row) is dict and "projectHash" in row and isinstance(row.get("messages"), list)


def parse(row: Any) -> Trajectory:
    turns: list[dict[str, Any]] = []
    for message in row["messages"]:
        if message.get("type") == "user":
            turns.append({"role": "user", "content": message.get("content")})
        elif message.get("type") == "gemini":  # the others are notices of the program
            thoughts = "\n\n".join(
                ": ".join(filter(None, (thought.get("subject"), thought.get("description"))))
                for thought in message.get("thoughts") or ()
            )
            calls = [
                {"name": call.get("name"), "arguments": call.get("args"), "id": call.get("id"), "result": _given(call)}
                for call in message.get("toolCalls") or ()
            ]
            turns += step_turns(as_text(message.get("content")), calls, thoughts)
    return read_turns(turns, {"id": row.get("sessionId")})


def _given(call: dict[str, Any]) -> str | None:
    """What a call gave; what the user was shown of it where nothing else is kept."""
    given = call.get("result")
    for part in given if isinstance(given, list) else ():
        response = part.get("functionResponse") if isinstance(part, dict) else None
        if isinstance(response, dict):
            return gemini.result_text(response.get("response"))
    given = given if given is not None else call.get("resultDisplay")
    return None if given is None else as_text(given)
