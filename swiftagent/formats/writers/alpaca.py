"""Alpaca: instruction, output, system and history; a row with tools is ReAct text, calls and results in one output."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.writers.losses import react_losses
from swiftagent.formats.writers.turns import StepTurn, turns_of, with_thinking
from swiftagent.trajectory.escape import (
    hide_control_tokens,
    indent_keywords,
    parse_json_text,
    show,
    show_control_tokens,
)
from swiftagent.trajectory.prompts import PromptStyle, split_prompt
from swiftagent.trajectory.react import NO_THOUGHT
from swiftagent.trajectory.react import render as render_spans
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Span, System, Thought, Trajectory

# Text from data is indented where it starts with a keyword, so that a line which starts with one is always a label.
_LABEL = re.compile(r"^(Thought|Action|Action Input|Observation|Final Answer):(?: |$)", re.M)


def render(
    trajectory: Trajectory, prompt: PromptStyle = "auto", language: str = "auto"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row, and what the format could not hold: it has no masks, so results are trained."""
    if not trajectory.is_agentic:
        return _render_chat(trajectory)
    system = ""
    pairs: list[list[str]] = []
    losses = list(react_losses(trajectory, prompt))
    for span in render_spans(trajectory, prompt, language):
        if span.role == "system":
            losses += ["system-joined"] if system or pairs else []
            system = f"{system}\n\n{span.text}" if system else span.text
        elif span.role == "user":
            _ask(pairs, span.text, losses)
        else:
            losses += ["mask-lost"] if not span.trained and span.kind != "observation" else []
            pairs = pairs or [["", ""]]
            _append(pairs[-1], span)
    if any(type(event) is Observation for event in trajectory.events):
        losses.append("results-trained")
    return _row(trajectory, system, pairs), tuple(losses)


def _render_chat(trajectory: Trajectory) -> tuple[dict[str, Any], tuple[str, ...]]:
    system: list[str] = []
    pairs: list[list[str]] = []
    losses: list[str] = []
    for turn in turns_of(trajectory.events):
        match turn:
            case System(text=text):
                losses += ["system-joined"] if system or pairs else []
                system.append(hide_control_tokens(text))
            case Question(text=text):
                _ask(pairs, hide_control_tokens(text), losses)
            case StepTurn():
                losses += ["mask-lost"] if not turn.trained else []
                pairs = pairs or [["", ""]]
                losses += ["turns-joined"] if pairs[-1][1] else []
                said = with_thinking(hide_control_tokens(turn.thought), hide_control_tokens(turn.text))
                pairs[-1][1] += f"\n\n{said}" if pairs[-1][1] else said
    return _row(trajectory, "\n\n".join(system), pairs), tuple(losses)


def _ask(pairs: list[list[str]], text: str, losses: list[str]) -> None:
    if pairs and not pairs[-1][1]:
        pairs[-1][0] += f"\n\n{text}"
        losses.append("turns-joined")
    else:
        pairs.append([text, ""])


def _row(trajectory: Trajectory, system: str, pairs: list[list[str]]) -> dict[str, Any]:
    *history, (question, answer) = pairs or [["", ""]]
    return {
        "instruction": question,
        "input": "",
        "output": answer,
        "system": system,
        "history": history,
        "id": trajectory.id,
    }


def _append(pair: list[str], span: Span) -> None:
    text = span.text
    if span.kind == "observation":
        text = f" {indent_keywords(text[1:-1])}\n"
    elif pair[1] and not pair[1].endswith(("\n", "\n\n")):  # a second answer of one turn
        text = f"\n{text}"
    pair[1] += text


def is_written(row: Any) -> bool:
    """Whether it is a row with tools that `render` wrote, as far as the text shows."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("system"), str)
        and "output" in row
        and split_prompt(row["system"]) is not None
    )


def parse(row: dict[str, Any]) -> Trajectory:
    """Read a row with tools that `render` wrote, exactly. Raises RowError("bad-message", ...) where it is not one."""
    split = split_prompt(row["system"])
    own, tools = split if split is not None else ("", ())
    events: list[Event] = [System(own)] if own else []
    for question, answer in [*row.get("history", []), (row["instruction"], row["output"])]:
        if question:
            events.append(Question(show_control_tokens(question)))
        events += _events(answer, sum(type(event) is Call for event in events))
    return Trajectory(tuple(events), tools, str(row.get("id") or ""))


def _events(text: str, calls: int) -> list[Event]:
    events: list[Event] = []
    name = ""
    labels = list(_LABEL.finditer(text))
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
