"""Held-out questions that a run is scored on: the calls and the chat of its own validation split. And by them
`adapter_scale: auto`: how strongly a LoRA is applied, chosen after training.

A weaker adapter forgets less; how much weaker it may be before its calls suffer is measured. The scale is written into
`lora_alpha` and `alpha_pattern` of the checkpoint, so whatever loads or merges it applies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.agent.loop import Generate, ReAct
from swiftagent.convert.reading import read_trajectories
from swiftagent.io.jsonl import write_json
from swiftagent.io.rows import read_rows
from swiftagent.models.files import read_object
from swiftagent.scores.calls import DecisionPoint, steps_of
from swiftagent.scores.gate import parse_gate
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
    counts = [min(most, len(kind)) for kind in kinds]
    calls, chats = (
        [kind[index * len(kind) // count] for index in range(count)] for kind, count in zip(kinds, counts, strict=True)
    )
    return HeldOut(calls, chats, prompt_style(names) or "auto")


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
    bits = size = 0.0
    for step in chats:
        text = step.answer or ""
        if (found := engine.answer_bits(ReAct().messages(Trajectory(step.context)), text)) is not None:
            bits, size = bits + found, size + len(text.encode())
    return bits / size if size else None


# the scale of an adapter
# ---------------------------------------------------------------------------------------------------------------

SCALES = (1.0, 0.75, 0.5, 0.3)
QUESTIONS = 50  # of calls, and of chat
RECORD = "adapter_scale.json"  # in the checkpoint: what was tried


class ScaleTrial(msgspec.Struct, frozen=True):
    """One scale measured: the share of exact calls, and the rise of bits per byte of chat over the base (None: no
    chat)."""

    scale: float
    call_exact: float
    rise: float | None


def choose_scale(trials: Iterable[ScaleTrial], limit: float) -> ScaleTrial:
    """The best call score among scales that rise by at most `limit`, of equal ones the weakest; where every one rises
    by more, the one that rises least."""
    tried = sorted(trials, key=lambda trial: trial.scale)
    kept = [trial for trial in tried if trial.rise is None or trial.rise <= limit]
    if not kept:
        return min(tried, key=lambda trial: trial.rise or 0.0)
    return max(kept, key=lambda trial: trial.call_exact)


def forgetting_limit(gate: Any) -> float:
    """The rise of bits per byte that a config's gate allows; infinite where it has no such rule."""
    limits = [rule.limit for rule in parse_gate(gate) if (rule.metric, rule.kind) == ("bits_per_byte", "rise")]
    return min(limits, default=float("inf"))


def scale_checkpoint(checkpoint: Path, files: Iterable[str], gate: Any) -> dict[str, Any]:
    """Measure a LoRA checkpoint at every scale and write the best into its adapter_config.json, once; returns what was
    tried and chosen. Without held-out calls it stays as it is. Raises SetupError where it cannot be loaded."""
    from swiftagent.backend.engine import load_engine

    # A checkpoint that was scaled already would be scaled twice.
    if done := read_object(checkpoint / RECORD):
        return done
    config = read_object(checkpoint / "adapter_config.json")
    held = read_held_out(files, QUESTIONS)
    if not held.calls:  # nothing says what a weaker adapter would cost
        return {"scale": 1.0, "tried": []}
    engine = load_engine(None, str(checkpoint))
    try:
        trials = _measured(engine, held, int(config["lora_alpha"]))
    finally:
        engine.close()
    chosen = choose_scale(trials, forgetting_limit(gate))
    found = {"scale": chosen.scale, "tried": msgspec.to_builtins(trials)}
    write_json(checkpoint / RECORD, found)
    write_json(checkpoint / "adapter_config.json", scaled(config, chosen.scale))
    return found


def _measured(engine: Any, held: HeldOut, alpha: int) -> list[ScaleTrial]:
    before = bits_per_byte(engine.without_adapter(), held.chats)
    layers = [part.scaling for part in engine.model.modules() if isinstance(getattr(part, "scaling", None), dict)]
    full = [dict(layer) for layer in layers]
    trials = []
    for wanted in SCALES:
        scale = max(1, round(alpha * wanted)) / alpha  # PEFT types lora_alpha as a whole number
        for layer, scaling in zip(layers, full, strict=True):
            layer.update({name: value * scale for name, value in scaling.items()})
        after = bits_per_byte(engine, held.chats)
        rise = None if after is None or before is None else after - before
        trials.append(ScaleTrial(scale, call_exact(engine, held.calls, held.prompt), rise))
    return trials


def scaled(config: dict[str, Any], scale: float) -> dict[str, Any]:
    """An adapter_config with every alpha times `scale`."""
    patterns = {name: alpha * scale for name, alpha in (config.get("alpha_pattern") or {}).items()}
    return {**config, "lora_alpha": round(config["lora_alpha"] * scale), "alpha_pattern": patterns}
