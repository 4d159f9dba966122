"""Native tool calls in place of ReAct text: messages with ms-swift's tool_call and tool_response roles.

What the model sees is written by the writer of `convert --to native`, and what it writes is read by the reader of data,
which knows the call marks of all model families; some agent templates write ReAct text, which its own reader reads.
"""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers.openai import parse
from swiftagent.formats.reading.builder import Builder, calls_in_text
from swiftagent.formats.reading.tags import TAGS, read_tag_text
from swiftagent.formats.writers.native import render
from swiftagent.trajectory.escape import show_control_tokens
from swiftagent.trajectory.order import settle
from swiftagent.trajectory.read_step import Step, read_step, split_reasoning
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought, Tool, Trajectory, with_trained

END_NOW = "Give your final answer now, without calling a tool."
# The name in a call that cannot be read.
_NAME = re.compile(
    r'"name"\s*:\s*"([^"]+)"|<function=([^>\n]+)|invoke name="([^"]+)"|functions\.(\w+)'
    r"|\[TOOL_CALLS\]\s*([A-Za-z_][\w.\-]*)|<tool_call>\s*([A-Za-z_][\w.\-]*)"
)

# Where calls without marks may stand: in a fence, or as `[f(a=1)]`.
_BARE = re.compile(r"```\w*\n(.*?)\n?```|\[[A-Za-z_][\w.]*\([^\n]*?\)\]", re.S)


class Native:
    """Calls as the model's own agent template writes them."""

    stop = ""

    def ending(self, conversation: Trajectory) -> Message:
        return {"role": "user", "content": END_NOW}

    def messages(self, conversation: Trajectory) -> list[Message]:
        return native_messages(conversation.events)

    def read(self, text: str, tools: tuple[Tool, ...] = ()) -> Step:
        """What stands before the first call is said beside it; without a call everything is the answer."""
        step = read_marked(text, tools)
        if step is not None:
            return step
        names = [tool.name for tool in tools]
        labelled = read_step(text, names)
        if labelled.calls and all(call.tool in names for call in labelled.calls):
            return labelled
        reasoning, rest = split_reasoning(text)
        return Step(answer=show_control_tokens(rest.strip()) or None, reasoning=reasoning)


def native_messages(events: tuple[Event, ...]) -> list[Message]:
    """Events as ms-swift's messages, by the writer that wrote the training data."""
    return list(render(Trajectory(events))[0]["messages"])


def sent_before(row: dict[str, Any], step: int) -> tuple[list[Message], tuple[Tool, ...]]:
    """The messages and tools that `infer --native` sends before message `step` of a native row: read as events and
    written again. Weights of steps are no part of it: when it serves, a model's own steps are all alike."""
    read = parse({**row, "messages": row["messages"][:step]})
    events = settle(tuple(with_trained(event, True) for event in read.events) + (Answer("."),), [])
    return native_messages(events[:-1]), read.tools


def holds_mark(text: str) -> bool:
    """Whether a call may stand in a text in some family's marks."""
    return any(mark in text for mark in TAGS)


def read_marked(text: str, tools: tuple[Tool, ...] = ()) -> Step | None:
    """A step whose calls, reasoning and answer stand in the marks of any model family, as the reader of data reads
    them; None where it holds neither a mark nor a call.

    Calls without marks (JSON, `[f(a=1)]`, GLM-4's name above JSON) count where each names a declared tool. A call that
    cannot be read is one with a problem, and keeps its name.
    """
    # The reader of training data, so that a call that can be trained can be run.
    builder = Builder(tools)
    head, _, rest = text.partition("</think>")
    # Templates open the reasoning themselves, and a call in it is only thought of.
    if "<think>" not in head and holds_mark(rest):
        text = f"<think>{text}"
    try:
        if holds_mark(text):
            read_tag_text(builder, text)
        else:
            _read_bare_calls(builder, split_reasoning(text)[1])
    except RowError as error:
        return _unreadable(text, error.message)
    return _step_of(builder, text) if builder.events else None


def _read_bare_calls(builder: Builder, text: str) -> None:
    """Calls that are all of a text, or stand in it in code fences or brackets."""
    names = {tool.name for tool in builder.tools}
    place = 0
    for start, end, body in ((0, len(text), text), *((m.start(), m.end(), m[1] or m[0]) for m in _BARE.finditer(text))):
        found = calls_in_text(body.strip())
        if start < place or not found or any(name not in names for name, _, _ in found):
            continue
        builder.say(text[place:start].strip(), True)
        for name, arguments, id in found:
            builder.call(name, arguments, id)
        place = end


def _step_of(builder: Builder, text: str) -> Step:
    kinds = [type(event) for event in builder.events]
    end = kinds.index(Observation) if Observation in kinds else len(kinds)
    calls = tuple(Call(event.tool, event.arguments) for event in builder.events[:end] if isinstance(event, Call))
    if "mended-json" in builder.repairs:
        return _unreadable(text, "it is not JSON")
    reasoning, said = split_reasoning(text)[0], ""
    for event in builder.events[: kinds.index(Call) if calls else end]:
        if isinstance(event, Thought) and not event.said:
            reasoning = event.text
        elif isinstance(event, (Thought, Answer)):
            said = f"{said}\n{event.text}".strip()
    notes = (*dict.fromkeys(builder.repairs), *(["invented-observation"] if end < len(kinds) else []))
    if not calls:
        return Step("", (), said or None, reasoning, notes)
    return Step(said, calls, None, reasoning, notes, said=True)


def _unreadable(text: str, problem: str) -> Step:
    reasoning, rest = split_reasoning(text)
    found = _NAME.search(rest)
    name = next((group for group in found.groups() if group), "") if found else ""
    return Step("", (Call(name, {"input": rest.strip()}),), None, reasoning, ("broken-json",), True, problem)
