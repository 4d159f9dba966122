"""What cannot run, whatever the data: options that fail later or leave a model that nothing else can load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from swiftagent.models.files import read_object
from swiftagent.train.effort import Effort
from swiftagent.train.inputs import Inputs
from swiftagent.train.kernels import untried
from swiftagent.train.launch import LaunchPlan
from swiftagent.train.memory import GB, MemoryEstimate, zero_stage

ESTIMATED_WITHIN = (
    1.25  # a run that needs more than this share of what there is cannot fit, whatever the estimate's error
)
LONGEST_ON_CPU = 48  # hours that a run which nobody asked to be on the CPU may take there

Check = Callable[[dict[str, Any]], str]


def option_problems(inputs: Inputs) -> list[str]:
    """Options that a run cannot go through with, each with its place and its remedy."""
    config = inputs.config
    found = {key: check(config.train) for key, check in OPTIONS.items()}
    problems = [f"{config.place(f'train.{key}')}: {key}: {fact}" for key, fact in found.items() if fact]
    if is_gguf(config.model):
        problems.append(
            f"{config.place('model')}: model: {config.model} is a GGUF, which is made to run and not to train; "
            "name the model that it was made from, and make a GGUF of the result: `swiftagent export gguf`"
        )
    if context_problem := _too_long_for_the_model(inputs):
        problems.append(context_problem)
    return problems + _own_problems(inputs)


def _own_problems(inputs: Inputs) -> list[str]:
    """What our own ways to train cannot be combined with."""
    config, train = inputs.config, inputs.config.train
    outside = [name for name in ("use_dora", "modules_to_save") if train.get(name)]
    unevaluated = not inputs.val_files or train.get("eval_strategy") == "no"
    facts = {
        "these versions of ms-swift and transformers were not tried with it": bool(untried(inputs.machine)),
        "the weights have to be whole on every GPU: deepspeed=zero2, or none": zero_stage(train) == 3,
        "only a LoRA can be switched off or scaled: tuner_type=lora": train.get("tuner_type", "lora") != "lora",
        "the data has no channels that name chat; `swiftagent mix` writes them": "channel" not in inputs.first_row,
        "there is no validation split that is evaluated; name one with val=": unevaluated,
        f"no scale reaches what train.{' and '.join(outside)} changes; leave it out": bool(outside),
    }
    untried_here, sharded, full, no_chat, no_val, unscaled = (fact if holds else "" for fact, holds in facts.items())
    asked = {
        "method": [untried_here, sharded, full, no_chat] if config.method != "sft" else [],
        "eval_calls": [untried_here, sharded, no_val] if config.eval_calls else [],
        "adapter_scale": [full, no_val, unscaled] if config.adapter_scale == "auto" else [],
    }
    return [f"{config.place(key)}: {key}: {fact}" for key, found in asked.items() for fact in found if fact]


def is_gguf(model: str) -> bool:
    """Whether a model is a GGUF file, or a folder that holds nothing else."""
    folder = Path(model)
    if model.lower().endswith(".gguf"):
        return True
    return folder.is_dir() and any(folder.glob("*.gguf")) and not (folder / "config.json").is_file()


def context_of(inputs: Inputs) -> int:
    """Tokens of the model's own context; 0 where its folder is not here, or does not say."""
    known = read_object(inputs.folder / "config.json") if inputs.folder else {}
    inner = known.get("text_config")
    context = known.get("max_position_embeddings") or (inner or {}).get("max_position_embeddings")
    return context if isinstance(context, int) else 0


def _too_long_for_the_model(inputs: Inputs) -> str:
    config, context, length = inputs.config, context_of(inputs), inputs.config.train.get("max_length")
    if not context or not length or length <= context or config.train.get("rope_scaling"):
        return ""
    return (
        f"{config.place('train.max_length')}: max_length: {length:,}, but {config.model} has a context of {context:,} "
        f"tokens; max_length={context} shortens longer rows or leaves them out, rope_scaling=yarn widens it"
    )


def _special_tokens(train: dict[str, Any]) -> str:
    if not train.get("new_special_tokens"):
        return ""
    return (
        "an adapter on a resized embedding can be neither loaded nor merged; leave them out: text needs no new tokens"
    )


def _best_at_end(train: dict[str, Any]) -> str:
    if not train.get("load_best_model_at_end"):
        return ""
    saved, evaluated = train.get("save_strategy", "steps"), train.get("eval_strategy", "steps")
    if saved != evaluated and "best" not in (saved,):
        return f"save_strategy is {saved} and eval_strategy {evaluated}; they have to be the same"
    every, each = train.get("save_steps", 500), train.get("eval_steps") or train.get("save_steps", 500)
    if saved == "steps" and every > 1 and (each <= 1 or every % each):
        return f"save_steps {every:g} is no multiple of eval_steps {each:g}; make save_steps={each:g}"
    return ""


def _streaming(train: dict[str, Any]) -> str:
    if not train.get("streaming") or int(train.get("max_steps") or 0) > 0:
        return ""
    return "the length of a stream is not known, so max_steps=N has to say where training ends"


OPTIONS: dict[str, Check] = {
    "new_special_tokens": _special_tokens,
    "load_best_model_at_end": _best_at_end,
    "streaming": _streaming,
}


def memory_problem(inputs: Inputs, planned: LaunchPlan, memory: MemoryEstimate, remedy: str) -> str:
    """Why a run cannot fit into what this machine has; "" where it may."""
    gpus = inputs.machine.gpus[: planned.processes]
    place = inputs.config.place("gpus")
    if planned.device == "gpu":
        has = min((gpu.total for gpu in gpus), default=0)
        if not has or memory.total <= has * ESTIMATED_WITHIN:
            return ""
        needs = f"about {memory.total / GB:.0f} GB a GPU are needed, a GPU here has {has / GB:.0f}"
        return f"{place}: memory: {needs}; {remedy}"
    if inputs.config.gpus == 0 or not inputs.machine.memory:
        return ""
    needed = memory.total * planned.processes
    if needed <= inputs.machine.memory * ESTIMATED_WITHIN:
        return ""
    return (
        f"{place}: no GPU here, and on the CPU about {needed / GB:.0f} GB are needed, {inputs.machine.memory / GB:.0f} "
        f"are free; {remedy}, a machine with GPUs, or gpus=0 insists"
    )


def time_problem(inputs: Inputs, planned: LaunchPlan, effort: Effort) -> str:
    """Why nobody would wait for a run that falls to the CPU; "" where somebody may."""
    if planned.device == "gpu" or inputs.config.gpus == 0 or effort.hours <= LONGEST_ON_CPU:
        return ""
    place = inputs.config.place("gpus")
    return f"{place}: no GPU here, and on the CPU it takes about {effort.hours:,.0f} hours; gpus=0 insists"
