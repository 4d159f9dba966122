"""Alpaca: instruction, output, system and history; a row with tools is ReAct text, calls and results in one output."""

from __future__ import annotations

from typing import Any

from swiftagent.formats.writers.losses import react_losses
from swiftagent.formats.writers.turns import StepTurn, turns_below_system, with_thinking
from swiftagent.trajectory.escape import hide_control_tokens, indent_keywords
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.react import render as render_spans
from swiftagent.trajectory.types import Observation, Question, Span, Trajectory


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
    pairs: list[list[str]] = []
    losses: list[str] = []
    system, turns = turns_below_system(trajectory, losses)
    for turn in turns:
        match turn:
            case Question(text=text):
                _ask(pairs, hide_control_tokens(text), losses)
            case StepTurn():
                pairs = pairs or [["", ""]]
                losses += ["turns-joined"] if pairs[-1][1] else []
                said = with_thinking(hide_control_tokens(turn.thought), hide_control_tokens(turn.text))
                pairs[-1][1] += f"\n\n{said}" if pairs[-1][1] else said
    return _row(trajectory, system, pairs), tuple(losses)


def _ask(pairs: list[list[str]], text: str, losses: list[str]) -> None:
    if pairs and not pairs[-1][1]:
        pairs[-1][0] += f"\n\n{text}"
        losses.append("turns-joined")
    else:
        pairs.append([text, ""])


def _row(trajectory: Trajectory, system: str, pairs: list[list[str]]) -> dict[str, Any]:
    *history, (question, answer) = pairs or [["", ""]]
    said = {"instruction": question, "input": "", "output": answer, "system": system, "history": history}
    return {**said, "id": trajectory.id}


def _append(pair: list[str], span: Span) -> None:
    text = span.text
    if span.kind == "observation":
        text = f" {indent_keywords(text[1:-1])}\n"
    elif pair[1] and not pair[1].endswith(("\n", "\n\n")):  # a second answer of one turn
        text = f"\n{text}"
    pair[1] += text
