"""The lenient scanner of ReAct text: labels in every spelling that data and models hold, and what an action asks for.

The one such scanner: the agent loop, the readers of data and the reading of predictions share it. What we write
ourselves is exact, and read by `record.py` and the fast path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from swiftagent.errors import RowError
from swiftagent.trajectory.read_loose import closing_index, keyword_arguments, read_arguments, read_loose

Kind = Literal["thought", "action", "input", "observation", "answer", "path"]
# KnowAgent's ActionPath: the model repeats the path so far before it thinks.
_SPELLINGS: dict[Kind, tuple[str, ...]] = {
    "thought": ("thought", "思考", "想法"),
    "action": ("action", "行动", "动作"),
    "input": ("action input", "action_input", "actioninput", "行动输入", "动作输入"),
    "observation": ("observation", "观察", "观察结果", "结果", "执行结果"),
    "answer": ("final answer", "final_answer", "最终答案", "最终回答"),
    "path": ("actionpath",),
}
_RESULT_OF_CALL = ("结果", "执行结果")
_KINDS = {word: kind for kind, words in _SPELLINGS.items() for word in words}
_WORDS = "|".join(sorted(_KINDS, key=len, reverse=True))
_COLON = r"(?:\*\*|__)? *[:：](?:\*\*|__)?"
# A literal first character keeps this regex fast: a newline is set before the text.
_LABEL = re.compile(rf"\n([ \t]*(?:\*\*|__|#{{1,4}} ?|> ?)?)({_WORDS})( ?\d{{1,3}})?{_COLON}", re.I)
_INPUT_INLINE = re.compile(rf"[,;，；]? *(?:\baction input|行动输入|动作输入){_COLON}", re.I)
# LlamaIndex; a result may hold such a line too, a thought does not.
_ANSWER_OF_THOUGHT = re.compile(r"\nAnswer[:：]")
# LangChain's and Dify's `{"action": NAME, "action_input": ...}` without a label.
_BLOB_LINE = re.compile(r"\n[ \t]*(?:```\w*\s*)?(?=\{\s*\"action(?:_input)?\")")
_BLOB_NAMES = ("action", "tool", "name")
_BLOB_INPUTS = ("action_input", "arguments", "args", "parameters", "input")
_BLOB = re.compile(r"\s*(?:```\w*\s*)?(?=\{)")
_BRACKETS = re.compile(r"([^\W\d][\w.:/ -]{0,60}?)\s*[\[(](.*)[\])]\s*\Z", re.S)
_FENCED = re.compile(r"```(\w+)\n(.*?)\n?```\s*\Z", re.S)
# LlamaIndex: `Action Input: PlusTool({...})`.
_WRAPPED = re.compile(r"\s*[\w.]+\((\{.*\})\)\s*\Z", re.S)
_QUOTES = (("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"), ("<", ">"), ("[", "]"))
FINISH = frozenset(("finish", "final_answer", "final answer", "answer"))
NO_TOOL = frozenset(("", "none", "n/a", "null", "no action", "无", "无需", "不需要"))


class Section(NamedTuple):
    """A labelled part of a text: `start` of its label, and the value between `value` and `end`."""

    kind: Kind
    start: int
    value: int
    end: int


class Action(NamedTuple):
    """What an action asks for. `tool`: "" where none is called. given: text, or a JSON value. rest: text that stands
    behind it where nothing should. written: with an "input" label, as a JSON "blob", `name[argument]` ("brackets"), a
    code "fence", or with its input on the lines "below"."""

    tool: str
    given: Any
    rest: str
    written: Literal["input", "blob", "brackets", "fence", "below"]

    @property
    def is_none(self) -> bool:
        return self.tool.lower() in NO_TOOL

    @property
    def is_finish(self) -> bool:
        return self.tool.lower() in FINISH


def labels(text: str, at: int = 0) -> Iterator[Section]:
    """The labels of a text in order; each section ends where its label does. An Action Input reaches over labels that
    stand inside its JSON.

    A text has one spelling of its labels: what is plain in one is text where they are bold, numbered, indented or
    Chinese, and the other way round. An answer may hold `**Action:**` or `行动：` in a line of its own.
    """
    padded = "\n" + text
    spelling: tuple[str, bool, bool] | None = None
    kind: Kind | None = None
    while (found := _LABEL.search(padded, at)) is not None:
        at = found.end()
        if spelling is None:
            spelling = _spelling_of_text(padded, found.start())
        if _spelling(found) != spelling:
            continue
        # An answer may have a line `结果：` of its own; a tool's result stands right behind the input.
        if found[2] in _RESULT_OF_CALL and kind != "input":
            continue
        kind = _KINDS[found[2].lower()]
        yield Section(kind, found.start(), at - 1, at - 1)
        if kind == "action":
            line_end = padded.find("\n", at)
            inline = _INPUT_INLINE.search(padded, at, len(padded) if line_end < 0 else line_end)
            if inline is not None:
                kind, at = "input", inline.end()
                yield Section(kind, inline.start() - 1, at - 1, at - 1)
        # JSON may hold text with labels of its own, such as a prompt for another model.
        if kind == "input":
            at = max(at, closing_index(padded, at) or 0)


def starts_with_label(text: str) -> bool:
    """Whether a text begins as a ReAct step does."""
    first = next(labels(text.lstrip()), None)
    return first is not None and first.start == 0 and first.kind in ("thought", "action", "answer")


def _spelling(found: re.Match[str]) -> tuple[str, bool, bool]:
    return found[1], found[3] is not None, found[2].isascii()


def _spelling_of_text(padded: str, at: int) -> tuple[str, bool, bool]:
    """That of its labels that are plain; without one, that of the first which is no result's or begins the text."""
    plain = ("", False, True)
    first: tuple[str, bool, bool] | None = None
    for found in _LABEL.finditer(padded, at):
        if _spelling(found) == plain:
            return plain
        if first is None and (found.start() == 0 or _KINDS[found[2].lower()] != "observation"):
            first = _spelling(found)
    return first or plain


def sections(text: str) -> list[Section]:
    """The labelled parts of a text; LlamaIndex's `Answer:` below a last thought and a JSON blob without a label count
    as such."""
    found = list(labels(text))
    if not found or found[-1].kind == "thought":
        found += _unlabelled_part(text, found[-1].value if found else 0)
    ends = [*(section.start for section in found[1:]), len(text)]
    return [section._replace(end=end) for section, end in zip(found, ends, strict=False)]


def _unlabelled_part(text: str, start: int) -> list[Section]:
    if '"action_input"' in text[start:] and (blob := _BLOB_LINE.search("\n" + text, start)):
        return [Section("action", blob.start(), blob.start(), len(text))]
    answer = _ANSWER_OF_THOUGHT.search(text, start) if start else None
    return [Section("answer", answer.start(), answer.end(), len(text))] if answer else []


def read_action(line: str, given: str | None) -> Action:
    """What an Action label asks for, with the text of its Action Input where it has one.

    Raises RowError("not-json", ...) for a blob that cannot be read.
    """
    if (blob := _read_blob(line)) is not None:
        return blob
    if given is not None:
        name, _, rest = line.strip().partition("\n")
        name = _unquoted(name).rstrip(" ,;，；。")
        described = _BRACKETS.match(name)  # LlamaIndex: `add (adds two numbers)`
        wrapped = _WRAPPED.match(given)
        return Action(described[1] if described else name, wrapped[1] if wrapped else given, rest.strip(), "input")
    fenced = _FENCED.match(line.strip())
    # Code where a name belongs, as of a shell agent: its language is the tool.
    if fenced:
        name = "" if fenced[1].lower() == "json" else fenced[1]
        return Action(name, {"input": fenced[2]}, "", "fence")
    name = _unquoted(line.strip())
    if brackets := _BRACKETS.match(name):
        return Action(brackets[1].strip(), _of_brackets(brackets[2]), "", "brackets")
    name, _, below = name.partition("\n")
    below = below.strip()
    return Action(_unquoted(name).rstrip(" ,;，；。"), _of_brackets(below) if below else {}, "", "below")


def _of_brackets(text: str) -> Any:
    """JSON and keyword arguments are read; any other text is one argument."""
    if text.lstrip()[:1] in ("{", "`"):
        return text
    named = keyword_arguments(text) if "=" in text else None
    return {"input": text} if named is None and text else named or {}


def _read_blob(line: str) -> Action | None:
    """Read a JSON object that names a tool and its input, fenced or not; None where the text is anything else."""
    found = _BLOB.match(line)
    if found is None or not any(f'"{key}"' in line for key in _BLOB_NAMES):
        return None
    end = closing_index(line, found.end()) or -1
    text = line[found.end() : end] if end > 0 else line[found.end() :].strip().removesuffix("```")
    value = read_loose(text.strip())[0]
    name = next((value[key] for key in _BLOB_NAMES if isinstance(value.get(key), str)), None)
    if name is None:
        return None
    rest = line[end:].strip().removeprefix("```").strip() if end > 0 else ""
    return Action(name.strip(), next((value[key] for key in _BLOB_INPUTS if key in value), None), rest, "blob")


def _unquoted(name: str) -> str:
    name = name.strip()
    for opening, closing in _QUOTES:
        if name.startswith(opening) and name.endswith(closing) and len(name) > len(opening) + len(closing):
            name = name[len(opening) : -len(closing)].strip()
    return name.strip("`*\"' ")


def final_text(given: Any) -> str:
    """The answer that `finish` was given, as text or in an object (ToolLLaMA: {"return_type", "final_answer"})."""
    value = given
    if isinstance(given, str) and given.lstrip()[:1] in ("{", "`"):
        with suppress(RowError):
            value = read_arguments(given)[0]
    if isinstance(value, dict):
        value = value.get("final_answer", next(iter(value.values())) if len(value) == 1 else given)
    return value.strip() if isinstance(value, str) else str(given).strip()
