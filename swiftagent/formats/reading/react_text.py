"""ReAct text as other programs write it: prompts that name the tools, and Thought / Action / Action Input /
Observation."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.formats.reading.arguments import read_arguments, read_literal
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.react_steps import canonical_steps
from swiftagent.formats.reading.schemas import as_schema
from swiftagent.trajectory.types import Answer, Call, Observation, Tool

# A literal first character keeps this regex fast: a newline is set before the text.
_LABEL = re.compile(
    r"\n(?:(Thought|Action Input|ActionPath|Action|Observation|Final Answer|thought|action input|action|observation"
    r"|final answer|Action_Input|ActionInput|FINAL ANSWER|THOUGHT|ACTION INPUT|ACTION|OBSERVATION"
    r"|思考|行动输入|动作输入|行动|动作|观察结果|观察|最终答案|最终回答)(?: ?\d{1,3})?[:：])"
)
_LONGEST_KEPT = 65536  # characters of a prompt that is remembered
_LABELS = {
    spelling: kind
    for kind, words in {
        "thought": ("thought",),
        "action": ("action",),
        "input": ("action input", "action_input", "actioninput"),
        "observation": ("observation",),
        "answer": ("final answer",),
        "path": ("actionpath",),
    }.items()
    for word in words
    for spelling in (word, word.capitalize(), word.title(), word.upper(), "Action_Input", "ActionInput", "ActionPath")
    if spelling.lower() == word
}
_LABELS |= {"思考": "thought", "行动": "action", "动作": "action", "行动输入": "input", "动作输入": "input"}
_LABELS |= {"观察": "observation", "观察结果": "observation", "最终答案": "answer", "最终回答": "answer"}
_ANSWER_OF_THOUGHT = re.compile(
    r"\nAnswer[:：]\s*"
)  # LlamaIndex; a result may hold such a line too, a thought does not
_BLOB = re.compile(r"(?:```\w*\s*)?(?=\{)")
_BLOB_END = re.compile(r"\s*(?:```)?\s*\Z")
_TEXT_ACTION = re.compile(r"([A-Za-z_][\w .-]{0,60}?)\s*[\[(](.*)[\])]\s*\Z", re.S)
_FENCED_ACTION = re.compile(r"```(\w+)\n(.*?)\n?```\s*\Z", re.S)
FINISH = frozenset(("finish", "final_answer", "answer"))
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
    if "\nAct" not in text and "\nact" not in text and "\nACT" not in text and text[:3].lower() != "act":
        if "行动" not in text and "动作" not in text:
            return False
    labels = {_LABELS.get(label, "") for label in _LABEL.findall("\n" + text)}
    return "action" in labels and (len(labels & _BESIDE_ACTION) > 0 or '"action_input"' in text)


def may_be_prompt(text: str) -> bool:
    """A quick look: False is sure."""
    if text.isascii():
        return "ccess to the following" in text
    # One letter is looked for far quicker than a word.
    return ("下" in text and ("以下" in text or "下列" in text or "如下" in text)) or "ccess to the following" in text


def read_prompt(text: str) -> Prompt | None:
    """A system or first user text that names tools for ReAct; None where it is none."""
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
    tools: dict[str, Tool] = {}
    each = [tool_of_line(line) for line in block.split("\n") if line and not line.isspace()]
    if each and None not in each:
        for tool in each:
            if tool is not None:
                tools.setdefault(tool.name, tool)
        return tuple(tools.values())
    place = 0
    for found in _PARAMETERS.finditer(block):
        if found.start() < place:
            continue
        head = (
            _NUMBER.sub("", block[place : found.start()].strip(), count=1)
            if _NUMBER.match(block[place:])
            else block[place : found.start()]
        )
        name, _, about = head.strip().partition(":")
        schema, place = _schema_at(block, found.end(), repairs)
        name = name.strip()
        if name and name not in tools:
            tools[name] = Tool(name, about.strip(), schema)
    if not tools:
        tools = {name: Tool(name, _about(block, name)) for name in names}
    return tuple(tools.values())


def tool_of_line(line: str) -> Tool | None:
    """The tool of `1. name: about Parameters: [...]`; None for any line that is not just that."""
    number, _, rest = line.partition(". ")
    return _tool_of_line(rest if number.isdigit() and len(number) < 3 and not rest[:1].isdigit() else line)


@lru_cache(maxsize=16384)
def _tool_of_line(line: str) -> Tool | None:
    """Rows share their tools, but not at the same place."""
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
            value, mended = read_literal(block[start:end].strip())
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
            builder.answered_call(step.tool, step.text, step.result, trained)


def _read_labels(builder: Builder, text: str, calls_follow: bool, trained: bool) -> None:
    """Any spelling of the keywords, in any order."""
    padded = "\n" + text
    labels = list(_LABEL.finditer(padded))
    if not labels:
        builder.say(text, calls_follow, trained)
        return
    lead = padded[: labels[0].start()].strip()
    if lead:
        builder.say(lead, True, trained)
    action: str | None = None
    for place, found in enumerate(labels, 1):
        label, start = _LABELS.get(found.group(1), ""), found.end()
        last = label == "answer" or place == len(labels)
        body = padded[start:] if last else padded[start : labels[place].start()]
        if action is not None and label != "input":
            _text_action(builder, action, label == "answer", trained)
            action = None
        if label == "thought":
            thought, answered, said = _split_answer(body) if last else (body, "", "")
            builder.close_step()
            builder.thought(thought.strip(), trained=trained)
            if answered:
                builder.answer(said.strip(), trained)
        elif label == "path":  # KnowAgent: the model tells the way so far before it thinks
            builder.thought(found.group().lstrip() + body.rstrip(), trained=trained)
        elif label == "action":
            action = body.strip()
        elif label == "observation":
            _observation(builder, body, last)
        elif label == "answer":
            builder.answer(body.strip(), trained)
            break
        elif action is not None:
            _call(builder, action, body, trained)
            action = None
        else:
            builder.repairs.append("input-without-action")
    if action is not None:
        _text_action(builder, action, False, trained)


def _call(builder: Builder, action: str, body: str, trained: bool) -> None:
    name = action.strip("`*\"' ")
    if name.lower() in FINISH:
        answer = _final_answer(body)
        if answer or name not in {tool.name for tool in builder.tools}:
            builder.repairs.append("finish-action")
            builder.answer(answer or body.strip(), trained)
            return
    builder.call(name, body.strip(), trained=trained)


def _final_answer(body: str) -> str:
    """ToolLLaMA: Finish {"return_type": "give_answer", "final_answer": ...}."""
    value = read_arguments(body)[0] if '"final_answer"' in body else None
    answer = value.get("final_answer") if isinstance(value, dict) else None
    return answer if isinstance(answer, str) else ""


def _split_answer(body: str) -> tuple[str, str, str]:
    found = _ANSWER_OF_THOUGHT.search(body)
    return (body[: found.start()], "Answer", body[found.end() :]) if found else (body, "", "")


def _is_blob(builder: Builder, action: str, trained: bool) -> bool:
    """Read LangChain's and Dify's `{"action": NAME, "action_input": ...}`, fenced or not; whether it was one."""
    found = _BLOB.match(action)
    if found is None or '"action"' not in action:
        return False
    try:
        value, end = _decoder.raw_decode(action, found.end())
    except (ValueError, RecursionError):
        text = _BLOB_END.sub("", action[found.end() :])
        value, end = read_literal(text)[0], len(action)
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        return False
    if not _BLOB_END.match(action, end):
        raise RowError("broken-call", f"text behind an action: {action[end : end + 60]!r}")
    name, given = value["action"], value.get("action_input")
    if name.strip().lower() in FINISH or name.strip().lower() == "final answer":
        builder.answer(given if isinstance(given, str) else json.dumps(given, ensure_ascii=False), trained)
    else:
        builder.call(name, given, trained=trained)
    return True


def _text_action(builder: Builder, action: str, answer_follows: bool, trained: bool) -> None:
    """`search[x]`, `search(x)`, a JSON object with name and input, or a name with its input on the lines below it."""
    if _is_blob(builder, action, trained):
        return
    fenced = _FENCED_ACTION.match(action)
    found = _TEXT_ACTION.match(action)
    if fenced:
        name, argument = fenced.group(1), fenced.group(2)
    elif found:
        name, argument = found.group(1).strip(), found.group(2)
    else:
        name, _, argument = action.partition("\n")
        name, argument = name.strip("`*\"' "), argument.strip()
        if not name or name.lower() in ("none", "n/a") or (answer_follows and not argument):
            return
    if name.lower() in FINISH:
        builder.repairs.append("finish-action")
        builder.answer(argument, trained)
        return
    builder.repairs.append("text-action")
    if not argument and not builder.tools and " " in name:  # words for a room or a game, "look around": no tool's name
        name, argument = "act", name
    builder.call(name, {"input": argument} if argument else {}, trained=trained)


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
    found = _LABEL.match("\n" + text)
    acted = "finish-action" in builder.repairs or any(type(event) is Call for event in builder.events)
    if (
        found is not None and _LABELS.get(found.group(1)) == "observation" and acted
    ):  # before the first action it is the task
        _observation(builder, text[found.end() - 1 :], False)
    elif builder.waits_for_result and text.strip():  # a call ended the turn before, so this is what it gave
        builder.result(text)
    else:
        builder.question(text)
