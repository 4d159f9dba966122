"""The quick way from a raw row to the messages of its training record, for the rows that fill training sets: plain
chat, alpaca, and ms-agent's ReAct text below a prompt that names the tools.

It takes a row only where nothing in it can be read in two ways: exact keywords, no control token in any text, declared
tools. Everything else goes the long way (recognise, parse, check, render), and a test holds both to the same
bytes and the same counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.arguments import read_arguments
from swiftagent.formats.reading.marks import QUIET_MARKS
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.react_steps import Step, canonical_steps
from swiftagent.formats.reading.react_text import FINISH, Prompt, may_be_prompt, read_prompt, tool_of_line
from swiftagent.formats.reading.tags import holds_results
from swiftagent.formats.reading.view import tag_in
from swiftagent.trajectory.escape import JOINER, has_control_token, indent_keywords, json_text, may_hold_control_token
from swiftagent.trajectory.react import ANSWER_LABEL, NO_THOUGHT, STOP, language_of, render_system
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.suspicion import may_be_suspicious
from swiftagent.trajectory.types import Tool

# Beside its turns a row may hold these, which no reader looks at.
BESIDE = ("id", "source", "category", "lang", "language", "dataset", "title", "domain")
_KEYS_FROM, _KEYS_ROLE = frozenset(("conversations", *BESIDE)), frozenset(("messages", *BESIDE))
_KEYS_PAIR = frozenset(("instruction", "input", "output", "system", "history", *BESIDE))
_KEYWORD = re.compile(r"\n *(?:thought|think|action|observation|final answer)", re.I)
_ODD_STARTS = frozenset("[{`")  # of an answer that may be calls
_RESULT = re.compile(r"observation", re.I)


# What became of a row: its messages, the name of its format, the codes of what was mended.
Quick = tuple[list[Message], str, tuple[str, ...]]


def quick_messages(row: Any) -> Quick | None:
    """The messages of the row's record in the default prompt; None where the row has to go the long way."""
    if type(row) is not dict:
        return None
    try:
        if "conversations" in row:
            return _turns(row["conversations"], "from", "value", "sharegpt") if _KEYS_FROM.issuperset(row) else None
        if "messages" in row:
            return _turns(row["messages"], "role", "content", "openai") if _KEYS_ROLE.issuperset(row) else None
        return _pair(row) if _KEYS_PAIR.issuperset(row) else None
    except (KeyError, TypeError, AttributeError):  # a turn that is none, a role that nobody knows, a text that is none
        return None


def _turns(turns: Any, role_key: str, text_key: str, form: str) -> Quick | None:
    """A system text or none, then questions and answers by turns, none empty. Raises KeyError, TypeError,
    AttributeError."""
    messages: list[Message] = []
    given: list[str] = []
    said: list[str] = []
    asked = False
    for turn in turns if type(turns) is list else ():
        role, text = ROLES[turn[role_key]], turn[text_key]
        if not text or len(turn) != 2:
            return None
        if asked:
            if role != "assistant" or text[0] in _ODD_STARTS:
                return None
            asked = False
            said.append(text)
            messages.append({"role": role, "content": text})
            continue
        if role == "user":
            asked = True
        elif role != "system" or messages:
            return None
        elif may_be_prompt(text):
            return _agent(turns, role_key, text_key)
        given.append(text)
        messages.append({"role": role, "content": text, "loss": False})
    if asked or len(messages) < 2 or _may_be_more(given, said, messages[0]["role"] == "system"):
        return None
    return messages, form, ()


def _pair(row: dict[str, Any]) -> Quick | None:
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


def _may_be_more(given: list[str], said: list[str], has_system: bool) -> bool:
    """Whether turns may be more than plain chat: calls, reasoning, tools or control tokens in some spelling."""
    read = "\n".join(given)  # all texts of a side at once: looking is quick, calling is not
    whole = f"\n{read}\n" + "\n".join(said)
    if "<" in whole and (has_system or "<func" in whole or "<TOOLCALL>" in whole):
        return True
    if ("<" in whole or "`" in whole) and any(mark in whole for mark in QUIET_MARKS):
        return True
    if any(may_be_suspicious(text) for text in said) or "动" in whole:
        return True
    if _KEYWORD.search(whole) or _is_loud(whole) or holds_results(whole):
        return True
    return may_be_prompt(read) and any(read_prompt(text) is not None for text in given)


def _is_loud(text: str) -> bool:
    """Whether anything in the text has to be hidden, or was hidden by us."""
    return JOINER in text or (may_hold_control_token(text) and has_control_token(text))


def _agent(turns: list[Any], role_key: str, text_key: str) -> Quick | None:
    system = _system_of(turns[0][text_key])
    if system is None:
        return None
    messages: list[Message] = [
        {"role": "system", "content": system.text(language_of(turns[1][text_key])), "loss": False}
    ]
    repairs = list(system.prompt.repairs)
    asked = False
    for turn in turns[1:]:
        role, text = ROLES[turn[role_key]], turn[text_key]
        if not text or len(turn) != 2 or role != ("assistant" if asked else "user") or _is_loud(text):
            return None
        asked = not asked
        if asked:
            if may_be_prompt(text) or _RESULT.match(text):
                return None
            messages.append({"role": "user", "content": text, "loss": False})
            continue
        steps = canonical_steps(text)
        if steps is None or not _add_steps(messages, steps, system.schemas, repairs):
            return None
    return None if asked else (messages, "ms-agent", tuple(repairs))


def _add_steps(
    messages: list[Message], steps: list[Step], schemas: dict[str, dict[str, Any]], repairs: list[str]
) -> bool:
    """Write one assistant text step by step; False where a step is not as it should be."""
    for thought, name, text, result in steps:
        lead = f"Thought: {indent_keywords(thought)}\n" if thought and thought != NO_THOUGHT else ""
        if name is None:
            if not text or text[0] in _ODD_STARTS:
                return False
            lead = lead or f"Thought: {NO_THOUGHT}\n"
            messages.append({"role": "assistant", "content": f"{lead}{ANSWER_LABEL}{indent_keywords(text)}"})
            continue
        if name not in schemas:
            return False
        try:
            arguments, mended = read_arguments(text)
        except RowError:
            return False
        if type(arguments) is not dict:
            return False
        repairs += mended
        repairs += [fault.code for fault in faults(schemas[name], arguments)]
        called = f"{lead}Action: {name}\nAction Input: {json_text(arguments)}{STOP}"
        messages.append({"role": "assistant", "content": called})
        messages.append({"role": "assistant", "content": f" {result}\n", "loss": False})
    return True


_HEAD = "have access to the following APIs:\n"
_FORM = "\n\nUse the following format:\n"


class _System:
    """A prompt that names tools, read once: rows of one data set share theirs."""

    __slots__ = ("prompt", "schemas", "written")

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.schemas = {tool.name: tool.parameters for tool in prompt.tools if tool.name.lower() not in FINISH}
        self.written: dict[str, str] = {}  # by language

    def text(self, language: str) -> str:
        if language not in self.written:
            self.written[language] = render_system(self.prompt.tools, self.prompt.own, "ms-agent", language)
        return self.written[language]


@lru_cache(maxsize=1024)
def _system_of(text: str) -> _System | None:
    prompt = _canonical_prompt(text) or read_prompt(text)
    return None if prompt is None or prompt.question or not prompt.tools else _System(prompt)


def _canonical_prompt(text: str) -> Prompt | None:
    """What `read_prompt` makes of ms-agent's own English prompt, whose parts are found without a pattern."""
    head = text.find("ccess to the following") - len("have a")
    form = text.find(_FORM, head)
    if form < 0 or "下" in text or not text.startswith(_HEAD, head) or not text.endswith("\nBegin!"):
        return None
    tools: dict[str, Tool] = {}
    for line in text[head + len(_HEAD) : form].split("\n"):
        if line and not line.isspace():
            tool = tool_of_line(line)
            if tool is None:
                return None
            tools.setdefault(tool.name, tool)
    own = text[: text.rfind("\n", 0, head) + 1].rstrip()
    return Prompt(own, tuple(tools.values()), "", ())
