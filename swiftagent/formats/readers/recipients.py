"""Turns that say to whom they speak: Harmony messages as objects (gpt-oss), ChatGPT's own, GUI data with
`recipient: os`."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.delegate import kind_of_turn, read_turns
from swiftagent.formats.reading.view import lists_in, tools_field, view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "turns with a recipient: what is said to functions.NAME, python or os is a call (Harmony as objects, GUI data)"
SAMPLE = {
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {"role": "assistant", "channel": "analysis", "content": "I look."},
        {"role": "assistant", "channel": "commentary", "recipient": "functions.weather", "content": '{"city": "Oslo"}'},
        {"role": "tool", "name": "functions.weather", "recipient": "assistant", "content": "3C"},
        {"role": "assistant", "channel": "final", "content": "It is 3C."},
    ]
}
_LISTS = ("messages", "conversations", "conversation")
_SPOKEN_TO = frozenset(("all", "assistant", "user", "none", ""))
_BUILT_IN = frozenset(("python", "os", "browser"))
# A text with more beside it, such as a weight, stays a turn of its own.
_JOINED = {"role", "content", "channel", "end_turn"}

KEYS = frozenset(_LISTS)


def looks_like(row: Any) -> bool:
    return _turns(row) is not None


def _turns(row: Any) -> list[Any] | None:
    if not view_of(row).more or "recipient" not in _keys_of_turns(view_of(row).messages):
        return None
    found = lists_in(row, _LISTS)
    return next((turns for turns in found if any(map(_called, turns)) and all(map(_is_turn, turns))), None)


def _keys_of_turns(turns: list[Any]) -> set[str]:
    return set().union(*turns) if all(type(turn) is dict for turn in turns) else set()


def _is_turn(turn: Any) -> bool:
    """A turn without calls of another form, that speaks to the user or to a known tool."""
    if type(turn) is not dict or not kind_of_turn(turn) or turn.get("tool_calls"):
        return False
    return (
        kind_of_turn(turn) != "assistant"
        or bool(_called(turn))
        or str(turn.get("recipient") or "").lower() in _SPOKEN_TO
    )


def _called(turn: Any) -> str:
    """The tool that a turn of the model speaks to, "" where it speaks to anybody else."""
    recipient = turn.get("recipient") if type(turn) is dict else None
    if type(recipient) is not str or kind_of_turn(turn) != "assistant":
        return ""
    name = recipient.removeprefix("functions.")
    return name if name != recipient or name.partition(".")[0] in _BUILT_IN else ""


def parse(row: Any) -> Trajectory:
    turns = _turns(row) or []
    beside = row if type(row) is dict else {}
    declared: Any = tools_field(beside) or [tool for turn in turns for tool in _declared(turn)]
    plain = [_as_call(turn) if _called(turn) else _plain(turn) for turn in turns]
    return read_turns(_beside_calls(plain), beside, **({"tools": declared} if declared else {}))


def _said(turn: dict[str, Any]) -> Any:
    return turn.get("content", turn.get("value"))


def _as_call(turn: dict[str, Any]) -> dict[str, Any]:
    text = as_text(_said(turn)).strip()
    arguments = text if text[:1] == "{" else {"input": text}
    call = {"function": {"name": _called(turn), "arguments": arguments}}
    kept = {key: value for key, value in turn.items() if key not in ("from", "value", "content", "recipient")}
    return {**kept, "role": "assistant", "content": "", "tool_calls": [call]}


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn as OpenAI spells it; instructions stand in a block of their own in Harmony."""
    content = _said(turn)
    if isinstance(content, list) and content and all(map(_is_setting, content)):
        content = "\n".join(str(part["instructions"]) for part in content if part.get("instructions"))
    name = turn.get("name")
    named = {"name": name.removeprefix("functions.")} if isinstance(name, str) else {}
    kept = {key: value for key, value in turn.items() if key not in ("from", "value", "recipient", "content", "name")}
    return {**kept, **named, "role": turn.get("role", turn.get("from")), "content": content}


def _is_setting(part: Any) -> bool:
    """Harmony's first message: identity, dates and channels, which every template writes itself."""
    return isinstance(part, dict) and part.get("type") in ("system_content", "developer_content")


def _declared(turn: dict[str, Any]) -> list[Any]:
    """The tools in the blocks of a developer's turn: {"tools": {namespace: {"tools": [...]}}}."""
    content = _said(turn)
    blocks = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    spaces = [block["tools"] for block in blocks if isinstance(block.get("tools"), dict)]
    lists = [space.get("tools") for named in spaces for space in named.values() if isinstance(space, dict)]
    return [tool for tools in lists if isinstance(tools, list) for tool in tools]


def _beside_calls(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls with the text that the model says directly before them in the same turn."""
    joined: list[dict[str, Any]] = []
    for turn in turns:
        last = joined[-1] if joined else {}
        speaks = kind_of_turn(last) == "assistant" and last.keys() <= _JOINED and last.get("end_turn") is not True
        if turn.get("tool_calls") and speaks and last.get("channel") not in ("analysis", "final"):
            joined[-1] = {**turn, "content": last["content"]}
        else:
            joined.append(turn)
    return joined
