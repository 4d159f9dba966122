"""What must hold before a run starts: machine, packages, model files, data. `sft` runs it, `doctor` shows it."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.console import progress
from swiftagent.models.files import adapter_problems, model_problems
from swiftagent.models.identity import is_hub_id
from swiftagent.models.known import ModelShape
from swiftagent.train import advice
from swiftagent.train.cards import DEFAULT_LENGTH, MEMORY_USED, settings_that_fit
from swiftagent.train.config import Config
from swiftagent.train.estimates import GB, Effort, MemoryEstimate, effort, estimate
from swiftagent.train.inputs import FileFacts, Inputs, file_problems, read_file
from swiftagent.train.launch import plan
from swiftagent.train.machine import GIB, trainer_entry
from swiftagent.train.measure import SAMPLE, ChannelTokens, Measured, measure
from swiftagent.train.step_cutting import LaunchPlan, MicroPlan

NOT_FOR_LABELS = ("external_plugins", "callbacks", "is_binary_loss_scale", "dataset", "val_dataset")
WRITTEN_LATER = (".jsonl", ".json")  # what `mix` and `convert` write under the name that they are given


class Report(msgspec.Struct):
    """All that was found. `problems` stop a run; `warnings` do not."""

    problems: list[str] = []
    warnings: list[str] = []
    parameters: int = 0
    data: FileFacts = msgspec.field(default_factory=FileFacts)
    val_rows: int = 0
    measured: Measured | None = None
    memory: MemoryEstimate | None = None
    effort: Effort | None = None
    micro: MicroPlan | None = None  # as planned, with the tokens of a row that were measured
    seconds: float = 0.0

    @property
    def channels(self) -> dict[str, ChannelTokens]:
        return self.measured.channels if self.measured else {}

    @property
    def tokens_a_row(self) -> float:
        """Mean of the measured rows; 0 where none were."""
        channels = self.channels.values()
        return sum(channel.tokens for channel in channels) / max(1, sum(channel.rows for channel in channels))


def examine(inputs: Inputs, planned: LaunchPlan, level: str) -> Report:
    """Run every check; the expensive ones only where the cheap ones found nothing. `level`: off, sample or full."""
    began = time.monotonic()
    report = Report(problems=quick_problems(inputs))
    report.parameters = inputs.shape.parameters if inputs.shape else 0
    if level != "off" and not data_problems(inputs):  # also where something else is wrong: all is reported at once
        _read_data(inputs, report)
    if level != "off" and not report.problems:
        _measure(inputs, planned, level, report)
        _advise(inputs, planned, report)
    _estimate(inputs, planned, report)
    report.seconds = time.monotonic() - began
    return report


def quick_problems(inputs: Inputs) -> list[str]:
    """What costs nothing to find, so that it is looked for even with `preflight: off`: files, packages, a bad model
    folder."""
    config = inputs.config
    problems = [] if trainer_entry() else ["ms-swift is not installed: pip install 'ms-swift>=4.6.0,<4.7'"]
    downloaded = [str(inputs.folder)] if inputs.folder and not Path(config.model).exists() else []
    for model in (config.model, *downloaded):
        problems += model_problems(model, config.place("model"), trust_remote_code=config.trust_remote_code)
    if not problems:
        problems += recognition_problems(inputs)
    place, trusted = config.place("train.adapters"), config.trust_remote_code
    for adapter in config.train.get("adapters", []):
        problems += adapter_problems(adapter, config.model, place, trust_remote_code=trusted)
    return problems + advice.option_problems(inputs) + data_problems(inputs) + folder_problems(config)


def data_problems(inputs: Inputs) -> list[str]:
    """Files of data that a trainer cannot read."""
    config, named = inputs.config, inputs.val_files if inputs.config.val else ()
    problems = file_problems(inputs.files, "data", config.place("data"))
    return problems + file_problems(named, "val", config.place("val"))


def recognition_problems(inputs: Inputs) -> list[str]:
    """A model folder whose type or chat template ms-swift could not recognise: it would fail only after its start."""
    config, known = inputs.config, inputs.model
    if not Path(config.model).is_dir():
        return []
    fits = f" (its architecture fits {', '.join(known.candidates[:6])})" if known.candidates else ""
    unknown = [] if known.model_type else [f"its kind{fits}; add train.model_type"]
    unknown += [] if known.template else ["its chat template; add train.template (chatml, qwen2_5, llama3_2, ...)"]
    return [config.fault("model", f"{config.model}: ms-swift cannot tell {what}") for what in unknown]


def folder_problems(config: Config) -> list[str]:
    """A `runs:` folder that cannot be written."""
    existing = existing_above(Path(config.runs))
    fact = f"{config.runs} cannot be written" if existing.is_dir() else f"{existing} is a file"
    fine = existing.is_dir() and os.access(existing, os.W_OK)
    return [] if fine else [config.fault("runs", f"{fact}; choose another folder with runs=FOLDER")]


def missing_for_good(inputs: Inputs) -> list[str]:
    """Data files that are not there and that no command of ours would write: an error even in a dry run."""
    paths = [path for path in inputs.files if not path.exists() and path.suffix.lower() not in ("", *WRITTEN_LATER)]
    return file_problems(paths, "data", inputs.config.place("data"))


def what_is_missing(inputs: Inputs) -> list[str]:
    """The warnings of a dry run: all quick problems, and what is not on this machine."""
    config, missing = inputs.config, quick_problems(inputs)
    if is_hub_id(config.model) and inputs.folder is None:
        missing.append(config.fault("model", f"{config.model} is not on this machine; the run downloads it first"))
    return missing + [config.fault("data", f"{entry} is read from the hub") for entry in inputs.hub_data]


def existing_above(folder: Path) -> Path:
    """The folder itself or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))


def free_disk(folder: Path) -> int:
    """Bytes free where a run would be written."""
    return shutil.disk_usage(existing_above(folder)).free


def _read_data(inputs: Inputs, report: Report) -> None:
    held_out = FileFacts()
    for files, total in ((inputs.files, report.data), (inputs.val_files, held_out)):
        for path in _rows_files(files):
            facts, problems = read_file(path)
            report.problems += problems
            total.add(facts)
    report.val_rows = held_out.rows
    if inputs.config.distills and report.data.rows and not report.data.channels["general"]:
        fact = "no row of the data is in the channel general, so nothing would be kept"
        report.problems.append(inputs.config.fault("method", fact))


def _rows_files(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix == ".jsonl"]


def _measure(inputs: Inputs, planned: LaunchPlan, level: str, report: Report) -> None:
    """Tokens and masks through ms-swift itself, where the model's tokenizer is on this machine."""
    config, files = inputs.config, _rows_files(inputs.files)
    if inputs.folder is None or not files:
        elsewhere = "no .jsonl file is among the data" if inputs.files else "the data is on a hub"
        what = f"{config.model} is not on this machine yet" if files else elsewhere
        report.warnings.append(f"tokens and masks are not checked: {what}")
        return
    how: dict[str, Any] = {"sample": SAMPLE if level == "sample" else None, "trust": config.trust_remote_code}
    settings = {name: value for name, value in planned.options.items() if name not in NOT_FOR_LABELS}
    with progress("measuring rows with ms-swift") as stage:
        measured = measure(files, str(inputs.folder), settings, **how, progress=stage.update)
    report.measured = measured
    report.problems += [measured.error] if measured.error else []
    if measured.template_note:
        report.warnings.append(f"{config.place('template')}: {measured.template_note}")
    report.problems += [f"{fault}; `swiftagent inspect --check` shows all" for fault in measured.faults]


def _advise(inputs: Inputs, planned: LaunchPlan, report: Report) -> None:
    options, data, fault = planned.options, report.data, inputs.config.fault
    facts = advice.advice(options, report.parameters, inputs.shape is not None and inputs.shape.tied, data.thinking)
    report.warnings += [f"{inputs.config.place(key)}: {text}" for key, holds, text in facts if holds]
    if agent := advice.agent_template_problem(options, data.native):
        report.problems.append(f"{inputs.config.place('train.agent_template')}: {agent}")
    if data.rows and data.repeats > 0.2 * data.rows:
        report.warnings.append(f"{data.repeats:,} of {data.rows:,} rows repeat an earlier one")
    channels, context, limit = report.channels, advice.context_of(inputs.folder), options.get("max_length")
    longest = max((channel.longest for channel in channels.values()), default=0)
    if context and longest > context and not limit:
        fact = f"the longest row has {longest:,} tokens, the model's context {context:,}; "
        remedy = f"max_length={context} shortens longer rows or leaves them out"
        report.problems.append(fault("train.max_length", fact + remedy))
    if channels and all(channel.left_out == channel.rows for channel in channels.values()):
        fact = f"{limit}; not one of the measured rows can be made to fit, the longest has {longest:,} tokens"
        report.problems.append(fault("train.max_length", fact))
        return
    for name in ("shortened", "left out"):
        shares = ", ".join(
            f"{count / channel.rows:.0%} of {kind}"
            for kind, channel in channels.items()
            if (count := channel.left_out if name == "left out" else channel.too_long - channel.left_out)
        )
        if shares:
            report.warnings.append(fault("train.max_length", f"{limit}; longer rows are {name}: {shares}"))


def _estimate(inputs: Inputs, planned: LaunchPlan, report: Report) -> None:
    shape, options, rows = inputs.shape, planned.options, report.data.rows
    longest = max((channel.longest for channel in report.channels.values()), default=DEFAULT_LENGTH)
    length = min(longest, int(options.get("max_length") or longest))
    if rows and report.channels:
        tokens, sequences = round(report.tokens_a_row * rows), planned.sequences_per_step
        report.effort = effort(shape, options, rows=rows, tokens=tokens, sequences=sequences, gpus=planned.gpu_names)
        if planned.micro and planned.device == "gpu":
            measured = plan(inputs, Path(str(options["output_dir"])), tokens_a_row=report.tokens_a_row)
            report.micro = measured.micro or planned.micro
            hours = report.effort.steps * report.micro.seconds / 3600
            report.effort = msgspec.structs.replace(report.effort, hours=hours)
        if late := advice.time_problem(inputs, planned, report.effort):
            report.problems.append(late)
    if shape is None:
        unknown = f"memory and hours are not estimated: the size of {inputs.config.model} is not known here"
        report.warnings += [] if report.problems else [unknown]
        return
    gpus = planned.ranks
    sizes: dict[str, Any] = {"length": length, "gpus": gpus, "distilled": inputs.config.distills}
    fitting = _what_fits(inputs, planned, shape, **sizes)
    if micro := report.micro or planned.micro:
        options = {**options, "gradient_checkpointing": micro.checkpointing}
        sizes |= {"length": max(length, micro.tokens), "by_tokens": True}
    report.memory = estimate(shape, options, **sizes)
    if impossible := advice.memory_problem(inputs, planned, report.memory, fitting):
        report.problems.append(impossible)
        return
    free = [gpu.free for gpu in inputs.machine.gpus[: planned.processes]] if planned.device == "gpu" else []
    room = min(free, default=inputs.machine.memory / planned.processes) * MEMORY_USED
    if 0 < room < (needed := report.memory.total):
        each = "GPU" if free else "process"
        report.warnings.append(f"memory: about {needed / GB:.0f} GB a {each}, {room / GB:.0f} GB usable; {fitting}")
    _compare_with_disk(inputs.config, report.memory, options, report)


def _what_fits(inputs: Inputs, planned: LaunchPlan, shape: ModelShape, **sizes: Any) -> str:
    if planned.device == "cpu" or not inputs.machine.gpus:
        return "a smaller model"
    usable = MEMORY_USED * min(gpu.total for gpu in inputs.machine.gpus)
    fitting = settings_that_fit(shape, planned.options, usable, **sizes)
    return f"{fitting} would fit" if fitting else "a smaller model or a larger card"


def _compare_with_disk(config: Config, memory: MemoryEstimate, options: dict[str, Any], report: Report) -> None:
    one = memory.trainable * (2 if options.get("save_only_model") else 14)
    kept = int(options.get("save_total_limit", 3)) + 1
    free = free_disk(Path(config.runs))
    sizes = f"a checkpoint takes about {one / GIB:.1f} GiB, {kept} are held at once"
    fact = f"{free / GIB:.1f} GiB free below {config.runs}; {sizes}"
    if free < one:
        report.problems.append(f"{config.place('runs')}: runs: {fact}; free space, or runs=FOLDER on another disk")
    elif free < kept * one:
        report.warnings.append(f"disk: {fact}; save_total_limit or save_only_model: true lowers it")


def as_dict(report: Report) -> dict[str, Any]:
    """For `--json`."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    plain["ok"] = not report.problems
    plain["data"]["channels"] = dict(Counter(report.data.channels))
    return plain
