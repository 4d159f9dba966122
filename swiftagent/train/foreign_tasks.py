"""What another program did beside training, as commands of ours: evaluation, export, chat, serving, a check of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swiftagent.train.foreign_data import command, first_of, names_of, sources_of
from swiftagent.train.foreign_names import NEEDLESS
from swiftagent.train.foreign_text import Foreign

Notes = list[tuple[str, str]]
_TEST = "datasets/test.jsonl"
_MODEL = ("model_name_or_path", "model", "model_id_or_path", "base_model")
_ADAPTER = ("adapter_name_or_path", "adapters", "ckpt_dir", "lora_model_dir")
# What each task takes over; everything else that is set is listed as left out.
_TAKEN = {
    "eval": ("dataset", "eval_dataset", "val_dataset", "max_new_tokens", "output_dir", "result_path"),
    "export": ("export_dir", "output_dir", "export_size", "export_hub_model_id", "hub_model_id"),
    "check": ("dataset",),
}
_SAID = NEEDLESS | {  # what our commands do or find by themselves
    "stage", "finetuning_type", "template", "preprocessing_num_workers", "trust_remote_code", "bf16", "fp16", "gpus",
    "flash_attn", "do_sample", "temperature", "top_p", "export_device", "export_legacy_format", "merge_lora",
    "sft_type", "train_type", "infer_backend", "cutoff_len", "per_device_eval_batch_size", "stream", "dtype", "adapter",
    "load_args", "load_dataset_config",
}  # fmt: skip


def command_of(foreign: Foreign, place: Path) -> tuple[list[str], Notes]:
    """Our commands for one task that is no training, and (name, reason) of what they do not carry over."""
    settings, task = foreign.settings, foreign.task
    named = first_of(settings, "eval_dataset", "val_dataset", "dataset") if task in ("eval", "check") else None
    sources, notes = sources_of(foreign, names_of(named), place)
    adapters = first_of(settings, *_ADAPTER)
    adapter = str(adapters[0] if isinstance(adapters, list) else adapters or "").split(",")[0]
    model = first_of(settings, *_MODEL)
    loaded = [*(["--model", str(model)] if model else []), *(["--adapter", adapter] if adapter else [])]
    kept = {*_MODEL, *_ADAPTER, *_TAKEN.get(task, ()), *_SAID}
    unused = [key for key, value in settings.items() if key not in kept and value not in (None, "")]
    return _COMMANDS[task](settings, loaded, sources), [
        *notes,
        *((key, f"not needed to {task}, or without a counterpart") for key in unused),
    ]


def _eval(settings: dict[str, Any], loaded: list[str], sources: list[str]) -> list[str]:
    # Gold is read as training data is; an entry of dataset_info.json becomes a file first.
    first = [command("swiftagent", "convert", sources, ("-o", _TEST))] if any("#" in name for name in sources) else []
    data = [_TEST] if first else sources or ["FILL_IN.jsonl"]
    words = [word for source in data for word in ("--data", source)]
    tokens, output = ("--step-tokens", settings.get("max_new_tokens")), ("-o", settings.get("output_dir"))
    return [*first, command("swiftagent", "eval", loaded, words, tokens, output)]


def _export(settings: dict[str, Any], loaded: list[str], sources: list[str]) -> list[str]:
    output = first_of(settings, "export_dir", "output_dir") or "merged"
    size = f"{settings['export_size']}GB" if settings.get("export_size") else ""
    merge = command("swiftagent", "export", "merge", loaded, ("-o", output), ("--max-shard-size", size))
    pushed = first_of(settings, "export_hub_model_id", "hub_model_id")
    return [merge, *([command("swiftagent", "export", "push", output, pushed)] if pushed else [])]


def _check(settings: dict[str, Any], loaded: list[str], sources: list[str]) -> list[str]:
    output = "datasets/checked.jsonl"
    model = loaded[:2] if "--model" in loaded else []
    return [
        command("swiftagent", "convert", sources or "FILL_IN.json", ("-o", output)),
        command("swiftagent", "inspect", output, "--check", model),
    ]


def _infer(settings: dict[str, Any], loaded: list[str], sources: list[str]) -> list[str]:
    system = first_of(settings, "system", "default_system")
    return [command("swiftagent", "infer", "--react", loaded, ("--system", system))]


def _serve(settings: dict[str, Any], loaded: list[str], sources: list[str]) -> list[str]:
    return [command("swiftagent", "serve", loaded, ("--port", settings.get("port")))]


_COMMANDS = {"eval": _eval, "export": _export, "check": _check, "infer": _infer, "serve": _serve}
