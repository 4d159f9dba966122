"""Two answers to one question, of which one is preferred (DPO, RLHF): the preferred one is trained, the other left
out."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers.alpaca import pairs_of
from swiftagent.formats.readers.chat_text import turns_in
from swiftagent.formats.reading.delegate import are_turns, read_turns
from swiftagent.formats.reading.view import view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "preference pairs (DPO): the conversation and its chosen answer; the rejected one is left out"
SAMPLE = {
    "conversations": [{"from": "human", "value": "Oslo?"}],
    "chosen": {"from": "gpt", "value": "The capital of Norway."},
    "rejected": {"from": "gpt", "value": "No idea."},
}
_PAIRS = {
    "chosen": "rejected",
    "chosen_messages": "rejected_messages",
    "chosen_response": "rejected_response",
    "preferred_output": "non_preferred_output",
}

KEYS = frozenset(_PAIRS)


def looks_like(row: Any) -> bool:
    return type(row) is dict and any(row.get(key) and other in row for key, other in _PAIRS.items())


def parse(row: dict[str, Any]) -> Trajectory:
    chosen: Any = next((row[key] for key in _PAIRS if row.get(key)), None)
    if isinstance(chosen, str):
        told = turns_in(chosen)
        if told:
            return read_turns(told, row, ("preferred-answer",))
        chosen = {"role": "assistant", "content": chosen}
    turns = chosen if isinstance(chosen, list) else [chosen]
    if not are_turns(turns):
        raise RowError("bad-message", f"the preferred answer is neither text nor turns: {str(turns)[:60]}")
    first: dict[str, Any] = turns[0]
    sent: Any = row.get("input")
    inner: dict[str, Any] = sent if isinstance(sent, dict) else row
    # One that starts with a question holds the whole conversation.
    asked = [] if first.get("role", first.get("from")) in ("user", "human", "system") else _asked(inner)
    return read_turns([*asked, *turns], inner, ("preferred-answer",), id=row.get("id") or "")


def _asked(row: dict[str, Any]) -> list[Any]:
    view = view_of(row)
    if view.messages:
        return view.messages
    if are_turns(row.get("prompt")):
        return list(row["prompt"])
    if isinstance(row.get("prompt"), str):
        told = turns_in(row["prompt"])
        if told:
            return told
    pairs = pairs_of({**{key: value for key, value in row.items() if key not in _PAIRS}, "output": ""}) or []
    turns = []
    for question, answer in pairs:
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return turns[:-1]
