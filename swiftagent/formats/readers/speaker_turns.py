"""Turns whose speaker and text stand under keys of other names, or in pairs: {speaker, utterance}, [role, text],
[question, answer]."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.accounting import STEP_KEYS
from swiftagent.formats.reading.calls import CALL_KEYS, plain_key
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.view import MESSAGE_KEYS, lists_in, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "turns as {speaker, utterance}, {name, text}, {author, message}, as [role, text] or as [question, answer] pairs"
SAMPLE = {
    "dialogue": [
        {"speaker": "user", "utterance": "Oslo?"},
        {"speaker": "assistant", "utterance": "The capital of Norway."},
    ]
}
_LISTS = (*MESSAGE_KEYS, "utterances", "transcript")
_SPEAKERS = ("role", "from", "speaker", "author", "sender", "name")
_SAID = ("content", "value", "utterance", "text", "message", "msg", "body")
_ROLES = {**ROLES, "customer": "user", "usr": "user"}

KEYS = frozenset(_LISTS)
_NOT_EXCHANGES = ("traj", "trajectory", "items")  # there a pair is an action and what it gave


def reads(row: Any) -> frozenset[str]:
    """The texts of turns; beside the turns these keys are no reader's."""
    return KEYS | (frozenset(_SAID).difference(row) if type(row) is dict else frozenset(_SAID))


def looks_like(row: Any) -> bool:
    return _turns(row) is not None


def parse(row: Any) -> Trajectory:
    turns = _turns(row)
    if turns is None:
        raise RowError("not-a-conversation", "no turns with a speaker and a text")
    beside = row if type(row) is dict else {}
    return read_turns(turns, beside, **({"tools": tools} if (tools := tools_field(beside)) else {}))


def _turns(row: Any) -> list[dict[str, Any]] | None:
    for items in lists_in(row, _LISTS):
        turns = _as_turns(items)
        if turns is None and not (type(row) is dict and any(row.get(key) is items for key in _NOT_EXCHANGES)):
            turns = _exchanges(items)
        if turns is not None:
            return turns
    return None


def _as_turns(items: list[Any]) -> list[dict[str, Any]] | None:
    """The turns with role and content; None where one of them has no known speaker, or where no model speaks."""
    turns = [_turn(item) for item in items]
    known = [turn for turn in turns if turn is not None]
    if len(known) < len(turns):
        return None
    kinds = [_ROLES[turn["role"]] for turn in known]
    first = kinds.index("user") if "user" in kinds else len(kinds)
    if "assistant" not in kinds and "system" in kinds[first:]:
        # Of two that speak by turns, "system" is the one that answers (MultiWOZ).
        answers = [{**turn, "role": "assistant"} if turn["role"] != "user" else turn for turn in known[first:]]
        return known[:first] + answers if set(kinds[first:]) == {"user", "system"} else None
    return known if "assistant" in kinds else None


def _turn(item: Any) -> dict[str, Any] | None:
    """One turn with role and content; None where it has none, or holds a result or a structure beside its text."""
    if _is_pair(item) and item[0].lower() in _ROLES:
        return {"role": _role(item[0]), "content": item[1]}
    if type(item) is not dict:
        return None
    speaker = next((key for key in _SPEAKERS if type(item.get(key)) is str and item[key].lower() in _ROLES), None)
    said = next((key for key in _SAID if type(item.get(key)) is str), None)
    if speaker is None or said is None:
        return None
    rest = {key: value for key, value in item.items() if key not in (speaker, said)}
    if any(value and _is_more(plain_key(str(key)), value) for key, value in rest.items()):
        return None
    return {**rest, "role": _role(item[speaker]), "content": item[said]}


def _is_more(key: str, value: Any) -> bool:
    return key not in CALL_KEYS and (key in STEP_KEYS or type(value) in (dict, list))


def _role(speaker: str) -> str:
    return "user" if _ROLES[speaker.lower()] == "user" else speaker.lower()


def _exchanges(items: list[Any]) -> list[dict[str, Any]] | None:
    """Pairs of a question and its answer as turns."""
    if not all(map(_is_pair, items)) or any(item[0].lower() in _ROLES for item in items):
        return None
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for item in items for role, text in zip(roles, item, strict=True)]


def _is_pair(item: Any) -> bool:
    return type(item) is list and len(item) == 2 and all(type(text) is str and text for text in item)
