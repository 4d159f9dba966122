"""What a model writes, read as a step: leniently, since models write more than the grammar that they were taught.

`step_end` says where a step ends while it streams; `read_step` turns its text into a thought, calls or the answer.
Text is only ever scanned and parsed as JSON or as a Python literal; nothing of it is evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.io.jsonl import without_surrogates
from swiftagent.trajectory.escape import show, show_control_tokens, show_json_text
from swiftagent.trajectory.react import NO_THOUGHT, OBSERVATION
from swiftagent.trajectory.react_scan import Section, final_text, labels, read_action, sections
from swiftagent.trajectory.read_loose import closing_index, read_arguments
from swiftagent.trajectory.types import Call, Json

_HALF_STOP = 3  # letters of the stop word that no other word is likely to begin with
_OBSERVATION_INLINE = re.compile(r"(?:\bobservation|观察结果|观察) *[:：]", re.I)
_THINK = re.compile(r"\s*<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)", re.S)
# A template may open the reasoning in the prompt.
_THINK_END = re.compile(r"(.*?)</think(?:ing)?>", re.S)


class Step(NamedTuple):
    """One step of a model. `calls` and `answer` exclude each other; neither: it only thought.

    notes: how the text strayed from the grammar, for counting: "invented-observation", "several-actions",
    "broken-json", "trailing-text", "no-keyword", "text-action", and what `read_arguments` mended.
    """

    thought: str = ""
    calls: tuple[Call, ...] = ()
    answer: str | None = None
    reasoning: str = ""
    notes: tuple[str, ...] = ()
    said: bool = False  # the thought is text beside a native call
    problem: str = ""  # what is wrong with the last call's input, as the model reads it


def step_end(text: str) -> int | None:
    """Where a step ends: at the first `Observation:` outside a JSON string. None while it is open.

    In a thought or an answer the word counts only at the start of a line, since prose may speak of it.
    """
    if not _OBSERVATION_INLINE.search(text):
        return None
    start = len(text) - len(split_reasoning(text)[1])
    is_open = False
    for label in labels(text[start:]):
        at = start + label.value
        if label.kind == "observation":
            return start + label.start
        if is_open or label.kind not in ("action", "input"):
            continue
        if label.kind == "input":
            closed = closing_index(text, at)
            # A JSON string holds no raw newline, so only a label at the start of a line ends a step with an open one.
            is_open = closed == -1
            at = at if closed is None else closed
        line_end = text.find("\n", at)
        found = None if is_open else _OBSERVATION_INLINE.search(text, at, len(text) if line_end < 0 else line_end)
        if found is not None:
            return found.start()
    return None


def split_reasoning(text: str) -> tuple[str, str]:
    """The reasoning in `<think>` that a text begins with, and the rest."""
    found = _THINK.match(text) if "<think" in text[:80] else None
    if found is None and "</think" in text:
        found = _THINK_END.match(text)
    return (found.group(1).strip(), text[found.end() :]) if found else ("", text)


def read_step(text: str, declared: Collection[str] = ()) -> Step:
    """Read one step; what stands after its end is cut. It never fails: text that holds no keyword is the answer.

    declared: names of tools, of which one may be called `finish` or `answer` as what ends a run is.
    """
    notes: list[str] = []
    text = without_surrogates(text)
    # What the model wrote behind the stop word is a result that it invented.
    if (end := step_end(text)) is not None:
        label = _OBSERVATION_INLINE.search(text, end)
        if label and text[label.end() :].strip("*_ \n"):
            notes.append("invented-observation")
        text = text[:end]
    # A text that was cut within the stop word is read without it.
    head, newline, last = text.rpartition("\n")
    text = head if newline and len(last) >= _HALF_STOP and OBSERVATION.startswith(last) else text
    reasoning, text = split_reasoning(text)
    text = text.strip()
    if found := sections(text):
        return _read_sections(text, found, reasoning, notes, declared)
    if not text:
        return Step(reasoning=reasoning, notes=tuple(notes))
    return Step(answer=show(text), reasoning=reasoning, notes=(*notes, "no-keyword"))


def _read_sections(
    text: str, found: list[Section], reasoning: str, notes: list[str], declared: Collection[str]
) -> Step:
    thoughts = [text[: found[0].start]]
    calls: list[Call] = []
    answer: str | None = None
    problem = ""
    for section, following in zip(found, [*found[1:], None], strict=True):
        value = text[section.value : section.end]
        if section.kind == "answer":
            if calls or following:
                notes.append("trailing-text")
            answer = None if calls else show(value.strip())
        elif section.kind in ("thought", "path") and not calls:
            thoughts.append(value)
        elif section.kind == "action":
            is_input = following is not None and following.kind == "input"
            given = text[following.value : following.end] if following is not None and is_input else None
            step = _read_action(value, given, declared)
            answer, problem = step.answer, step.problem
            # Prose stands behind the call before, so that one was only mentioned.
            if "trailing-text" in notes:
                calls.clear()
            notes += step.notes
            calls += step.calls
        if answer is not None or problem:
            break
    if len(calls) > 1:
        notes.append("several-actions")
    thought = "\n".join(show(piece.strip()) for piece in thoughts if piece.strip())
    if answer is not None and thought == NO_THOUGHT:
        thought = ""
    return Step(thought, tuple(calls), answer, reasoning, tuple(dict.fromkeys(notes)), problem=problem)


def _read_action(line: str, given: str | None, declared: Collection[str]) -> Step:
    """The call (or the answer, for `finish[...]`) of an Action label."""
    try:
        action = read_action(line, given)
    except RowError as error:
        call = Call("", {"input": show_control_tokens(line.strip())})
        return Step(calls=(call,), notes=("broken-json",), problem=error.message)
    if action.is_none:
        return Step()
    notes = [] if action.written == "input" else ["text-action"]
    if action.is_finish and action.tool not in declared:
        return Step(answer=show(final_text(action.given)), notes=tuple(notes))
    value, found, problem = read_input(action.given)
    notes += ["trailing-text"] if action.rest and action.written == "blob" else []
    return Step(calls=(Call(show_control_tokens(action.tool), value),), notes=(*notes, *found), problem=problem)


def read_input(given: Any) -> tuple[Json, list[str], str]:
    """(the arguments of a call, how they strayed, what is wrong with them).

    What only a guess can mend is wrong: the model is asked to write it again. Then the arguments are {"input": text}.
    """
    as_text = {"input": show_control_tokens(given.strip())} if isinstance(given, str) else None
    try:
        value, repairs = read_arguments(show_json_text(given) if isinstance(given, str) else given)
        json.dumps(value, allow_nan=False)
    except (RowError, ValueError) as error:
        return as_text, ["broken-json"], f"it is not JSON ({error})"
    if "mended-json" in repairs or ("text-arguments" in repairs and str(given).lstrip()[:1] == "["):
        return as_text, ["broken-json"], "it is not JSON"
    if "text-arguments" in repairs and as_text is not None:
        value = {"input": show_control_tokens(value["input"])}
    return without_surrogates(value), list(repairs), ""
