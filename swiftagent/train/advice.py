"""What is not wrong but seldom meant: learning rates, thinking, templates; and what the losses of a run mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# Where a learning rate is worth a warning. Adapters learn best at about ten times the rate of full fine-tuning; in a
# sweep over models of 1B to 1T parameters 1e-3 was never too high to learn and 3e-3 mostly was (docs/training.md has
# the sources). Guides use as little as 1e-5.
USUAL_RATES = {"LoRA": (1e-5, 1e-3), "QLoRA": (1e-5, 1e-3), "full": (1e-6, 1e-4)}
TINY_MODEL = 50_000_000  # parameters below which a usual rate is far too low
FALLS = 0.98  # a loss that ends above this share of its start has not fallen
RISES = 1.03  # an evaluation loss above this multiple of its lowest has risen


def method(options: dict[str, Any]) -> str:
    """LoRA, QLoRA or full."""
    if options.get("tuner_type", "lora") == "full":
        return "full"
    return "QLoRA" if options.get("quant_bits") in (4, 8) else "LoRA"


def advice(options: dict[str, Any], parameters: int, tied: bool, thinking: int) -> Iterator[tuple[str, Any, str]]:
    """(key, whether it is so, what to say). `parameters` of the model, 0 where they are not known; `tied`: its
    embedding is its output head; `thinking`: rows with a <think> block."""
    named = method(options)
    low, high = USUAL_RATES[named]
    rate = float(options.get("learning_rate") or low)
    odd = not low * 0.999 <= rate <= high * 1.001 and not 0 < parameters < TINY_MODEL
    side = f"learning_rate {rate:g} is {'below' if rate < low else 'above'}"
    yield "train.learning_rate", odd, f"{side} what {named} usually takes: {low:g} to {high:g}"
    yield (
        "train.enable_thinking",
        thinking and options.get("enable_thinking") is False,
        f"{thinking:,} rows hold <think> blocks while enable_thinking is false: the model is trained to "
        "think where it is asked not to; take the blocks out, or leave enable_thinking out",
    )
    targets = {*options.get("target_modules", []), *options.get("modules_to_save", [])}
    yield (
        "train.target_modules",
        tied and named != "full" and targets & {"all-embedding", "embed_tokens", "lm_head"},
        "this model's embedding is also its output head (tie_word_embeddings): an adapter on it does not merge exactly "
        "by itself; `swiftagent export` unties the two first, or leave all-embedding out",
    )


def agent_template_problem(options: dict[str, Any], native_rows: int) -> str:
    """ms-swift's react templates replace the user's system prompt and write arguments as Python."""
    template = str(options.get("agent_template", ""))
    fact = f"agent_template: {template} replaces the system prompt and writes arguments that are no JSON"
    remedy = "`swiftagent convert` makes ReAct records, which need no agent_template"
    return f"{fact}; {remedy}" if native_rows and template.startswith("react") else ""


def trend_advice(metrics: Sequence[dict[str, Any]]) -> list[str]:
    """What the curve of a finished run says: a loss that does not fall, an evaluation loss that rises while it does."""
    train = [float(line["loss"]) for line in metrics if "loss" in line]
    evaluated = [(int(line["step"]), float(line["eval_loss"])) for line in metrics if "eval_loss" in line]
    found: list[str] = []
    fell = False
    if len(train) >= 6:
        part = max(2, len(train) // 5)
        first, last = sum(train[:part]) / part, sum(train[-part:]) / part
        fell = last < FALLS * first
        if not fell:
            remedy = "raise learning_rate, train longer, and look at the labels with `swiftagent inspect`"
            found.append(f"the loss did not fall ({first:.3f} to {last:.3f}): {remedy}")
    if len(evaluated) >= 3:
        step, lowest = min(evaluated, key=lambda pair: pair[1])
        if evaluated[-1][1] > RISES * lowest and (fell or len(train) < 6):
            rose = f"the evaluation loss rose from {lowest:.3f} (step {step}) to {evaluated[-1][1]:.3f}"
            why = "the model learns the rows by heart; fewer epochs, a lower learning_rate or more data"
            found.append(f"{rose} while the training loss fell: {why}")
    return found
