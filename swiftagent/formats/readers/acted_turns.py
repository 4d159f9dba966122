"""Turns that end on an action as text, which the next turn answers under a mark: SWE-agent's fenced commands, Terminus'
JSON, a search in tags, code and what it printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.calls import RawCall
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.tags import TAGS
from swiftagent.formats.reading.view import MESSAGE_KEYS, tools_field, view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "turns that end on an action as text, answered by the next turn under a mark: fenced commands (SWE-agent), "
    "commands as JSON (Terminus), <search> and <information>, code and its execution result"
)
SAMPLE = {
    "messages": [
        {"role": "user", "content": "Fix it."},
        {"role": "assistant", "content": "I look.\n\n```\nls\n```"},
        {"role": "user", "content": "OBSERVATION:\na.py"},
        {"role": "assistant", "content": "It is there."},
    ]
}
_READ_BY_TURNS = frozenset(("openai", "sharegpt", "hermes"))
_QUERY = "query|>"

_TEXTS = frozenset(("text", "None"))  # the types of blocks that are text

# What stands at the end of every action.
_ENDS = ("```", ">", "}")

KEYS = frozenset(MESSAGE_KEYS)


class Acted(NamedTuple):
    """What the model did at the end of a turn: what it said before, its calls."""

    said: str
    calls: list[RawCall]


class ActionForm(NamedTuple):
    """A way to write actions: the action at the end of a text, and what a text that answers one gives; None where the
    text is not one. ends: whether an action may be the last turn."""

    action: Callable[[str], Acted | None]
    result: Callable[[str], str | None]
    ends: bool = False


_LABEL = re.compile(
    r"\s*(?:OBSERVATION:|(?:Code )?[Ee]xecution [Rr]esults?:|EXECUTION RESULT[^:\n]*:)[ \t]*\n?(.*)\Z", re.S
)
_SCREEN = re.compile(
    r"\s*(?:New Terminal (?:Output|Screen)|Current [Tt]erminal [Ss](?:tate|creen)|Previous response had)\b"
)
_LANGUAGES = {"": "bash", "bash": "bash", "sh": "bash", "shell": "bash", "python": "python", "py": "python"}
_SEARCHES = (
    ("<search>", "</search>"),
    *((f"<|begin_{name}_query|>", f"<|end_{name}_query|>") for name in ("of", "search")),
)
_FOUND = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("information", "result", "documents")),
    *((f"<|begin_{name}|>", f"<|end_{name}|>") for name in ("of_documents", "search_result")),
)


def _fenced(text: str) -> Acted | None:
    body = text.rstrip()
    said, _, fence = body.removesuffix("```").rpartition("```")
    language, _, code = fence.partition("\n")
    name = _LANGUAGES.get(language.strip())
    if not body.endswith("```") or body.count("```") % 2 or name is None or not code.strip():
        return None
    return Acted(said, [(name, {"code" if name == "python" else "command": code.removesuffix("\n")}, None)])


def _printed(text: str) -> str | None:
    found = _LABEL.match(text)
    return found[1] if found else None


def _searched(text: str) -> Acted | None:
    body = text.rstrip()
    for first, last in _SEARCHES:
        said, is_search, query = body.removesuffix(last).rpartition(first)
        if body.endswith(last) and is_search and query.strip() and last not in query:
            return Acted(said, [("search", {"query": query.strip()}, None)])
    return None


def _found(text: str) -> str | None:
    body = text.strip()
    return next(
        (
            body[len(first) : -len(last)].strip()
            for first, last in _FOUND
            if body.startswith(first) and body.endswith(last)
        ),
        None,
    )


def _commanded(text: str) -> Acted | None:
    """Of Terminus: {"analysis", "plan", "commands": [{"keystrokes", "duration"}], "task_complete"}, and nothing beside
    it but reasoning."""
    thought, close, body = text.rpartition("</think>")
    try:
        value = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return None
    commands = value.get("commands") if isinstance(value, dict) else None
    if not isinstance(commands, list) or not all(isinstance(one, dict) and "keystrokes" in one for one in commands):
        return None
    calls: list[RawCall] = [("bash_command", one, None) for one in commands]
    if value.get("task_complete") in (True, "true"):
        calls.append(("mark_task_complete", {}, None))
    words = ((key, text) for key, text in value.items() if key not in ("commands", "task_complete") and text)
    said = "\n".join(f"{key.capitalize()}: {as_text(text)}" for key, text in words)
    return Acted(f"{thought}{close}{said}", calls) if calls else None


def _shown(text: str) -> str | None:
    return text if _SCREEN.match(text) else None


_FORMS = (ActionForm(_commanded, _shown, ends=True), ActionForm(_searched, _found), ActionForm(_fenced, _printed))


def looks_like(row: Any) -> bool:
    return _form_of(row) is not None


def _form_of(row: Any) -> ActionForm | None:
    view = view_of(row)
    if view.format not in _READ_BY_TURNS or view.calls or view.tag not in ("", _QUERY):
        return None
    if not view.blocks <= _TEXTS or not (view.ends_on_mark or view.blocks):
        return None
    if not any(map(_may_act, view.messages)):
        return None
    # Beside calls in tags, and beside ChatGLM's metadata, which names the tool, an action as text is none.
    if any(type(turn) is not dict or turn.get("metadata") or _is_tagged(turn) for turn in view.messages):
        return None
    places = range(len(view.messages) - 1)
    return next((form for form in _FORMS if any(_action(form, view.messages, place) for place in places)), None)


def _may_act(turn: Any) -> bool:
    """A fast look at how a turn ends; False is sure."""
    said = turn.get("content", turn.get("value")) if type(turn) is dict else None
    if type(said) is list:
        said = as_text(said)
    return type(said) is str and said.rstrip().endswith(_ENDS)


def _is_tagged(turn: dict[str, Any]) -> bool:
    text = _text(turn) if _kind(turn) == "assistant" else ""
    return any(tag in text for tag in TAGS if tag != _QUERY)


def _action(form: ActionForm, messages: list[Any], place: int) -> Acted | None:
    """The action of a turn, where the next turn answers it."""
    if _kind(messages[place]) != "assistant" or not _may_act(messages[place]):
        return None
    is_last = place + 1 == len(messages)
    answered = form.ends if is_last else _given(form, messages[place + 1]) is not None
    return form.action(_text(messages[place])) if answered else None


def _given(form: ActionForm, turn: dict[str, Any]) -> str | None:
    """What a turn gives that answers an action; None where it does not."""
    kind, text = _kind(turn), _text(turn)
    given = form.result(text) if kind in ("user", "result") else None
    return text if given is None and kind == "result" else given


def _kind(turn: dict[str, Any]) -> str:
    return ROLES.get(str(turn.get("role", turn.get("from"))).lower(), "")


def _text(turn: dict[str, Any]) -> str:
    return as_text(turn.get("content", turn.get("value")))


def parse(row: Any) -> Trajectory:
    form, messages = _form_of(row), view_of(row).messages
    turns: list[Any] = []
    waits = False
    for place, turn in enumerate(messages):
        action = _action(form, messages, place) if form is not None else None
        if action is not None:
            turns.append(_as_calls(turn, action))
        elif form is not None and waits:
            turns.append({"role": "tool", "content": _given(form, turn)})
        else:
            turns.append(turn)
        waits = action is not None
    if form is not None:
        turns[-1] = _unwrapped(turns[-1])
    fields = row if type(row) is dict else {}
    return read_turns(turns, fields, **({"tools": tools} if (tools := tools_field(fields)) else {}))


def _as_calls(turn: dict[str, Any], action: Acted) -> dict[str, Any]:
    calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments, _ in action.calls]
    return {**_saying(turn, action.said.strip()), "tool_calls": calls}


def _saying(turn: dict[str, Any], text: str) -> dict[str, Any]:
    kept = {key: value for key, value in turn.items() if key not in ("from", "value", "content")}
    return {**kept, "role": "assistant", "content": text}


def _unwrapped(turn: dict[str, Any]) -> dict[str, Any]:
    """A last turn without the tag around its answer."""
    text = _text(turn).rstrip()
    said, tag, answer = text.removesuffix("</answer>").rpartition("<answer>")
    is_answer = tag and text.endswith("</answer>") and _kind(turn) == "assistant" and "tool_calls" not in turn
    return _saying(turn, f"{said}{answer.strip()}") if is_answer else turn
