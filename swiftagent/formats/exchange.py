"""One request to a chat API and its response, as logs and trainers keep them: the turns apart from the answer to them."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.delegate import are_turns, read_turns
from swiftagent.trajectory import Trajectory

ABOUT = "a request and its response: {request, response}, {input: {messages}, output}, {prompt: [turns], completion: [turns]}"
SAMPLE = {
    "request": {"model": "m", "messages": [{"role": "user", "content": "Oslo?"}]},
    "response": {"choices": [{"message": {"role": "assistant", "content": "The capital of Norway."}}]},
}
_ASKED = ("request", "input", "prompt")
_ANSWERED = ("response", "output", "completion", "choices")

KEYS = frozenset(_ASKED)


def looks_like(row: Any) -> bool:
    return type(row) is dict and _asked(row) is not None and _answered(row) is not None


def _asked(row: dict[str, Any]) -> dict[str, Any] | None:
    """What was sent: an object with messages."""
    for key in _ASKED:
        value = row.get(key)
        if are_turns(value):
            return {**row, "messages": value}
        if isinstance(value, dict) and are_turns(value.get("messages")):
            return value
    return None


def _answered(row: dict[str, Any]) -> list[Any] | None:
    """The turns of the answer."""
    value = next((row[key] for key in _ANSWERED if row.get(key)), None)
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        value = value["choices"]
    if isinstance(value, list) and value and isinstance(value[0], dict) and isinstance(value[0].get("message"), dict):
        value = value[0]["message"]  # of several choices the first
    if isinstance(value, dict) and isinstance(value.get("message"), dict):
        value = value["message"]
    if isinstance(value, str):
        value = {"role": "assistant", "content": value}
    turns = value if isinstance(value, list) else [value]
    return turns if are_turns(turns) else None


def parse(row: Any) -> Trajectory:
    asked, answered = _asked(row), _answered(row)
    if asked is None or answered is None:
        raise RowError("not-a-conversation", "no request with messages and no response to it")
    return read_turns([*asked["messages"], *answered], asked, id=row.get("id") or "")
