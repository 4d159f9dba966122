"""ReAct text as other programs write it: prompts that name the tools, and Thought / Action / Action Input /
Observation."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.react_steps import canonical_steps
from swiftagent.formats.reading.schemas import as_schema
from swiftagent.formats.reading.user_results import results_in_tags
from swiftagent.trajectory.react_scan import FINISH, Action, final_text, labels, read_action, sections
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Answer, Call, Observation, Tool

_LONGEST_KEPT = 65536  # characters of a prompt that is remembered
_HEAD = re.compile(
    r"(?:have|has|with) access to the following (?:APIs|tools|functions)[^\n]*\n"
    r"|(?:以下|下列|如下)(?:的)?(?:工具|API|接口|函数)[^\n]{0,40}\n"
)
_FORMAT_START = re.compile(
    r"\n\s*(?:Use the following format|Use this format|Please use the following format|The format is|请按以下格式"
    r"|请使用以下格式|使用以下格式|按照以下格式|请按照以下格式|请遵循以下格式|回答格式)[^\n]*"
)
_NAMES = re.compile(r"(?:one of|之一)[^\n\[]{0,40}[\[［]([^\n\]]*)[\]］]")
_NUMBER = re.compile(r"\s*\d{1,3}\s*[.、)]\s*")
_QUESTION = re.compile(r"\n+Question[:：] ?")
_PARAMETERS = re.compile(r"(?:^|(?<=[\s.。]))(?:Parameters|Args|参数)[:：]\s*")
_decoder = json.JSONDecoder()


_ACTION_WORDS = ("\nAct", "\nact", "\nACT", "\n**Act", "行动", "动作")
_BESIDE_ACTION = frozenset(("input", "thought", "observation", "answer"))


class Prompt(NamedTuple):
    own: str
    tools: tuple[Tool, ...]
    question: str
    repairs: tuple[str, ...]


def is_react(text: str) -> bool:
    """Whether an assistant text holds a ReAct action: a line `Action:` with an input, an argument in brackets or a
    thought."""
    if text.startswith("Thought:") and "\nFinal Answer:" in text:
        return True
    if text[:3].lower() != "act" and not any(word in text for word in _ACTION_WORDS):
        return False
    kinds = {label.kind for label in labels(text)}
    return "action" in kinds and (len(kinds & _BESIDE_ACTION) > 0 or '"action_input"' in text)


def may_be_prompt(text: str) -> bool:
    """A fast filter: False is certain."""
    if text.isascii():
        return "ccess to the following" in text
    # One letter is looked for far quicker than a word.
    return ("下" in text and ("以下" in text or "下列" in text or "如下" in text)) or "ccess to the following" in text


def read_prompt(text: str) -> Prompt | None:
    """A system or first user text that names tools for ReAct; None where it is not one."""
    if not may_be_prompt(text):
        return None
    return _read_prompt(text) if len(text) < _LONGEST_KEPT else _read_prompt.__wrapped__(text)


@lru_cache(maxsize=1024)
def _read_prompt(text: str) -> Prompt | None:
    head = _HEAD.search(text)
    if head is None:
        return None
    form = _FORMAT_START.search(text, head.end() - 1)
    begin = text.rfind("Begin!")
    if form is None and begin < 0:
        return None
    end = form.start() if form is not None else begin
    repairs: list[str] = []
    names = _names(text[end:])
    tools = _read_tools(text[head.end() : end], names, repairs)
    line = text.rfind("\n", 0, head.start()) + 1
    rest = text[begin + len("Begin!") :] if begin >= 0 else ""
    asked = _QUESTION.search("\n" + rest)
    question = rest[asked.end() - 1 :] if asked else rest.strip()
    return Prompt(text[:line].rstrip(), tools, question.strip(), tuple(repairs))


def _names(text: str) -> list[str]:
    found = _NAMES.search(text)
    return [name.strip() for name in found.group(1).split(",") if name.strip()] if found else []


def _read_tools(block: str, names: list[str], repairs: list[str]) -> tuple[Tool, ...]:
    if in_lines := tools_of_lines(block):
        return in_lines
    tools: dict[str, Tool] = {}
    place = 0
    for found in _PARAMETERS.finditer(block):
        if found.start() < place:
            continue
        head = block[place : found.start()].strip()
        name, _, about = (_NUMBER.sub("", head, count=1) if _NUMBER.match(block, place) else head).partition(":")
        schema, place = _schema_at(block, found.end(), repairs)
        name = name.strip()
        if name and name not in tools:
            tools[name] = Tool(name, about.strip(), schema)
    if not tools:
        tools = {name: Tool(name, _about(block, name)) for name in names}
    return tuple(tools.values())


def tools_of_lines(block: str) -> tuple[Tool, ...]:
    """The tools of lines as ms-agent writes them; none where a line is anything else."""
    tools: dict[str, Tool] = {}
    for line in block.split("\n"):
        if line and not line.isspace():
            number, _, rest = line.partition(". ")  # `1. name: about Parameters: [...]`
            tool = _tool_of_line(rest if number.isdigit() and len(number) < 3 and not rest[:1].isdigit() else line)
            if tool is None:
                return ()
            tools.setdefault(tool.name, tool)
    return tuple(tools.values())


@lru_cache(maxsize=16384)  # rows share their tools, but not at the same place
def _tool_of_line(line: str) -> Tool | None:
    """The tool of a line without its number; None for any line that is not just that."""
    found = _PARAMETERS.search(line)
    if found is None or line[found.end() : found.end() + 1] not in ("[", "{"):
        return None
    name, _, about = _NUMBER.sub("", line[: found.start()].strip(), count=1).partition(":")
    try:
        value, end = _decoder.raw_decode(line, found.end())
    except (ValueError, RecursionError):
        return None
    flat: list[str] = []
    schema = as_schema(value, flat)
    plain = name.strip() and all(code == "flat-parameters" for code in flat) and _PARAMETERS.search(line, end) is None
    return Tool(name.strip(), about.strip(), schema) if plain else None


def _schema_at(block: str, start: int, repairs: list[str]) -> tuple[dict[str, Any], int]:
    """The parameters that begin at `start`, and where they end."""
    try:
        value, end = _decoder.raw_decode(block, start)
    except (ValueError, RecursionError):
        end = block.find("\n", start)
        end = len(block) if end < 0 else end
        try:
            value, mended = read_loose(block[start:end].strip())
            repairs += mended
        except RowError:
            return {}, end
    flat: list[str] = []
    schema = as_schema(value, flat)
    repairs += [code for code in flat if code != "flat-parameters"]  # a flat list is this format's own way
    # {"type": "object", "properties": {...}} Format the arguments as a JSON object.
    line = block.find("\n", end)
    return schema, len(block) if line < 0 else line


def _about(block: str, name: str) -> str:
    found = re.search(rf"(?:^|\n)\s*(?:\d+\.\s*|[-*]\s*)?{re.escape(name)}\s*[:：]\s*([^\n]*)", block)
    return found.group(1).strip() if found else ""


def read_react_text(builder: Builder, text: str, calls_follow: bool = False, trained: bool = True) -> None:
    """Add the events of one assistant text. Text with no label is a plain answer."""
    steps = canonical_steps(text)
    if steps is None or any(step.tool is not None and step.tool.lower() in FINISH for step in steps):
        _read_labels(builder, text, calls_follow, trained)
        return
    for step in steps:
        if step.thought:
            builder.thought(step.thought, trained=trained)
        if step.tool is None:
            builder.answer(step.text, trained)
        else:
            builder.call(step.tool, step.text, trained=trained)
            builder.result(step.result)


def _read_labels(builder: Builder, text: str, calls_follow: bool, trained: bool) -> None:
    """Any spelling of the labels, in any order."""
    found = sections(text)
    if not found:
        builder.say(text, calls_follow, trained)
        return
    lead = text[: found[0].start].strip()
    if lead:
        builder.say(lead, True, trained)
    before = ""
    for section, following in zip(found, [*found[1:], None], strict=True):
        body = text[section.value : section.end]
        kind = "" if following is None else following.kind
        if section.kind == "thought":
            builder.close_step()
            builder.thought(body.strip(), trained=trained)
        elif section.kind == "path":
            builder.thought(text[section.start : section.end].strip(), trained=trained)
        elif section.kind == "action":
            given = text[following.value : following.end] if following is not None and kind == "input" else None
            _read_action(builder, read_action(body.strip(), given), kind == "answer", trained)
        elif section.kind == "observation":
            _observation(builder, body, following is None)
        elif section.kind == "answer":
            builder.answer(text[section.value :].strip(), trained)
            break
        elif before != "action":
            builder.repairs.append("input-without-action")
        before = section.kind


def _read_action(builder: Builder, action: Action, answer_follows: bool, trained: bool) -> None:
    if action.rest:
        raise RowError("broken-call", f"text behind an action: {action.rest[:60]!r}")
    if action.is_none or (answer_follows and action.written == "below" and not action.given):
        return
    if action.is_finish and action.written == "blob":
        given = action.given
        builder.answer(given if isinstance(given, str) else json.dumps(given, ensure_ascii=False), trained)
        return
    if action.is_finish and (_names_answer(action) or action.tool not in {tool.name for tool in builder.tools}):
        builder.repairs.append("finish-action")
        builder.answer(final_text(action.given) if action.given else "", trained)
        return
    name, given = action.tool, action.given
    if action.written not in ("input", "blob"):
        builder.repairs.append("text-action")
        # Words for a room or a game, "look around", are no tool's name.
        if not given and not builder.tools and " " in name:
            name, given = "act", {"input": name}
    builder.call(name, given, trained=trained)


def _names_answer(action: Action) -> bool:
    return action.written != "input" or '"final_answer"' in str(action.given)


def _observation(builder: Builder, body: str, last: bool) -> None:
    """A result; the bare label at the end of a turn is the stop word, whose result stands in the next turn or
    nowhere."""
    text = body.removeprefix(" ").rstrip("\r\n")
    if last and not text.strip():
        return
    before = builder.events[-1] if builder.events else None
    if type(before) is Answer and not builder.waits_for_result and "finish-action" in builder.repairs:
        builder.repairs.append("result-of-finish")  # FireAct: "Episode finished, reward = 1"
    elif type(before) is Observation and not builder.waits_for_result:
        builder.events[-1] = Observation(f"{before.text}\n{text}", before.call_id)
        builder.repairs.append("joined-observations")
    else:
        builder.result(text)


def read_user_text(builder: Builder, text: str) -> None:
    """A user turn of a ReAct row: a question, or a result where it starts with `Observation:`."""
    first = next(labels(text), None)
    acted = "finish-action" in builder.repairs or any(type(event) is Call for event in builder.events)
    # Before the first action it is the task.
    if first is not None and (first.kind, first.start) == ("observation", 0) and acted:
        _observation(builder, text[first.value :], False)
    elif builder.waits_for_result and text.strip():  # a call ended the turn before, so this is what it gave
        results, rest, _ = results_in_tags(text)
        for result in [text] if rest else results:
            builder.result(result)
    else:
        builder.question(text)
