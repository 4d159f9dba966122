"""What a model writes, read as a step: leniently, since models write more than the grammar that they were taught.

`step_end` says where a step ends while it streams; `read_step` turns its text into a thought, calls or the answer.
Text is only ever scanned and parsed as JSON or as a Python literal; nothing of it is evaluated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from swiftagent.io.jsonl import without_surrogates
from swiftagent.trajectory.escape import show, show_control_tokens
from swiftagent.trajectory.react import NO_THOUGHT
from swiftagent.trajectory.read_input import closing_index, keyword_arguments, read_action_input
from swiftagent.trajectory.types import Call, Json

# A label stands at the start of a line, in bold or as a heading too; one that is indented by a space is text
# (escape.py).
_BEFORE, _COLON = r"(?:\*\*|__|#{1,4} ?|> ?)?", r"(?:\*\*|__)? *[:：](?:\*\*|__)?"
_LABEL = re.compile(rf"^{_BEFORE}(thought|action input|action|observation|final answer){_COLON}", re.I | re.M)
_INPUT_INLINE = re.compile(rf"[,;，；]? *\baction input{_COLON}", re.I)
_OBSERVATION_INLINE = re.compile(r"\bobservation *[:：]", re.I)
_THINK = re.compile(r"\s*<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)", re.S)
_NO_TOOL = {"", "none", "n/a", "null", "no action", "无", "无需", "不需要"}
_FINISH = {"finish", "final answer", "final_answer"}


class Step(NamedTuple):
    """One step of a model. `calls` and `answer` exclude each other; neither: it only thought.

    notes: how the text strayed from the grammar, for counting: "invented-observation", "several-actions",
    "python-literal", "fenced", "text-input", "broken-json", "trailing-text", "no-keyword", "text-action".
    """

    thought: str = ""
    calls: tuple[Call, ...] = ()
    answer: str | None = None
    reasoning: str = ""
    notes: tuple[str, ...] = ()
    said: bool = False  # the thought is text beside a native call
    problem: str = ""  # what is wrong with the last call's input, told to the model


def step_end(text: str) -> int | None:
    """Where a step ends: at the first `Observation:` outside a JSON string. None while it goes on.

    In a thought or an answer the word counts only at the start of a line, since prose may speak of it.
    """
    if not _OBSERVATION_INLINE.search(text) and not _LABEL.search(text):
        return None
    at = _after_reasoning(text)
    while True:
        label = _LABEL.search(text, at)
        if label is None:
            return None
        kind = label.group(1).lower()
        if kind == "observation":
            return label.start()
        at = label.end()
        if kind == "action input":
            found = _observation_after_input(text, at)
        elif kind == "action":
            line_end = _line_end(text, at)
            inline = _INPUT_INLINE.search(text, at, line_end)
            found = _observation_after_input(text, inline.end()) if inline else _inline(text, at, line_end)
        else:
            found = None
        if found is not None and found >= 0:
            return found
        if found == -1:  # inside JSON that is still open
            return None


def read_step(text: str) -> Step:
    """Read one step; what stands after its end is cut. It never fails: text that holds no keyword is the answer."""
    notes: list[str] = []
    text = without_surrogates(text)
    end = step_end(text)
    if end is not None:
        label = _OBSERVATION_INLINE.search(text, end)
        if label and text[label.end() :].strip("*_ \n"):
            notes.append("invented-observation")
        text = text[:end]
    reasoning, text = _split_reasoning(text)
    text = text.strip()
    sections = _sections(text)
    if sections:
        return _read_sections(text, sections, reasoning, notes)
    if not text:
        return Step(reasoning=reasoning, notes=tuple(notes))
    return Step(answer=show(text), reasoning=reasoning, notes=(*notes, "no-keyword"))


def _read_sections(text: str, sections: list[_Section], reasoning: str, notes: list[str]) -> Step:
    thoughts = [text[: sections[0].start].strip()]
    calls: list[Call] = []
    answer: str | None = None
    problem = ""
    for number, section in enumerate(sections):
        value = text[section.value : section.end]
        if section.kind == "final answer":
            if calls or number + 1 < len(sections):
                notes.append("trailing-text")
            answer = None if calls else show(value.strip())
        elif section.kind == "thought" and not calls:
            thoughts.append(value.strip())
        elif section.kind == "action":
            call, answer, found, problem = _read_action(value, _input_of(text, sections, number))
            if "trailing-text" in notes:  # prose after it: the call before was only spoken of
                calls.clear()
            notes += found
            calls += [call] if call is not None else []
        if answer is not None or problem:
            break
    if len(calls) > 1:
        notes.append("several-actions")
    thought = "\n".join(show(piece) for piece in thoughts if piece)
    if answer is not None and thought == NO_THOUGHT:
        thought = ""
    return Step(thought, tuple(calls), answer, reasoning, tuple(dict.fromkeys(notes)), problem=problem)


class _Section(NamedTuple):
    kind: str
    start: int
    value: int
    end: int


def _sections(text: str) -> list[_Section]:
    """The labelled parts in order; an Action Input reaches over labels that stand inside its JSON."""
    found: list[_Section] = []
    at = 0
    while (label := _LABEL.search(text, at)) is not None:
        kind = label.group(1).lower()
        at = label.end()
        if kind == "action input":
            closed = closing_index(text, at)
            at = closed if closed is not None and closed > 0 else at
        if found:
            found[-1] = found[-1]._replace(end=label.start())
        found.append(_Section(kind, label.start(), label.end(), len(text)))
    return found


def _input_of(text: str, sections: list[_Section], number: int) -> str | None:
    following = sections[number + 1] if number + 1 < len(sections) else None
    return text[following.value : following.end] if following and following.kind == "action input" else None


def _read_action(line: str, given: str | None) -> tuple[Call | None, str | None, list[str], str]:
    """The call (or the answer, for `finish[...]`) of an Action label, what strayed, and what is wrong with its
    input."""
    if given is None and (inline := _INPUT_INLINE.search(line)):
        line, given = line[: inline.start()], line[inline.end() :]
    name = _clean_name(line)
    notes: list[str] = []
    if given is None:
        name, given = _name_and_brackets(name)
        if given is not None:
            notes.append("text-action")
            if name.lower() in _FINISH:
                return None, show(given), notes, ""
            if (named := keyword_arguments(given)) is not None:
                return Call(show_control_tokens(name), named), None, notes, ""
    if name.lower() in _NO_TOOL:
        return None, None, notes, ""
    value, found, problem = read_action_input(given or "")
    arguments: Json = value
    if problem:
        arguments = {"input": show_control_tokens((given or "").strip())}
    if name.lower() in _FINISH:
        text = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else given
        return None, show(str(text).strip()), notes, ""
    return Call(show_control_tokens(name), arguments), None, notes + found, problem


def _clean_name(line: str) -> str:
    line = line.strip().partition("\n")[0].strip()
    for mark in ("**", "`", '"', "'", "<", "["):
        closing = {"<": ">", "[": "]"}.get(mark, mark)
        if line.startswith(mark) and line.endswith(closing) and len(line) > 2 * len(mark):
            line = line[len(mark) : -len(closing)].strip()
    return line.rstrip(" ,;，；。")


def _name_and_brackets(action: str) -> tuple[str, str | None]:
    """`name[argument]` and `name({...})` as (name, argument)."""
    found = re.fullmatch(r"([\w.:/ -]+?) ?[\[(](.*)[\])]", action, re.S)
    return (found.group(1), found.group(2)) if found else (action, None)


def _observation_after_input(text: str, at: int) -> int | None:
    """Where the Observation after an Action Input starts; None: a later label decides; -1: its JSON is still open."""
    closed = closing_index(text, at)
    if closed == -1:  # a JSON string holds no raw newline, so one at the start of a line ends the step all the same
        label = _next_observation_line(text, at)
        return -1 if label is None else label
    start = at if closed is None else closed
    return _inline(text, start, _line_end(text, start))


def _inline(text: str, start: int, end: int) -> int | None:
    found = _OBSERVATION_INLINE.search(text, start, end)
    return found.start() if found else None


def _next_observation_line(text: str, at: int) -> int | None:
    for label in _LABEL.finditer(text, at):
        if label.group(1).lower() == "observation":
            return label.start()
    return None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _after_reasoning(text: str) -> int:
    found = _THINK.match(text) if "<think" in text[:80] else None
    return found.end() if found else 0


def _split_reasoning(text: str) -> tuple[str, str]:
    end = _after_reasoning(text)
    if not end:
        return "", text
    found = _THINK.match(text)
    return (found.group(1).strip() if found else ""), text[end:]
