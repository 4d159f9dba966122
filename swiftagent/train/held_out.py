"""Held-out questions that a run is scored on: the calls and the chat of its own validation split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec

from swiftagent.agent.loop import Generate, ReAct
from swiftagent.convert.reading import read_trajectories
from swiftagent.io.rows import read_rows
from swiftagent.scores.calls import DecisionPoint, steps_of
from swiftagent.scores.metrics import score_step
from swiftagent.scores.reading import predicted_from_text
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.style import prompt_style
from swiftagent.trajectory.types import Trajectory

BATCH = 16
STEP_TOKENS = 256  # of a call with its thought


class HeldOut(msgspec.Struct, frozen=True):
    """First steps of held-out rows: those with gold calls, and the answers of plain chat."""

    calls: list[DecisionPoint]
    chats: list[DecisionPoint]
    prompt: PromptStyle


def read_held_out(files: Iterable[str], most: int) -> HeldOut:
    """At most `most` of each kind, spread over all rows of the files. Raises RowError where a file cannot be read."""
    names = list(files)
    rows = read_trajectories(chain.from_iterable(map(read_rows, names)), reject=lambda _: None)
    kinds: tuple[list[DecisionPoint], list[DecisionPoint]] = ([], [])
    for row in rows:
        step = next(steps_of(row), None)
        if step and (step.calls or not row.is_agentic):
            # A new name is meant to be learnt: its likelihood is no measure of forgetting.
            kinds[not step.calls].extend([step] if step.calls or row.channel == "general" else [])
    calls, chats = (_spread(kind, min(most, len(kind))) for kind in kinds)
    return HeldOut(calls, chats, prompt_style(names) or "auto")


def _spread(steps: list[DecisionPoint], count: int) -> list[DecisionPoint]:
    return [steps[index * len(steps) // count] for index in range(count)]


def call_exact(engine: Any, steps: Sequence[DecisionPoint], prompt: PromptStyle) -> float:
    """The share of gold's calls that the model makes exactly, greedily and in batches."""
    grammar, made, gold = ReAct(prompt), 0.0, 0
    for start in range(0, len(steps), BATCH):
        part = steps[start : start + BATCH]
        prompts = (grammar.messages(Trajectory(step.context, step.tools)) for step in part)
        asked = [Generate(prompt, grammar.stop, STEP_TOKENS, 0.0) for prompt in prompts]
        for step, written in zip(part, engine.write_together(asked), strict=True):
            score = score_step(step, predicted_from_text(written.text, tools=step.tools))
            made, gold = made + sum(call.exact for call in score.calls), gold + len(score.calls)
    return made / max(1, gold)


def bits_per_byte(engine: Any, chats: Sequence[DecisionPoint]) -> float | None:
    """What the model needs for a byte of held-out chat answers; None where there are none."""
    from swiftagent.backend.likelihood import answer_bits

    bits = size = 0.0
    for step in chats:
        text = step.answer or ""
        if (found := answer_bits(engine, ReAct().messages(Trajectory(step.context)), text)) is not None:
            bits, size = bits + found, size + len(text.encode())
    return bits / size if size else None
