"""The turns of a prompt as one text, in the templates of model families whose turns begin with marks of their own:
Mistral, DeepSeek, Kimi, MiniMax, Granite, Command R, EXAONE, Nemotron, Llama 4.

Each mark begins a turn of the role that stands beside it; what follows is said in that turn until the next mark. A text
with words outside its turns, or in which one speaker has two turns in a row, is in no such template: a mark that
somebody only speaks of is not distinguished from a real one.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any, NamedTuple

Turn = dict[str, Any]


class Template(NamedTuple):
    """A family's marks: `start` is how its prompts begin, `mark` begins a turn. The group of `mark` is named for the
    role, or is `role` and holds it; a mark without a group is one of a role that nobody knows. `end` closes a turn;
    where it is no control token, one of the model alone, and it may stand in a text."""

    start: re.Pattern[str]
    mark: re.Pattern[str]
    end: str
    is_token: bool = True


_ROLES = {"available_tools": "tools", "tool_declare": "tools", "chatbot": "assistant", "ai": "assistant"}
_TEMPLATES = (
    Template(  # Mistral
        re.compile(
            r"\[(?:AVAILABLE_TOOLS|SYSTEM_PROMPT)\]|\[INST\](?=.*\[/INST\]\s*\[TOOL_CALLS\]\s*(?:\[\{|\w+\[))", re.S
        ),
        re.compile(
            r"(?P<tools>\[AVAILABLE_TOOLS\])|(?P<system>\[SYSTEM_PROMPT\])|(?P<user>\[INST\])"
            r"|(?P<assistant>\[/INST\]|\[/TOOL_RESULTS\])|(?P<tool>\[TOOL_RESULTS\])"
            r"|(?P<nobody>\[/(?:AVAILABLE_TOOLS|SYSTEM_PROMPT)\])"
        ),
        "</s>",
        is_token=False,
    ),
    Template(  # DeepSeek: the system text has no mark but that of the text's begin
        re.compile(r"(?<=<｜begin▁of▁sentence｜>)(?=.*<｜User｜>)|<｜User｜>", re.S),
        re.compile(
            r"(?P<system>\A\s*<｜begin▁of▁sentence｜>)|(?P<user><｜User｜>)"
            r"|(?P<assistant><｜Assistant｜>|<｜tool▁output▁end｜>(?:<｜tool▁outputs▁end｜>)?)"
            r"|(?P<tool>(?:<｜tool▁outputs▁begin｜>)?<｜tool▁output▁begin｜>)"
        ),
        "<｜end▁of▁sentence｜>",
    ),
    Template(  # Kimi: a tool speaks as a system of its own name
        re.compile(r"<\|im_(?:system|user)\|>"),
        re.compile(
            r"<\|im_system\|>(?P<tools>tool_declare)<\|im_middle\|>|<\|im_system\|>(?P<system>system)<\|im_middle\|>"
            r"|<\|im_system\|>(?P<tool>[^<\n]*)<\|im_middle\|>(?:## Return of [^\n]*\n)?"
            r"|<\|im_(?!end\|)(?:(?P<role>\w+)\|>[^<\n]*<\|im_middle\|>)?"
        ),
        "<|im_end|>",
    ),
    Template(
        re.compile(r"\]~!b\[|\]~b\]"), re.compile(r"(?:\]~!b\[)?\]~b\](?:(?P<role>\w+)[^\n]*\n)?"), "[e~["
    ),  # MiniMax
    Template(  # Granite
        re.compile(r"<\|start_of_role\|>"),
        re.compile(r"<\|start_of_role\|>(?:(?P<role>\w+)[^<\n]*<\|end_of_role\|>)?"),
        "<|end_of_text|>",
    ),
    Template(  # Command R: a tool speaks as the system
        re.compile(r"<\|START_OF_TURN_TOKEN\|>"),
        re.compile(
            r"<\|START_OF_TURN_TOKEN\|>(?:<\|SYSTEM_TOKEN\|>(?P<tool>)(?=\s*(?:<results>|<\|START_TOOL_RESULT\|>))"
            r"|<\|(?P<role>\w+)_TOKEN\|>)?"
        ),
        "<|END_OF_TURN_TOKEN|>",
    ),
    Template(  # EXAONE
        re.compile(r"\[\|(?:system|user)\|\]"), re.compile(r"\[\|(?!endofturn)(?P<role>\w+)\|\]"), "[|endofturn|]"
    ),
    Template(  # Nemotron: a tool speaks as the user
        re.compile(r"<SPECIAL_1[01]>"),
        re.compile(r"<SPECIAL_11>(?P<tool>User)\n(?=\s*<TOOL_RESPONSE>)|<SPECIAL_1[01]>(?:(?P<role>\w+)\n)?"),
        "<SPECIAL_12>",
    ),
    Template(  # Llama 4
        re.compile(r"<\|header_start\|>"),
        re.compile(r"(?:<\|e[om][tm]\|>\s*)?<\|header_start\|>(?:(?P<role>\w+)<\|header_end\|>)?"),
        "<|eot|>",
    ),
)
_AROUND_RESULTS = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("tool_response", "response", "results", "result", "tool_result")),
    *(("<TOOL_RESPONSE>", "</TOOL_RESPONSE>"), ("<|START_TOOL_RESULT|>", "<|END_TOOL_RESULT|>")),
)
_RESULT_KEYS = {"content": "content", "name": "name", "tool_call_id": "tool_call_id", "call_id": "tool_call_id"}


def template_of(text: str, place: int) -> Template | None:
    """The template in which a text is written; place: behind the mark with which any text may begin."""
    return next((one for one in _TEMPLATES if one.start.match(text, place)), None)


def turns_of(template: Template, text: str, place: int) -> list[Turn]:
    """The turns of a text from `place` on; declared tools are a turn of the role `tools`. [] where the text is in no
    template."""
    marks = list(template.mark.finditer(text))
    ends = [one.start() for one in marks[1:]] + [len(text)]
    roles = list(map(_role, marks))
    said = [_said(template, role, text[one.end() : end]) for one, role, end in zip(marks, roles, ends, strict=True)]
    spoken = [(role, words) for role, words in zip(roles, said, strict=True) if words]
    twice = any(first == then and first in ("user", "assistant") for (first, _), (then, _) in pairwise(spoken))
    outside = any(role == "nobody" or (template.is_token and template.end in words) for role, words in spoken)
    if not marks or marks[0].start() > place or twice or outside:
        return []
    turns: list[Turn] = []
    for role, words in spoken:
        turns += _results(words) if role == "tool" else [{"role": role, "content": words}]
    return turns


def _role(mark: re.Match[str]) -> str:
    group = mark.lastgroup or "unnamed"
    word = mark[group].lower() if group == "role" else group
    return _ROLES.get(word, word)


def _said(template: Template, role: str, text: str) -> str:
    said = text.strip()
    return said.removesuffix(template.end).strip() if template.is_token or role == "assistant" else said


def _results(said: str) -> list[Turn]:
    """What tools gave, without the tags or the JSON around it."""
    around = next(((first, last) for first, last in _AROUND_RESULTS if said.startswith(first)), ("", ""))
    text = said.removeprefix(around[0]).removesuffix(around[1]).strip() if said.endswith(around[1]) else said
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [{"role": "tool", "content": text}]
    items = value if isinstance(value, list) else [value]
    if not items or not all(
        isinstance(item, dict) and "content" in item and item.keys() <= _RESULT_KEYS.keys() for item in items
    ):
        return [{"role": "tool", "content": text}]
    return [{"role": "tool", **{_RESULT_KEYS[key]: given for key, given in item.items()}} for item in items]
