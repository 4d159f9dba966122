"""What cannot run, whatever the data: options that fail later or leave a model that nothing else can load. What is not
wrong but seldom meant: learning rates, thinking, templates. And what the losses of a run mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swiftagent.models.files import read_object
from swiftagent.train.estimates import GB, Effort, MemoryEstimate, zero_stage
from swiftagent.train.inputs import Inputs
from swiftagent.train.step_cutting import LaunchPlan, untried

# A run that needs more than this share of what there is cannot fit, whatever the estimate's error.
ESTIMATED_WITHIN = 1.25
LONGEST_ON_CPU = 48  # hours that a run which nobody asked to be on the CPU may take there

# What an option needs installed, by its name, else by its name and value.
PACKAGES_OF: dict[str | tuple[str, str], str] = {
    "deepspeed": "deepspeed",
    "use_liger_kernel": "liger-kernel",
    **{("report_to", tracker): tracker for tracker in ("wandb", "swanlab", "tensorboard")},
    **{("attn_impl", name): "flash-attn" for name in ("flash_attn", "flash_attention_2")},
    **{("attn_impl", f"flash_attention_{number}"): f"flash-attn-{number}" for number in (3, 4)},
}


def option_problems(inputs: Inputs) -> list[str]:
    """Options that a run cannot go through with, each with its place and its remedy."""
    config = inputs.config
    found = [*_of_options(inputs), *_of_own_methods(inputs), *_of_packages(inputs)]
    return [config.fault(key, fact) for key, holds, fact in found if holds]


Fact = tuple[str, Any, str]  # key, whether it is so, what is wrong


def _of_options(inputs: Inputs) -> Iterator[Fact]:
    config, train, context = inputs.config, inputs.config.train, context_of(inputs.folder)
    length = train.get("max_length") or 0
    yield (
        "train.new_special_tokens",
        train.get("new_special_tokens"),
        "an adapter on a resized embedding can be neither loaded nor merged; leave them out: text needs no new tokens",
    )
    unlike = _best_at_end(train) if train.get("load_best_model_at_end") else ""
    yield "train.load_best_model_at_end", unlike, unlike
    yield (
        "train.streaming",
        train.get("streaming") and int(train.get("max_steps") or 0) <= 0,
        "the length of a stream is not known, so max_steps=N has to say where training ends",
    )
    yield (
        "model",
        is_gguf(config.model),
        f"{config.model} is a GGUF, which is made to run and not to train; name the model that it was made from, and "
        "make a GGUF of the result: `swiftagent export gguf`",
    )
    yield (
        "train.max_length",
        context and length > context and not train.get("rope_scaling"),
        f"{length:,}, but {config.model} has a context of {context:,} tokens; max_length={context} shortens longer "
        "rows or leaves them out, rope_scaling=yarn widens it",
    )


def _best_at_end(train: dict[str, Any]) -> str:
    saved, evaluated = train.get("save_strategy", "steps"), train.get("eval_strategy", "steps")
    if saved not in (evaluated, "best"):
        return f"save_strategy is {saved} and eval_strategy {evaluated}; they have to be the same"
    every, each = train.get("save_steps", 500), train.get("eval_steps") or train.get("save_steps", 500)
    if saved == "steps" and every > 1 and (each <= 1 or every % each):
        return f"save_steps {every:g} is no multiple of eval_steps {each:g}; make save_steps={each:g}"
    return ""


def _of_own_methods(inputs: Inputs) -> Iterator[Fact]:
    """What our own ways to train cannot be combined with."""
    config, train = inputs.config, inputs.config.train
    scaled = config.adapter_scale == "auto"
    asked = {"method": config.distills, "eval_calls": config.eval_calls, "adapter_scale": scaled}
    outside = [name for name in ("use_dora", "modules_to_save") if train.get(name)]
    unevaluated = not inputs.val_files or train.get("eval_strategy") == "no"
    sharded = zero_stage(train) == 3
    no_lora = train.get("tuner_type", "lora") != "lora"
    no_chat = "channel" not in inputs.first_row
    facts = (
        ("method eval_calls", untried(inputs.machine), "not tried with these versions of ms-swift and transformers"),
        ("method eval_calls", sharded, "the weights have to be whole on every GPU: deepspeed=zero2, or none"),
        ("method adapter_scale", no_lora, "only a LoRA can be switched off or scaled: tuner_type=lora"),
        ("method", no_chat, "the data has no channels that name chat; `swiftagent mix` writes them"),
        ("eval_calls adapter_scale", unevaluated, "there is no validation split that is evaluated; name one with val="),
        ("adapter_scale", outside, f"no scale reaches what train.{' and '.join(outside)} changes; leave it out"),
    )
    yield from ((key, holds and asked[key], fact) for keys, holds, fact in facts for key in keys.split())


def _of_packages(inputs: Inputs) -> Iterator[Fact]:
    """Options that need a package which is not installed."""
    train, needed = inputs.config.train, dict[str, str]()
    for name, value in train.items():
        words = value if isinstance(value, list) else [value]
        packages = [PACKAGES_OF.get(name) if value else None, *(PACKAGES_OF.get((name, str(word))) for word in words)]
        needed |= {package: name for package in packages if package}
    if train.get("quant_bits") in (4, 8) and train.get("quant_method", "bnb") == "bnb":
        needed["bitsandbytes"] = "quant_bits"
    if re.search("bnb|8bit", str(train.get("optim", ""))):
        needed["bitsandbytes"] = "optim"
    for package, option in needed.items():
        missing = not inputs.machine.has(package)
        yield f"train.{option}", missing, f"needs the package {package}: pip install {package}"


def is_gguf(model: str) -> bool:
    """Whether a model is a GGUF file, or a folder that holds nothing else."""
    folder = Path(model)
    if model.lower().endswith(".gguf"):
        return True
    return folder.is_dir() and any(folder.glob("*.gguf")) and not (folder / "config.json").is_file()


def context_of(folder: Path | None) -> int:
    """Tokens of a model's own context; 0 where its folder is not here, or does not say."""
    known = read_object(folder / "config.json") if folder else {}
    inner = known.get("text_config")
    context = known.get("max_position_embeddings") or (inner or {}).get("max_position_embeddings")
    return context if isinstance(context, int) else 0


def memory_problem(inputs: Inputs, planned: LaunchPlan, memory: MemoryEstimate, remedy: str) -> str:
    """Why a run cannot fit into what this machine has; "" where it may."""
    config, machine, on_gpu = inputs.config, inputs.machine, planned.device == "gpu"
    needed = memory.total * (1 if on_gpu else planned.processes)
    has = min((gpu.total for gpu in machine.gpus[: planned.processes]), default=0) if on_gpu else machine.memory
    insisted = not on_gpu and config.gpus == 0
    if insisted or not has or needed <= has * ESTIMATED_WITHIN:
        return ""
    needs, there = f"about {needed / GB:.0f} GB", f"{has / GB:.0f}"
    fact = f"memory: {needs} a GPU are needed, a GPU here has {there}; {remedy}"
    on_cpu = f"no GPU here, and on the CPU {needs} are needed, {there} are free; {remedy}"
    return f"{config.place('gpus')}: {fact if on_gpu else f'{on_cpu}, a machine with GPUs, or gpus=0 insists'}"


def time_problem(inputs: Inputs, planned: LaunchPlan, effort: Effort) -> str:
    """Why nobody would wait for a run that falls to the CPU; "" where somebody may."""
    if planned.device == "gpu" or inputs.config.gpus == 0 or effort.hours <= LONGEST_ON_CPU:
        return ""
    place = inputs.config.place("gpus")
    return f"{place}: no GPU here, and on the CPU it takes about {effort.hours:,.0f} hours; gpus=0 insists"


# seldom meant
# ---------------------------------------------------------------------------------------------------------------

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
