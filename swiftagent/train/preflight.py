"""What must hold before a run starts: machine, packages, model files, data. `sft` runs it, `doctor` shows it."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import SetupError
from swiftagent.io.shipped import user_folder
from swiftagent.models.files import adapter_problems, looks_like_hub_id, model_problems
from swiftagent.train.advice import agent_template_problem, rate_advice, thinking_advice, tied_advice
from swiftagent.train.config import Config
from swiftagent.train.data_files import FileFacts, missing_files, read_file
from swiftagent.train.effort import Effort, effort
from swiftagent.train.launch import Plan, is_hub_id, local_files, model_shape, recognise, validation_files
from swiftagent.train.machine import GIB, Machine, trainer_entry
from swiftagent.train.measure import SAMPLE, ChannelTokens, Measured, measure
from swiftagent.train.memory import GB, Estimate, estimate, largest_batch

DEFAULT_LENGTH = 2048  # tokens that memory is estimated for where neither config nor data say
NOT_FOR_LABELS = ("external_plugins", "callbacks", "is_binary_loss_scale", "dataset", "val_dataset")
MEMORY_USED = 0.92  # share of a GPU's free memory that a run may plan with
OPTION_PACKAGES = {"deepspeed": "deepspeed", "use_liger_kernel": "liger-kernel"}


class Report(msgspec.Struct):
    """All that was found. `problems` stop a run; `warnings` do not."""

    problems: list[str] = []
    warnings: list[str] = []
    parameters: int = 0
    data: FileFacts = msgspec.field(default_factory=FileFacts)
    val_rows: int = 0
    measured: Measured | None = None
    memory: Estimate | None = None
    suggestion: str = ""
    effort: Effort | None = None
    seconds: float = 0.0

    @property
    def tokens_a_row(self) -> float:
        """Mean of the measured rows; 0 where none were."""
        channels = self.measured.channels.values() if self.measured else ()
        return sum(channel.tokens for channel in channels) / max(1, sum(channel.rows for channel in channels))


def examine(config: Config, machine: Machine, planned: Plan, level: str) -> Report:
    """Run every check; the expensive ones only where the cheap ones found nothing. `level`: off, sample or full."""
    began = time.monotonic()
    report = Report(problems=quick_problems(config, machine))
    shape = model_shape(config.model)
    report.parameters = shape.parameters if shape else 0
    if level != "off" and not data_problems(config):  # whatever else is wrong: all that is wrong is told at once
        _read_data(config, report)
    if level != "off" and not report.problems:
        _measure(config, planned, level, report)
        _advise(config, planned, report)
    _estimate(config, machine, planned, report)
    report.seconds = time.monotonic() - began
    return report


def quick_problems(config: Config, machine: Machine) -> list[str]:
    """What costs nothing to find, so that it is looked for even with `preflight: off`: files, packages, a bad model
    folder."""
    problems = []
    if not trainer_entry():
        problems.append("ms-swift is not installed: pip install 'ms-swift>=4.6.0,<4.7'")
    problems += package_problems(config, machine)
    problems += model_problems(config.model, config.place("model"), trust_remote_code=config.trust_remote_code)
    cached = hub_folder(config.model)
    if cached is not None and not Path(config.model).exists():
        problems += model_problems(str(cached), config.place("model"), trust_remote_code=config.trust_remote_code)
    if not problems:
        problems += recognition_problems(config)
    for adapter in config.train.get("adapters", []):
        problems += adapter_problems(adapter, config.model, config.place("train.adapters"))
    problems += data_problems(config)
    problems += folder_problems(config)
    return problems


def data_problems(config: Config) -> list[str]:
    """Files of data that cannot be what a trainer reads."""
    problems = missing_files(local_files(config.data), "data", config.place("data"))
    return problems + missing_files(local_files(config.val or ()), "val", config.place("val"))


def recognition_problems(config: Config) -> list[str]:
    """A model folder of which ms-swift could not tell the kind or the chat template: it would say so only once it has
    started."""
    if not Path(config.model).is_dir():
        return []
    known, problems = recognise(config), []
    if not known.model_type:
        fits = f" (its architecture fits {', '.join(known.candidates[:6])})" if known.candidates else ""
        problems.append(
            f"{config.place('model')}: model: {config.model}: ms-swift cannot tell its kind{fits}; add train.model_type"
        )
    if not known.template:
        said = "ms-swift cannot tell its chat template; add train.template (chatml, qwen2_5, llama3_2, ...)"
        problems.append(f"{config.place('model')}: model: {config.model}: {said}")
    return problems


def package_problems(config: Config, machine: Machine) -> list[str]:
    """Options that need a package which is not installed."""
    needed = {package: option for option, package in OPTION_PACKAGES.items() if config.train.get(option)}
    if config.train.get("quant_bits") in (4, 8) and config.train.get("quant_method", "bnb") == "bnb":
        needed["bitsandbytes"] = "quant_bits"
    if str(config.train.get("attn_impl", "")).startswith("flash"):
        needed["flash-attn"] = "attn_impl"
    for tracker in ("wandb", "swanlab", "tensorboard"):
        if tracker in config.train.get("report_to", []):
            needed[tracker] = "report_to"
    return [
        f"{config.place(f'train.{option}')}: {option}: needs the package {package}: pip install {package}"
        for package, option in needed.items()
        if not machine.has(package)
    ]


def folder_problems(config: Config) -> list[str]:
    """A `runs:` folder that cannot be written."""
    folder = Path(config.runs)
    existing = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
    if not existing.is_dir():
        return [f"{config.place('runs')}: runs: {existing} is a file; choose another folder with runs=FOLDER"]
    if not os.access(existing, os.W_OK):
        return [f"{config.place('runs')}: runs: {folder} cannot be written; choose another folder with runs=FOLDER"]
    return []


def what_is_missing(config: Config, machine: Machine) -> list[str]:
    """What a dry run warns of: the same problems, and what this machine has not got."""
    missing = quick_problems(config, machine)
    if looks_like_hub_id(config.model) and not Path(config.model).exists() and hub_folder(config.model) is None:
        missing.append(
            f"{config.place('model')}: model: {config.model} is not on this machine; the run downloads it first"
        )
    missing += [
        f"{config.place('data')}: data: {entry} is read from the hub" for entry in config.data if is_hub_id(entry)
    ]
    return missing


def hub_folder(model: str) -> Path | None:
    """The folder of a hub model that was downloaded before; a hub's cache holds it whole or not at all."""
    owner, _, name = model.partition("/")
    try:
        modelscope = user_folder("MODELSCOPE_CACHE", ".cache/modelscope/hub")
        huggingface = user_folder("HF_HOME", ".cache/huggingface") / "hub"
    except SetupError:  # no home folder, so no cache in it
        return None
    plain = name.replace(".", "___")
    candidates = [modelscope / "models" / owner / plain, modelscope / "hub" / "models" / owner / plain]
    candidates += sorted((modelscope / "models" / f"{owner}--{name}" / "snapshots").glob("*"))
    candidates += sorted((huggingface / f"models--{owner}--{name}" / "snapshots").glob("*"))
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


def free_disk(folder: Path) -> int:
    """Bytes free where a run would be written."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def _read_data(config: Config, report: Report) -> None:
    total = report.data
    for path in local_files(config.data):
        if path.suffix != ".jsonl":
            continue
        facts, problems = read_file(path)
        report.problems += problems
        total.rows += facts.rows
        total.channels += facts.channels
        total.repeats += facts.repeats
        total.native += facts.native
        total.thinking += facts.thinking
        total.characters += facts.characters
    for path in local_files(validation_files(config)):
        if path.suffix == ".jsonl":
            facts, problems = read_file(path)
            report.problems += problems
            report.val_rows += facts.rows


def _measure(config: Config, planned: Plan, level: str, report: Report) -> None:
    """Tokens and masks through ms-swift itself, where the model's tokenizer is on this machine."""
    files = [path for path in local_files(config.data) if path.suffix == ".jsonl"]
    folder = Path(config.model) if Path(config.model).is_dir() else hub_folder(config.model)
    if folder is None or not files:
        elsewhere = "no .jsonl file is among the data" if local_files(config.data) else "the data is on a hub"
        what = f"{config.model} is not on this machine yet" if files else elsewhere
        report.warnings.append(f"tokens and masks are not checked: {what}")
        return
    sample = SAMPLE if level == "sample" else None
    settings = {name: value for name, value in planned.options.items() if name not in NOT_FOR_LABELS}
    measured = measure(files, str(folder), settings, sample=sample, trust_remote_code=config.trust_remote_code)
    report.measured = measured
    if measured.error:
        report.problems.append(measured.error)
    if measured.template_note:
        report.warnings.append(f"{config.place('template')}: {measured.template_note}")
    report.problems += [f"{fault}; `swiftagent inspect --check` shows all" for fault in measured.faults]


def _advise(config: Config, planned: Plan, report: Report) -> None:
    options, data = planned.options, report.data
    rate = rate_advice(options, report.parameters or None)
    if rate:
        report.warnings.append(f"{config.place('train.learning_rate')}: {rate}")
    thinking = thinking_advice(options, data.thinking)
    if thinking:
        report.warnings.append(f"{config.place('train.enable_thinking')}: {thinking}")
    shape = model_shape(config.model)
    tied = tied_advice(options, shape is not None and shape.tied)
    if tied:
        report.warnings.append(f"{config.place('train.target_modules')}: {tied}")
    agent = agent_template_problem(options, data.native)
    if agent:
        report.problems.append(f"{config.place('train.agent_template')}: {agent}")
    if data.rows and data.repeats > 0.2 * data.rows:
        report.warnings.append(f"{data.repeats:,} of {data.rows:,} rows repeat an earlier one")
    channels = report.measured.channels if report.measured else {}
    _advise_on_length(config, options.get("max_length"), channels, report)


def _advise_on_length(config: Config, limit: Any, channels: dict[str, ChannelTokens], report: Report) -> None:
    place = f"{config.place('train.max_length')}: max_length: {limit}"
    if channels and all(channel.left_out == channel.rows for channel in channels.values()):
        longest = max(channel.longest for channel in channels.values())
        report.problems.append(
            f"{place}; not one of the measured rows can be made to fit, the longest has {longest:,} tokens"
        )
        return
    for name in ("shortened", "left out"):
        shares = ", ".join(
            f"{count / channel.rows:.0%} of {kind}"
            for kind, channel in channels.items()
            if (count := channel.left_out if name == "left out" else channel.too_long - channel.left_out)
        )
        if shares:
            report.warnings.append(f"{place}; longer rows are {name}: {shares}")


def _estimate(config: Config, machine: Machine, planned: Plan, report: Report) -> None:
    shape = model_shape(config.model)
    options = planned.options
    measured = report.measured.channels.values() if report.measured else ()
    tokens = sum(channel.tokens for channel in measured)
    sampled = sum(channel.rows for channel in measured)
    longest = max((channel.longest for channel in measured), default=DEFAULT_LENGTH)
    length = min(longest, int(options.get("max_length") or longest))
    if report.data.rows and sampled:
        names = (
            [gpu.name for gpu in machine.gpus[: planned.processes]] * planned.nodes if planned.device == "gpu" else []
        )
        report.effort = effort(
            shape,
            options,
            rows=report.data.rows,
            tokens=round(tokens / sampled * report.data.rows),
            sequences=planned.sequences_per_step,
            gpus=names,
            checkpointing=checkpointing(options),
        )
    if shape is None:
        return
    gpus = planned.processes * planned.nodes
    report.memory = estimate(
        shape, options, batch=planned.batch, length=length, gpus=gpus, checkpointing=checkpointing(options)
    )
    _compare_with_gpus(config, machine, planned, report, length)
    _compare_with_disk(config, options, report)


def _compare_with_gpus(config: Config, machine: Machine, planned: Plan, report: Report, length: int) -> None:
    shape, memory = model_shape(config.model), report.memory
    if planned.device != "gpu" or not machine.gpus or shape is None or memory is None:
        return
    room = min(gpu.free for gpu in machine.gpus[: planned.processes]) * MEMORY_USED
    gpus = planned.processes * planned.nodes
    best = largest_batch(
        shape, planned.options, length=length, gpus=gpus, room=room, checkpointing=checkpointing(planned.options)
    )
    if memory.total > room:
        remedy = _with_accumulation(planned, best) if best else "quant_bits=4, deepspeed=zero3, or a shorter max_length"
        report.warnings.append(
            f"memory: about {memory.total / GB:.0f} GB a GPU, {room / GB:.0f} GB usable; try {remedy}"
        )
        return
    best = min(best, planned.sequences_per_step // gpus)
    if best > planned.batch:
        report.suggestion = f"{_with_accumulation(planned, best)} would fit"


def _with_accumulation(planned: Plan, batch: int) -> str:
    """Another batch with what keeps the sequences of a step."""
    accumulation = max(1, planned.sequences_per_step // (batch * planned.processes * planned.nodes))
    return f"per_device_train_batch_size={batch} (accumulation {accumulation})"


def _compare_with_disk(config: Config, options: dict[str, Any], report: Report) -> None:
    memory = report.memory
    if memory is None:
        return
    one = memory.trainable * (2 if options.get("save_only_model") else 14)
    kept = int(options.get("save_total_limit", 3)) + 1
    free = free_disk(Path(config.runs))
    said = f"{free / GIB:.1f} GiB free below {config.runs}; a checkpoint takes about {one / GIB:.1f} GiB, {kept} are held at once"
    if free < one:
        report.problems.append(f"{config.place('runs')}: runs: {said}; free space, or runs=FOLDER on another disk")
    elif free < kept * one:
        report.warnings.append(f"disk: {said}; save_total_limit or save_only_model: true lowers it")


def checkpointing(options: dict[str, Any]) -> bool:
    """Whether activations are recomputed; ms-swift's default is that they are."""
    return bool(options.get("gradient_checkpointing", True))


def as_dict(report: Report) -> dict[str, Any]:
    """For `--json`."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    plain["ok"] = not report.problems
    plain["data"]["channels"] = dict(Counter(report.data.channels))
    plain["memory"] = report.memory.as_dict() if report.memory else None
    return plain
