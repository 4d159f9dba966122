"""Turns that end on an action as text, which the next turn answers: SWE-agent's fenced commands, Terminus' JSON, MCP
calls in tags, a search in tags, code and what it printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.calls import RawCall
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.formats.reading.marks import CLINE, RETURNED
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.view import MESSAGE_KEYS, tools_field, view_of
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "turns that end on an action as text, answered by the next turn: fenced commands (SWE-agent), commands as JSON "
    "(Terminus), <use_mcp_tool>, <search> and <information>, code and its execution result"
)
SAMPLE = {
    "messages": [
        {"role": "user", "content": "Fix it."},
        {"role": "assistant", "content": "I look.\n\n```\nls\n```"},
        {"role": "user", "content": "OBSERVATION:\na.py"},
        {"role": "assistant", "content": "Done.\n\n```\nsubmit\n```"},
    ]
}
_READ_BY_TURNS = frozenset(("openai", "sharegpt", "hermes"))
# Beside runs of coding agents alone; there every turn that follows a command is what the command printed.
_RUN_KEYS = frozenset(("instance_id", "exit_status"))

# What stands at the end of every action.
_ENDS = ("```", ">", "}")

KEYS = frozenset(MESSAGE_KEYS)


class Acted(NamedTuple):
    """What the model did at the end of a turn: what it said before, its calls."""

    said: str
    calls: list[RawCall]


class Form(NamedTuple):
    """A way to write actions. `mark` stands in each; `result` is how the turn that answers one begins, "" where any
    turn does; the answer's text is the group of `result`."""

    mark: str
    action: Callable[[str], Acted | None]
    result: re.Pattern[str]


_ANY = re.compile(r"\s*(.*)\Z", re.S)
_LABEL = re.compile(
    r"\s*(?:OBSERVATION|Observation|(?:Code )?[Ee]xecution [Rr]esults?|EXECUTION RESULT[^:\n]*)"
    r"\s*:[ \t]*\n?(.*)\Z",
    re.S,
)
_TAGGED = re.compile(
    r"\s*<(\|begin_of_documents\||\|begin_search_result\||information|result|interpreter|output|observation|documents)>"
    r"\s*(.*?)\s*(?:<[/|][\w|]+>)?\s*\Z",
    re.S,
)
_FENCE = re.compile(r"(.*?)```(bash|sh|shell|python|py)?[ \t]*\n((?:(?!```).)*?)\n?```\s*\Z", re.S)
_MCP = re.compile(
    r"<use_mcp_tool>\s*(?:<server_name>.*?</server_name>\s*)?<tool_name>\s*(.*?)\s*</tool_name>\s*"
    r"<arguments>\s*(.*?)\s*</arguments>\s*</use_mcp_tool>",
    re.S,
)
_SEARCH = re.compile(
    r"(.*)<(search|code|python|execute)>\s*((?:(?!</\2>).)*?)\s*</\2>\s*\Z"
    r"|(.*)<\|begin_(?:of|search)_query\|>\s*(.*?)\s*(?:<\|end_(?:of|search)_query\|>)?\s*\Z",
    re.S,
)
_INNER = re.compile(r"```(?:\w+)?\n(.*?)\n?```", re.S)
_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>\s*\Z", re.S)


def _fenced(text: str) -> Acted | None:
    found = _FENCE.fullmatch(text)
    if found is None or not found[3].strip():
        return None
    is_code = found[2] in ("python", "py")
    return Acted(found[1], [("python", {"code": found[3]}, None) if is_code else ("bash", {"command": found[3]}, None)])


def _mcp(text: str) -> Acted | None:
    calls = [(found[1], found[2] or {}, None) for found in _MCP.finditer(text)]
    return Acted(_MCP.sub("", text), calls) if calls else None


def _searched(text: str) -> Acted | None:
    found = _SEARCH.fullmatch(text)
    if found is None:
        return None
    if found[2] not in (None, "search"):
        inner = _INNER.fullmatch(found[3])
        return Acted(found[1], [("python", {"code": inner[1] if inner else found[3]}, None)])
    said, query = (found[4], found[5]) if found[2] is None else (found[1], found[3])
    return Acted(said, [("search", {"query": query}, None)])


def _commanded(text: str) -> Acted | None:
    """Of Terminus: {"analysis", "plan", "commands": [{"keystrokes", "duration"}], "task_complete"}."""
    thought, _, body = text.rpartition("</think>")
    try:
        value, _ = read_loose(body[body.find("{") : body.rfind("}") + 1])
    except RowError:
        return None
    commands = value.get("commands") if isinstance(value, dict) else None
    if not isinstance(commands, list) or not all(isinstance(one, dict) and "keystrokes" in one for one in commands):
        return None
    calls: list[RawCall] = [("bash_command", one, None) for one in commands]
    if value.get("task_complete") in (True, "true"):
        calls.append(("mark_task_complete", {}, None))
    told = [
        f"{key.capitalize()}: {value[key]}"
        for key in ("analysis", "plan", "state_analysis", "explanation")
        if value.get(key)
    ]
    said = body[: body.find("{")].strip().removesuffix("```json").strip()
    lines = "\n".join(filter(None, [said, *told]))
    return Acted(f"{thought}</think>{lines}" if thought else lines, calls) if calls else None


_FORMS = (
    Form("</use_mcp_tool>", _mcp, _ANY),
    Form('"keystrokes"', _commanded, _ANY),
    Form("query|>", _searched, _TAGGED),
    Form("</", _searched, _TAGGED),
    Form("```", _fenced, _LABEL),
)
_RUN = Form("```", _fenced, _ANY)


def looks_like(row: Any) -> bool:
    return _form_of(row) is not None


def _form_of(row: Any) -> Form | None:
    view = view_of(row)
    if view.format not in _READ_BY_TURNS or view.calls or view.tag in (CLINE, RETURNED):
        return None
    if not view.ends_on_mark and view.blocks.isdisjoint(("text", "None")):
        return None
    if not any(map(_may_act, view.messages)):
        return None
    if any(type(turn) is dict and turn.get("metadata") for turn in view.messages):  # ChatGLM's, which name the tool
        return None
    turns = [(_kind(turn), _text(turn)) for turn in view.messages if type(turn) is dict]
    made = [text for kind, text in turns if kind == "assistant"]
    if type(row) is dict and not _RUN_KEYS.isdisjoint(row) and len(made) > 1 and all(map(_fenced, made)):
        return _RUN
    whole = "\n".join(made)
    return next((form for form in _FORMS if form.mark in whole and _is_used(form, turns)), None)


def _may_act(turn: Any) -> bool:
    """A fast look at how a turn ends; False is sure."""
    said = turn.get("content", turn.get("value")) if type(turn) is dict else None
    if type(said) is list:
        said = as_text(said)
    return type(said) is str and said.rstrip().endswith(_ENDS)


def _is_used(form: Form, turns: list[tuple[str, str]]) -> bool:
    """Whether an action is answered; where any turn is an answer, whether there is an action at all."""
    for place, (kind, text) in enumerate(turns):
        after, answer = turns[place + 1] if place + 1 < len(turns) else ("", "")
        answered = form.result is _ANY or after == "result" or (after == "user" and form.result.match(answer))
        if answered and kind == "assistant" and form.mark in text and form.action(text) is not None:
            return True
    return False


def _kind(turn: dict[str, Any]) -> str:
    return ROLES.get(str(turn.get("role", turn.get("from"))).lower(), "")


def _text(turn: dict[str, Any]) -> str:
    return as_text(turn.get("content", turn.get("value")))


def parse(row: Any) -> Trajectory:
    form = _form_of(row)
    turns: list[Any] = []
    waits = marked = False
    for turn in view_of(row).messages:
        kind, text = (_kind(turn), _text(turn)) if type(turn) is dict else ("", "")
        action = form.action(text) if form is not None and kind == "assistant" else None
        answered = form.result.match(text) if form is not None and waits and kind in ("user", "result") else None
        if action is not None:
            turns.append(_as_calls(turn, action))
        elif waits and (answered is not None or kind == "result" or (kind == "user" and marked)):
            turns.append({"role": "tool", "content": answered.group(answered.re.groups) if answered else text})
            marked = True
        else:
            turns.append(_unwrapped(turn, text) if kind == "assistant" else turn)
        waits = action is not None
    beside = row if type(row) is dict else {}
    return read_turns(turns, beside, **({"tools": tools} if (tools := tools_field(beside)) else {}))


def _as_calls(turn: dict[str, Any], action: Acted) -> dict[str, Any]:
    kept = {key: value for key, value in turn.items() if key not in ("from", "value", "content")}
    calls = [{"function": {"name": name, "arguments": _arguments(given)}} for name, given, _ in action.calls]
    return {**kept, "role": "assistant", "content": action.said.strip(), "tool_calls": calls}


def _arguments(given: Any) -> Any:
    """Arguments as JSON text, which the reading of calls checks and mends."""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _unwrapped(turn: dict[str, Any], text: str) -> dict[str, Any]:
    """A last turn without the tag around its answer."""
    found = _ANSWER.search(text)
    if found is None:
        return turn
    kept = {key: value for key, value in turn.items() if key not in ("from", "value", "content")}
    return {**kept, "role": "assistant", "content": text[: found.start()] + found[1]}
