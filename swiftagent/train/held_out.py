"""Held-out questions that a run is scored on: the calls and the chat of its own validation split. And by them
`adapter_scale: auto`: how strongly a LoRA is applied, chosen after training.

A weaker adapter forgets less; how much weaker it may be before its calls suffer is measured. The scale is written into
`lora_alpha` and `alpha_pattern` of the checkpoint, so whatever loads or merges it applies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from swiftagent.agent.loop import Grammar, ReAct, next_step
from swiftagent.agent.native import Native
from swiftagent.convert.reading import read_trajectories
from swiftagent.io.jsonl import write_json
from swiftagent.io.rows import read_rows
from swiftagent.io.shipped import shipped
from swiftagent.models.files import read_object
from swiftagent.scores.calls import DecisionPoint, steps_of
from swiftagent.scores.gate import parse_gate
from swiftagent.scores.metrics import score_step
from swiftagent.scores.reading import predicted_from_step
from swiftagent.trajectory.style import prompt_style
from swiftagent.trajectory.types import Trajectory

BATCH = 16
BEST_BY = "calls_then_loss"  # the metric that decides which checkpoint is the best where calls are scored
STEP_TOKENS = 256  # of a call with its thought


class HeldOut(NamedTuple):
    """First steps of held-out rows: those with gold calls, and the answers of plain chat. grammar: calls are asked for
    as the rows are trained."""

    calls: list[DecisionPoint]
    chats: list[DecisionPoint]
    grammar: Grammar


def read_held_out(files: Iterable[str], most: int) -> HeldOut:
    """At most `most` of each kind, spread over all rows of the files. Raises RowError where a file cannot be read."""
    names = list(files)
    rows = list(chain.from_iterable(map(read_rows, names)))
    is_native = any(isinstance(row.value, dict) and "tools" in row.value for row in rows)
    kinds: tuple[list[DecisionPoint], list[DecisionPoint]] = ([], [])
    for row in read_trajectories(rows, reject=lambda _: None):
        step = next(steps_of(row), None)
        if step and (step.calls or not row.is_agentic):
            # A new name is meant to be learnt: its likelihood is no measure of forgetting.
            kinds[not step.calls].extend([step] if step.calls or row.channel == "general" else [])
    counts = [min(most, len(kind)) for kind in kinds]
    calls, chats = (
        [kind[index * len(kind) // count] for index in range(count)] for kind, count in zip(kinds, counts, strict=True)
    )
    return HeldOut(calls, chats, Native() if is_native else ReAct(prompt_style(names) or "auto"))


def call_exact(engine: Any, steps: Sequence[DecisionPoint], grammar: Grammar) -> float:
    """The share of gold's calls that the model makes exactly, greedily and in batches."""
    made, gold = 0.0, 0
    for start in range(0, len(steps), BATCH):
        part = steps[start : start + BATCH]
        asked = [next_step(grammar, Trajectory(step.context, step.tools), STEP_TOKENS) for step in part]
        for step, written in zip(part, engine.write_together(asked), strict=True):
            score = score_step(step, predicted_from_step(grammar.read(written.text, step.tools), written.text))
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
CONFIG = "adapter_config.json"
ALPHAS = ("lora_alpha", "alpha_pattern")


class ScaleTrial(msgspec.Struct, frozen=True):
    """One scale measured: the share of exact calls, and the rise of bits per byte of chat over the base (None: no
    chat)."""

    scale: float
    call_exact: float
    rise: float | None


def choose_scale(trials: Iterable[ScaleTrial], limit: float) -> ScaleTrial:
    """The best call score among scales that rise by at most `limit`, of equal ones the weakest, or the strongest where
    not one call is exact; where every one rises by more, the one that rises least."""
    tried = sorted(trials, key=lambda trial: trial.scale)
    kept = [trial for trial in tried if trial.rise is None or trial.rise <= limit]
    if not kept:
        return min(tried, key=lambda trial: trial.rise or 0.0)
    # Without a call nothing says that a weaker one is as good.
    return max(kept, key=lambda trial: trial.call_exact) if any(trial.call_exact for trial in kept) else kept[-1]


def forgetting_limit(gate: Any) -> float:
    """The rise of bits per byte that a config's gate allows; infinite where it has no such rule."""
    limits = [rule.limit for rule in parse_gate(gate) if (rule.metric, rule.kind) == ("bits_per_byte", "rise")]
    return min(limits, default=float("inf"))


def scale_checkpoint(
    checkpoint: Path, files: Iterable[str], gate: Any, tried: Callable[[int, int], None], **loading: Any
) -> dict[str, Any]:
    """Measure a LoRA checkpoint at every scale and write the best into its adapter_config.json, once; returns what was
    tried and chosen. Where no chat is held out, that of `eval` measures forgetting. tried: called with how many scales
    are, and of how many. Raises SetupError where it cannot be loaded."""
    from swiftagent.backend.engine import load_engine

    config = read_object(checkpoint / CONFIG)
    if not (found := read_object(checkpoint / RECORD)):
        held = read_held_out(files, QUESTIONS)
        chats = held.chats or read_held_out([str(shipped("datasets") / "general_heldout.jsonl")], QUESTIONS).chats
        engine = load_engine(None, str(checkpoint), **loading)
        try:
            trials = _measured(engine, held._replace(chats=chats), int(config["lora_alpha"]), tried)
        finally:
            engine.close()
        chosen, trained = choose_scale(trials, forgetting_limit(gate)), {name: config.get(name) for name in ALPHAS}
        found = {"scale": chosen.scale, "tried": msgspec.to_builtins(trials), "trained": trained}
        write_json(checkpoint / RECORD, found)
    # From what was trained, so that it is scaled once however often this is called.
    write_json(checkpoint / CONFIG, scaled({**config, **found["trained"]}, found["scale"]))
    return found


def as_trained(checkpoint: Path) -> None:
    """Take the scale off a checkpoint, from which training resumes at the strength that it had."""
    if found := read_object(checkpoint / RECORD):
        write_json(checkpoint / CONFIG, {**read_object(checkpoint / CONFIG), **found["trained"]})
        (checkpoint / RECORD).unlink()


def _measured(engine: Any, held: HeldOut, alpha: int, tried: Callable[[int, int], None]) -> list[ScaleTrial]:
    # PEFT types lora_alpha as a whole number.
    scales = list(dict.fromkeys(max(1, round(alpha * wanted)) / alpha for wanted in SCALES))
    tried(0, len(scales))
    before = bits_per_byte(engine.without_adapter(), held.chats)
    layers = [part.scaling for part in engine.model.modules() if isinstance(getattr(part, "scaling", None), dict)]
    full = [dict(layer) for layer in layers]
    trials: list[ScaleTrial] = []
    for scale in scales:
        for layer, scaling in zip(layers, full, strict=True):
            layer.update({name: value * scale for name, value in scaling.items()})
        after = bits_per_byte(engine, held.chats)
        rise = None if after is None or before is None else after - before
        trials.append(ScaleTrial(scale, call_exact(engine, held.calls, held.grammar), rise))
        tried(len(trials), len(scales))
    return trials


def scaled(config: dict[str, Any], scale: float) -> dict[str, Any]:
    """An adapter_config with every alpha times `scale`."""
    patterns = {name: alpha * scale for name, alpha in (config.get("alpha_pattern") or {}).items()}
    return {**config, "lora_alpha": round(config["lora_alpha"] * scale), "alpha_pattern": patterns}
