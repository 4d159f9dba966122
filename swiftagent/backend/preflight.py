"""What must hold before a run starts: machine, packages, model files, data. `sft` runs it, `doctor` shows it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from swiftagent.backend.launch import is_hub_id, local_files, validation_files
from swiftagent.backend.machine import Machine, trainer_entry
from swiftagent.checks.data_files import missing_files, read_file
from swiftagent.checks.model_files import adapter_problems, looks_like_hub_id, model_problems
from swiftagent.config import Config

NEEDS_PACKAGE = {
    "deepspeed": "deepspeed",
    "use_liger_kernel": "liger-kernel",
}


def quick_problems(config: Config, machine: Machine) -> list[str]:
    """What costs nothing to find, so that it is looked for even with `preflight: off`: files, packages, a bad model folder."""
    problems = []
    if not trainer_entry():
        problems.append("ms-swift is not installed: pip install 'ms-swift>=4.6.0,<4.7'")
    problems += package_problems(config, machine)
    problems += model_problems(config.model, config.place("model"), trust_remote_code=config.trust_remote_code)
    for adapter in config.train.get("adapters", []):
        problems += adapter_problems(adapter, config.model, config.place("train.adapters"))
    problems += missing_files(local_files(config.data), "data", config.place("data"))
    problems += missing_files(local_files(config.val or ()), "val", config.place("val"))
    problems += folder_problems(config)
    return problems


def package_problems(config: Config, machine: Machine) -> list[str]:
    """Options that need a package which is not installed."""
    needed = {package: option for option, package in NEEDS_PACKAGE.items() if config.train.get(option)}
    if config.train.get("quant_method") == "bnb" or (
        config.train.get("quant_bits") in (4, 8) and not config.train.get("quant_method")
    ):
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


def data_problems(config: Config) -> list[str]:
    """Read the training and validation files whole: the first broken rows with their file:line."""
    problems = []
    for path in (*local_files(config.data), *local_files(validation_files(config))):
        if path.suffix == ".jsonl":
            problems += read_file(path)[1]
    return problems


def what_is_missing(config: Config, machine: Machine) -> list[str]:
    """What a dry run warns of: the same problems, and what this machine has not got."""
    missing = quick_problems(config, machine)
    if looks_like_hub_id(config.model) and not Path(config.model).exists() and not in_hub_cache(config):
        missing.append(f"{config.place('model')}: model: {config.model} is not on this machine; the run downloads it first")
    missing += [f"{config.place('data')}: data: {entry} is read from the hub" for entry in config.data if is_hub_id(entry)]
    return missing


def in_hub_cache(config: Config) -> bool:
    """Whether a hub model was downloaded before."""
    owner, _, name = config.model.partition("/")
    modelscope = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache/modelscope/hub")
    huggingface = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface") / "hub"
    folders = [
        modelscope / "models" / owner / name.replace(".", "___"),
        modelscope / "hub" / "models" / owner / name.replace(".", "___"),
        modelscope / "models" / f"{owner}--{name}",
        huggingface / f"models--{owner}--{name}",
    ]
    return any(folder.is_dir() for folder in folders)


def free_disk(folder: Path) -> int:
    """Bytes free where a run would be written."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free
