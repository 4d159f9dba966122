"""What cannot run, whatever the data: options that fail later or leave a model that nothing else can load. What is not
wrong but seldom meant: learning rates, thinking, templates. And what the losses of a run mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swiftagent.errors import RowError
from swiftagent.io.words import nearest
from swiftagent.models.files import known_parts, read_object
from swiftagent.train.estimates import GB, Effort, MemoryEstimate, zero
from swiftagent.train.held_out import read_held_out
from swiftagent.train.inputs import Inputs
from swiftagent.train.launch import GPU_ALONE, KERNELS
from swiftagent.train.options import TABLES
from swiftagent.train.step_cutting import LaunchPlan, reason_for_another_trainer

# A run that needs more than this share of what there is cannot fit, whatever the estimate's error.
ESTIMATED_WITHIN = 1.25
PLAIN_STARTS = ("true", "True", "false", "False", "gaussian")  # of a LoRA, with which its base stays as it is
LONGEST_ON_CPU = 48  # hours that a run which nobody asked to be on the CPU may take there


def option_problems(inputs: Inputs) -> list[str]:
    """Options that a run cannot go through with, each with its place and its remedy."""
    config = inputs.config
    found = [*_of_options(inputs), *_of_values(inputs), *_of_own_methods(inputs), *_of_packages(inputs)]
    return [config.fault(key, fact) for key, holds, fact in found if holds]


Fact = tuple[str, Any, str]  # key, whether it is so, what is wrong
NOTHING_EVALUATED = "there is no validation split that is evaluated; name one with val="


def _of_options(inputs: Inputs) -> Iterator[Fact]:
    config, train, context = inputs.config, inputs.config.train, context_of(inputs.folder)
    length = train.get("max_length") or 0
    yield (
        "train.new_special_tokens",
        train.get("new_special_tokens"),
        "an adapter on a resized embedding can be neither loaded nor merged; leave them out: text needs no new tokens",
    )
    best, unlike = train.get("load_best_model_at_end"), _best_checkpoint(train)
    unseen = not (inputs.val or train.get("split_dataset_ratio"))
    yield "train.load_best_model_at_end", best and unlike, unlike
    yield "train.load_best_model_at_end", best and unseen, NOTHING_EVALUATED
    yield "eval_calls", unlike and config.eval_calls, unlike
    yield (
        "train.streaming",
        train.get("streaming") and int(train.get("max_steps") or 0) <= 0,
        "the length of a stream is not known, so max_steps=N has to say where training ends",
    )
    yield (
        "train.max_length",
        context and length > context and not train.get("rope_scaling"),
        f"{length:,}, but {config.model} has a context of {context:,} tokens; max_length={context} shortens longer "
        "rows or leaves them out, rope_scaling=yarn widens it",
    )


def _of_values(inputs: Inputs) -> Iterator[Fact]:
    """Values that do not go with one another, with the model's weights or with the files that are here."""
    config, train = inputs.config, inputs.config.train
    for one, other in TABLES["not_together"]:
        yield f"train.{one}", train.get(one) and train.get(other), f"cannot stand beside {other}; leave one of them out"
    bits = train.get("quant_bits") or (inputs.shape.bits if inputs.shape else 0)
    yield (
        "train.tuner_type",
        bits and train.get("tuner_type") == "full",
        f"full trains the weights themselves, and these are quantized to {bits} bits; tuner_type=lora, or weights that "
        "are not quantized",
    )
    known = known_parts(inputs.folder) if inputs.folder else set()
    targets = [name for name in train.get("target_modules", []) if not name.startswith("all-")]
    # A list for several families names layers that this one has not.
    is_any = any({target, target.rpartition(".")[2]} & known for target in targets)
    for target in [] if is_any else targets:
        near = nearest(target, known)
        yield "train.target_modules", near, f"no layer of {config.model} is called {target}, did you mean {near}?"


def _best_checkpoint(train: dict[str, Any]) -> str:
    """Why the best evaluation may have no checkpoint."""
    saved = train.get("save_strategy", "steps")
    evaluated = train.get("eval_strategy") or saved  # as ms-swift has it
    if saved not in (evaluated, "best"):
        return f"save_strategy is {saved} and eval_strategy {evaluated}; they have to be the same"
    every, each = train.get("save_steps", 500), train.get("eval_steps") or train.get("save_steps", 500)
    # Shares of the run, below 1, are compared as transformers does: in millionths.
    if saved == "steps" and ((every < 1) != (each < 1) or round(every * 1e6) % max(1, round(each * 1e6))):
        return f"save_steps {every:g} is no multiple of eval_steps {each:g}; make save_steps={each:g}"
    return ""


def _of_own_methods(inputs: Inputs) -> Iterator[Fact]:
    """What our own ways to train cannot be combined with."""
    config, train = inputs.config, inputs.config.train
    scaled = config.adapter_scale == "auto"
    asked = {"method": config.distills, "eval_calls": config.eval_calls, "adapter_scale": scaled}
    outside = [name for name in ("use_dora", "modules_to_save") if train.get(name)]
    outside += ["lora_bias"] if train.get("lora_bias", "none") != "none" else []
    own_loss = [name for name in ("label_smoothing_factor", "loss_type") if train.get(name)]
    start = str(train.get("init_weights", "true"))
    moved = start not in PLAIN_STARTS
    unevaluated = not inputs.val_files or (train.get("eval_strategy") or train.get("save_strategy")) == "no"
    there = [str(path) for path in inputs.val_files if path.is_file()] if config.eval_calls or scaled else []
    uncalled = "" if unevaluated or not there else _without_calls(there)
    other = reason_for_another_trainer(inputs.machine, train)
    sharded = zero(train)[0] == 3
    no_lora = train.get("tuner_type", "lora") != "lora"
    no_chat = "channel" not in inputs.first_row
    facts = (
        ("method eval_calls", other, f"this run needs another trainer than ours: {other}"),
        ("method eval_calls", sharded, "the weights have to be whole on every GPU: deepspeed=zero2, or none"),
        ("method adapter_scale", no_lora, "only a LoRA can be switched off or scaled: tuner_type=lora"),
        ("method adapter_scale", moved, f"init_weights {start} changes the weights of the base too; leave it out"),
        ("method", no_chat, "the data has no channels that name chat; `swiftagent mix` writes them"),
        ("method", own_loss, f"train.{' and '.join(own_loss)} puts another loss in its place; leave it out"),
        ("eval_calls adapter_scale", unevaluated, NOTHING_EVALUATED),
        ("eval_calls adapter_scale", uncalled, uncalled),
        ("adapter_scale", outside, f"no scale reaches what train.{' and '.join(outside)} changes; leave it out"),
    )
    yield from ((key, holds and asked[key], fact) for keys, holds, fact in facts for key in keys.split())


def _without_calls(files: list[str]) -> str:
    """Why no held-out question can be asked; "" where one can."""
    try:
        some = read_held_out(files, 1).calls
    except RowError as error:
        return str(error)
    return "" if some else "no row of the validation split calls a tool; name one with val="


def _of_packages(inputs: Inputs) -> Iterator[Fact]:
    """Options that need a package which is not installed."""
    train, needed = inputs.config.train, dict[str, str]()
    if inputs.config.gpus == 0 or not inputs.machine.gpus:
        train = {name: value for name, value in train.items() if name not in (*KERNELS, *GPU_ALONE)}
    for name, value in train.items():
        words = value if isinstance(value, list) else [value]
        asked = [name, *(f"{name}={word}" for word in words)] if value else []
        needed |= {TABLES["packages"][word]: name for word in asked if word in TABLES["packages"]}
    if train.get("quant_bits") in (4, 8) and train.get("quant_method", "bnb") == "bnb":
        needed["bitsandbytes"] = "quant_bits"
    optim = str(train.get("optim", ""))
    package = next((name for way, name in TABLES["optimizers"].items() if re.search(way, optim)), "")
    needed |= {package: "optim"} if package else {}
    for package, option in needed.items():
        missing = not inputs.machine.has(package)
        yield f"train.{option}", missing, f"needs the package {package}: pip install {package}"


def context_of(folder: Path | None) -> int:
    """Tokens of a model's own context; 0 where its folder is not here, or does not say."""
    known = read_object(folder / "config.json") if folder else {}
    inner = known.get("text_config")
    context = known.get("max_position_embeddings") or (inner or {}).get("max_position_embeddings")
    return context if isinstance(context, int) else 0


def memory_problem(inputs: Inputs, planned: LaunchPlan, memory: MemoryEstimate, remedy: str) -> str:
    """Why a run cannot fit into what this machine has; "" where it may."""
    config, machine, on_gpu = inputs.config, inputs.machine, planned.device == "gpu"
    # The estimate of activations may be off; weights, gradients and optimizer states are counted.
    times = 1 if on_gpu else planned.processes
    needed, counted = memory.total * times, (memory.total - memory.activations) * times
    kept = memory.host / planned.nodes
    if on_gpu and kept > machine.memory * ESTIMATED_WITHIN:
        outside, there = f"{kept / GB:.0f} GB", f"{machine.memory / GB:.0f}"
        fact = f"offloading keeps about {outside} outside the GPUs, {there} are free; a larger machine, or no offload"
        return f"{config.place('train.deepspeed')}: memory: {fact}"
    has = min((gpu.total for gpu in machine.gpus[: planned.processes]), default=0) if on_gpu else machine.memory
    insisted = not on_gpu and config.gpus == 0
    # What is frozen has neither gradients nor states, and how much that is nobody says before the model is loaded.
    in_part = any(
        value and name.startswith(("freeze_param", "trainable_param")) for name, value in config.train.items()
    )
    if insisted or in_part or not has or (needed <= has * ESTIMATED_WITHIN and counted <= has):
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
