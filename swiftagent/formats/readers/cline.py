"""Conversations of Cline and Roo Code (api_conversation_history.json), whose calls are XML in the assistant's text.

A turn of the user answers them: `[read_file for 'a.py'] Result:` and what the tool gave. `attempt_completion` ends a
task, so its `result` is the answer (src/core/prompts/system.ts and src/core/assistant-message of cline/cline).
"""

from __future__ import annotations

import re
from typing import Any

from swiftagent.formats.readers.openai import starts_with_system
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.marks import CLINE_RESULT
from swiftagent.formats.reading.messages import as_messages, kind_of, read_message, say_plainly
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import is_trained
from swiftagent.formats.reading.view import system_field, tools_field, view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "Cline / Roo Code: calls as <read_file><path>a.py</path></read_file>, answered by `[read_file ...] Result:`"
SAMPLE = {
    "messages": [
        {"role": "user", "content": "<task>\nWhat is in a.py?\n</task>"},
        {"role": "assistant", "content": "<thinking>I look.</thinking>\n<read_file>\n<path>a.py</path>\n</read_file>"},
        {"role": "user", "content": "[read_file for 'a.py'] Result:\nprint(1)"},
        {
            "role": "assistant",
            "content": "<attempt_completion>\n<result>\nIt prints 1.\n</result>\n</attempt_completion>",
        },
    ]
}
_THINKING = re.compile(r"<thinking>\s*(.*?)\s*</thinking>\s*", re.S)
_END = "attempt_completion"
# A call that nothing answers yet: its name has two words, and its parameters are all that stands in it.
_OPEN_CALL = re.compile(r"<([a-z]+(?:_[a-z]+)+)>\s*<\w+>.*</\w+>\s*</\1>\s*\Z", re.S)
_PARAMETER = re.compile(r"\s*<(\w+)>")
# Text of files, which may hold any tag: it ends at the last closing tag.
_WHOLE = frozenset(("content", "diff", "result", "arguments"))


def looks_like(row: Any) -> bool:
    return view_of(row).format == "cline"


def parse(row: Any) -> Trajectory:
    turns = as_messages(view_of(row).messages)
    builder = Builder(*read_tools(tools_field(row)))
    system = system_field(row)
    if system is not None and not starts_with_system(turns, system):
        read_message(builder, {"role": "system", "content": system}, say_plainly)
    for turn, following in zip(turns, [*turns[1:], {}], strict=True):
        kind = kind_of(turn.get("role", turn.get("from")))
        text = _text(turn)
        found = list(CLINE_RESULT.finditer(text)) if kind == "user" else []
        if kind == "assistant":
            _read_said(builder, text, [match[1] for match in CLINE_RESULT.finditer(_text(following))], is_trained(turn))
        elif found and builder.waits_for_result:
            ends = [*(match.start() for match in found[1:]), len(text)]
            for match, end in zip(found, ends, strict=True):
                builder.result(text[match.end() : end].strip(), name=match[1])
        else:
            read_message(builder, turn, say_plainly)
    return builder.build(row.get("id") if type(row) is dict else "")


def _text(turn: dict[str, Any]) -> str:
    return as_text(turn.get("content", turn.get("value")))


def _read_said(builder: Builder, text: str, answered: list[str], trained: bool) -> None:
    """One assistant turn: its thinking, what it says, and the calls that the next turn answers."""
    for thinking in _THINKING.findall(text):
        builder.thought(thinking, trained=trained)
    text = _THINKING.sub("", text).strip()
    names = [name for name in answered if f"<{name}>" in text and name != _END]
    if not names and (unanswered := _OPEN_CALL.search(text)) and unanswered[1] != _END:
        names = [unanswered[1]]
    for name in names:
        lead, _, rest = text.partition(f"<{name}>")
        # The last of several calls may hold the tags of others in what it writes.
        inside, _, text = rest.rpartition(f"</{name}>") if len(names) == 1 else rest.partition(f"</{name}>")
        if lead.strip():
            builder.thought(lead.strip(), True, trained)
        builder.call(name, _parameters(inside), trained=trained)
    lead, closed, rest = text.partition(f"<{_END}>")
    result = _parameters(rest.rpartition(f"</{_END}>")[0]).get("result", "") if closed else ""
    said = "\n\n".join(filter(None, (lead.strip(), result)))
    if said:
        builder.say(said, False, trained)


def _parameters(inside: str) -> dict[str, str]:
    """The parameters of a call; each is text."""
    given: dict[str, str] = {}
    place = 0
    while opened := _PARAMETER.match(inside, place):
        name = opened[1]
        end = (inside.rfind if name in _WHOLE else inside.find)(f"</{name}>", opened.end())
        if end < 0:
            break
        value = inside[opened.end() : end]
        given[name] = value.removeprefix("\n").removesuffix("\n") if name in _WHOLE else value.strip()
        place = end + len(name) + 3
    return given
