"""ReAct text with no prompt that names tools, as chat turns or alpaca (FireAct, KnowAgent, LangChain-like data)."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers import alpaca, ms_agent
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.react_text import is_react, read_react_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tools_field, view_of
from swiftagent.trajectory.escape import parse_json_text, show, show_control_tokens
from swiftagent.trajectory.prompts import split_prompt
from swiftagent.trajectory.react import NO_THOUGHT
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory

ABOUT = (
    "ReAct text in chat turns or alpaca: `Action: search[x]`, numbered keywords, results in user turns "
    "(FireAct, KnowAgent)"
)
SAMPLE = {
    "instruction": "Who won?",
    "input": "",
    "output": "Thought: I search.\nAction: search[who won]\nObservation: Ann won.\nThought: Found.\nAction: "
    "finish[Ann]",
}

KEYS = alpaca.KEYS
# Text from data is indented where it starts with a keyword, so that a line which starts with one is always a label.
_WRITTEN_LABEL = re.compile(r"^(Thought|Action|Action Input|Observation|Final Answer):(?: |$)", re.M)


def looks_like(row: Any) -> bool:
    view = view_of(row)
    if view.style:
        return view.format == "react"
    pairs = _pairs(row)
    return pairs is not None and is_react(pairs[-1][1])


def _pairs(row: Any) -> list[tuple[str, str]] | None:
    """(question, answer) of every turn. Where the steps stand below the question in the prompt itself, beside the gold
    answer (runs of ReAct and KnowAgent), they are the answer."""
    pairs = alpaca.pairs_of(row)
    if pairs is None:
        return None
    prompt, question = row.get("prompt"), row.get("question")
    if isinstance(prompt, str) and isinstance(question, str) and question.strip():
        found = list(re.finditer(rf"Question:\s*{re.escape(question.strip())}", prompt))
        if found and is_react(prompt[found[-1].end() :]):
            return [(prompt[: found[-1].end()], prompt[found[-1].end() :].strip())]
    return pairs


def parse(row: Any) -> Trajectory:
    if view_of(row).style:
        return ms_agent.parse(row)
    if _is_written(row):
        return _read_written(row)
    pairs = _pairs(row) or []
    builder = Builder(*read_tools(tools_field(row)))
    system = alpaca.system_of(row)
    if system:
        ms_agent.read_asking(builder, system, "system")
    for question, answer in pairs:
        ms_agent.read_asking(builder, question, "user")
        read_react_text(builder, answer)
    return builder.build(row.get("id"))


def _is_written(row: Any) -> bool:
    """Whether it is a row with tools that our own writer of alpaca wrote, as far as the text shows."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("system"), str)
        and "output" in row
        and split_prompt(row["system"]) is not None
    )


def _read_written(row: dict[str, Any]) -> Trajectory:
    """Read a row with tools that our own writer of alpaca wrote, exactly. Raises RowError("bad-message")."""
    split = split_prompt(row["system"])
    own, tools = split if split is not None else ("", ())
    events: list[Event] = [System(own)] if own else []
    for question, answer in [*row.get("history", []), (row["instruction"], row["output"])]:
        if question:
            events.append(Question(show_control_tokens(question)))
        events += _written_events(answer, sum(type(event) is Call for event in events))
    return Trajectory(tuple(events), tools, str(row.get("id") or ""))


def _written_events(text: str, calls: int) -> list[Event]:
    events: list[Event] = []
    name = ""
    labels = list(_WRITTEN_LABEL.finditer(text))
    for label, following in zip(labels, [*labels[1:], None], strict=True):
        body = text[label.end() : following.start() if following else len(text)]
        body = body.removesuffix("\n") if following or label.group(1) in ("Observation", "Thought") else body
        match label.group(1):
            case "Thought":
                events.append(Thought(show(body)))
            case "Action":
                name = show_control_tokens(body)
            case "Action Input":
                try:
                    events.append(Call(name, parse_json_text(body), f"c{calls}"))
                except ValueError as error:
                    raise RowError("bad-message", f"Action Input is not JSON: {error}") from None
                calls += 1
            case "Observation":
                if following or label.end() < len(text) or text.endswith(" "):
                    events.append(Observation(show(body), f"c{calls - 1}"))
            case _:
                if events and events[-1] == Thought(NO_THOUGHT):
                    events.pop()
                events.append(Answer(show(body)))
    return events
