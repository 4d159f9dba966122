"""Fast path from a raw row to its checked trajectory, for the rows that fill training sets: plain chat, alpaca,
ms-agent's ReAct text below a prompt that names the tools, and our own records.

It takes a row only where nothing in it can be read in two ways: exact keywords, declared tools, one result behind every
call. Everything else is recognised, parsed and checked by its format, and a test holds both to the same trajectories.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.formats.reading.marks import QUIET_MARKS
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.react_steps import CanonicalStep, canonical_steps
from swiftagent.formats.reading.react_text import Prompt, may_be_prompt, read_prompt, tools_of_lines
from swiftagent.formats.reading.tags import holds_results
from swiftagent.formats.reading.view import tag_in
from swiftagent.trajectory.escape import JOINER, has_control_token, may_hold_control_token
from swiftagent.trajectory.react import NO_THOUGHT, remember_plain
from swiftagent.trajectory.react_scan import FINISH
from swiftagent.trajectory.read_loose import read_arguments
from swiftagent.trajectory.record import from_record, is_record
from swiftagent.trajectory.suspicion import (
    may_hold_labels,
    may_hold_marks,
    may_hold_step,
    starts_as_observation,
    suspicion,
)
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory
from swiftagent.trajectory.wellformed import DEFAULT, check, check_calls

# Keys that may stand beside the turns of a row, since no reader looks at them.
BESIDE = ("id", "source", "category", "lang", "language", "dataset", "title", "domain")
_KEYS_FROM, _KEYS_ROLE = frozenset(("conversations", *BESIDE)), frozenset(("messages", *BESIDE))
_KEYS_PAIR = frozenset(("instruction", "input", "output", "system", "history", *BESIDE))
_KEYS_RECORD = frozenset(("messages", "channel", "id", "source"))
_KEYS_MESSAGE = frozenset(("role", "content", "loss"))
_KEYWORDS = "thought|think|action|observation|final answer|思考|行动|动作|观察"
_KEYWORD = re.compile(rf"\n *(?:{_KEYWORDS})", re.I)
_LABEL = re.compile(rf"\n[ \t*#>\-]*(?=[taof思行动观工函调])(?:{_KEYWORDS}|tool|function|api|工具|函数|调用)", re.I)
_ODD_STARTS = frozenset("[{`")  # of an answer that may be calls
_RESULT = re.compile(r"observation", re.I)

Found = tuple[Trajectory, str]  # a trajectory and the name of its format


def read_fast(row: Any, where: str) -> Found | None:
    """The checked trajectory of a row under the default policy; None where its format has to read it."""
    if type(row) is not dict:
        return None
    try:
        if "conversations" in row:
            found = _turns(row["conversations"], "from", "value", "sharegpt") if _KEYS_FROM.issuperset(row) else None
        elif "channel" in row:
            return _record(row, where) if row.keys() == _KEYS_RECORD else None
        elif "messages" in row:
            found = _turns(row["messages"], "role", "content", "openai") if _KEYS_ROLE.issuperset(row) else None
        else:
            found = _pair(row) if _KEYS_PAIR.issuperset(row) else None
    except (KeyError, TypeError, AttributeError, RowError):  # a turn, role, text or call that only its format can read
        return None
    if found is None:
        return None
    events, form, system, repairs = found
    name = row.get("id", "")
    name = name if type(name) is str else "" if name is None else str(name)
    # The order of the events is right by construction; what calls hold is checked as everywhere.
    if system is None:
        remember_plain(events, without_keywords=True)
        return Trajectory(events, (), name, where, "general"), form
    notes = list(repairs)
    try:
        events = check_calls(events, system.prompt.tools, DEFAULT, notes)
    except RowError:
        return None
    remember_plain(events, without_keywords=False)
    return Trajectory(events, system.prompt.tools, name, where, "agent", tuple(notes)), form


def _record(row: dict[str, Any], where: str) -> Found | None:
    """A record in which nothing stands that `from_record` does not read. Raises TypeError, RowError."""
    if not is_record(row) or not all(map(_KEYS_MESSAGE.issuperset, row["messages"])):
        return None
    if type(row["id"]) is not str or type(row["source"]) is not str:
        return None
    read = from_record(row)
    if not read.source:
        read = msgspec.structs.replace(read, source=where, channel=read.channel if read.is_agentic else "general")
    return check(read), "swiftagent"


class _System:
    """A prompt that names tools, read once: rows of one data set share theirs."""

    __slots__ = ("prompt", "names")

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.names = {tool.name for tool in prompt.tools if tool.name.lower() not in FINISH}


_Turns = tuple[tuple[Event, ...], str, "_System | None", tuple[str, ...]]


def _turns(turns: Any, role_key: str, text_key: str, form: str) -> _Turns | None:
    """A system text or none, then questions and answers by turns, none empty. Raises KeyError, TypeError,
    AttributeError."""
    events: list[Event] = []
    texts: list[str] = []
    asked = False
    for turn in turns if type(turns) is list else ():
        role, text = ROLES[turn[role_key]], turn[text_key]
        if not text or len(turn) != 2:
            return None
        if asked:
            if role != "assistant" or text[0] in _ODD_STARTS:
                return None
            asked = False
            events.append(Answer(text))
            texts.append(text)
            continue
        if role == "user":
            if may_be_prompt(text) and read_prompt(text) is not None:
                return None
            asked = True
            events.append(Question(text))
        elif role != "system" or events:
            return None
        elif may_be_prompt(text):
            return _agent(turns, role_key, text_key)
        else:
            events.append(System(text))
        texts.append(text)
    if asked or len(events) < 2 or _may_be_more(texts, type(events[0]) is System):
        return None
    return tuple(events), form, None, ()


def _pair(row: dict[str, Any]) -> _Turns | None:
    """Alpaca without calls or steps, read as the turns that it stands for. Raises KeyError, TypeError,
    AttributeError."""
    question, more, answer, system = row["instruction"], row.get("input"), row["output"], row.get("system")
    history = row.get("history") or []
    if not question or type(question) is not str or type(more or "") is not str or (system and _names_tools(system)):
        return None
    if type(history) is not list or any(type(pair) is not list or len(pair) != 2 for pair in history):
        return None
    turns = [{"from": "system", "value": system}] if system else []
    for asked, said in (*history, (f"{question}\n{more}" if more else question, answer)):
        turns += ({"from": "user", "value": asked}, {"from": "assistant", "value": said})
        if ("<" in said and tag_in(said)) or "**Available Tools**" in asked or "think:" in f"{asked}{said}".lower():
            return None  # tags of calls, the dialogues of ToolRL, the steps of ALFWorld
    return _turns(turns, "from", "value", "alpaca")


def _names_tools(system: str) -> bool:
    return may_be_prompt(system) or '"parameters"' in system or '"arguments"' in system


def _may_be_more(texts: list[str], has_system: bool) -> bool:
    """Whether turns may be more than plain chat: calls, reasoning or hidden control tokens in some spelling."""
    whole = "\n" + "\n".join(texts)  # searching all texts at once is cheaper than a call for each
    tags, lists = "<" in whole, "[" in whole
    if tags and (has_system or "<func" in whole or "<tool_" in whole or "<TOOLCALL>" in whole):
        return True
    if (tags or "`" in whole) and (holds_results(whole) or any(mark in whole for mark in QUIET_MARKS)):
        return True
    if (lists and "functools[" in whole) or "✿" in whole or ((tags or lists) and may_hold_marks(whole)):
        return True
    if may_hold_step(whole):
        return True
    # One search for all labels at the start of a line; which of them it is matters in few rows.
    if _LABEL.search(whole) is not None and (_KEYWORD.search(whole) is not None or may_hold_labels(whole)):
        return True
    return _is_loud(whole)


def _is_loud(text: str) -> bool:
    """Whether a control token stands in the text, which may mark reasoning or calls, or was escaped by our writers."""
    return may_hold_control_token(text) and (JOINER in text or has_control_token(text))


def _agent(turns: list[Any], role_key: str, text_key: str) -> _Turns | None:
    system = _system_of(turns[0][text_key])
    if system is None:
        return None
    events: list[Event] = [System(system.prompt.own)] if system.prompt.own else []
    repairs = list(system.prompt.repairs)
    asked = False
    calls = 0
    for turn in turns[1:]:
        role, text = ROLES[turn[role_key]], turn[text_key]
        if not text or len(turn) != 2 or role != ("assistant" if asked else "user") or _is_loud(text):
            return None
        asked = not asked
        if asked:
            if may_be_prompt(text) or _RESULT.match(text):
                return None
            events.append(Question(text))
            continue
        steps = canonical_steps(text)
        if steps is None or not _add_steps(events, steps, system.names, repairs, calls):
            return None
        calls += len(steps) - 1  # the last one is the answer
    # Where no call was read, one may stand in an answer.
    if asked or (not calls and suspicion(events, system.prompt.tools) is not None):
        return None
    return tuple(events), "ms-agent", system, tuple(repairs)


def _add_steps(
    events: list[Event], steps: list[CanonicalStep], names: set[str], repairs: list[str], calls: int
) -> bool:
    """Add one assistant text step by step; False where a step may be read otherwise. Raises RowError."""
    for number, step in enumerate(steps, calls):
        name, text = step.tool, step.text
        if step.thought and step.thought != NO_THOUGHT:
            events.append(Thought(step.thought))
        if name is None:
            if not text or text[0] in _ODD_STARTS or (number and starts_as_observation(text)):
                return False
            events.append(Answer(text))
            continue
        arguments, mended = read_arguments(text)
        if name not in names or type(arguments) is not dict:
            return False
        repairs += mended
        events += (Call(name, arguments, f"c{number}"), Observation(step.result, f"c{number}"))
    return True


_HEAD = "have access to the following APIs:\n"
_FORM = "\n\nUse the following format:\n"


@lru_cache(maxsize=1024)
def _system_of(text: str) -> _System | None:
    if _is_loud(text):
        return None
    prompt = _canonical_prompt(text) or read_prompt(text)
    return None if prompt is None or prompt.question or not prompt.tools else _System(prompt)


def _canonical_prompt(text: str) -> Prompt | None:
    """What `read_prompt` makes of ms-agent's own English prompt, whose parts are found without a pattern."""
    head = text.find("ccess to the following") - len("have a")
    form = text.find(_FORM, head)
    if form < 0 or "下" in text or not text.startswith(_HEAD, head) or not text.endswith("\nBegin!"):
        return None
    tools = tools_of_lines(text[head + len(_HEAD) : form])
    own = text[: text.rfind("\n", 0, head) + 1].rstrip()
    return Prompt(own, tools, "", ()) if tools else None
