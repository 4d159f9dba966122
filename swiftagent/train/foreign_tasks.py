"""What another program did beside training, as commands of ours: evaluation, export, chat, serving, a check of data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from swiftagent.train.foreign_data import names_of, sources_of
from swiftagent.train.foreign_text import Foreign

Notes = list[tuple[str, str]]
_MODEL = ("model_name_or_path", "model", "model_id_or_path", "base_model")
_ADAPTER = ("adapter_name_or_path", "adapters", "ckpt_dir", "lora_model_dir")
# What each task takes over; everything else that is set is listed as left out.
_TAKEN = {
    "eval": ("dataset", "eval_dataset", "val_dataset", "max_new_tokens", "output_dir", "result_path"),
    "export": ("export_dir", "output_dir", "export_size", "export_hub_model_id", "hub_model_id"),
    "check": ("dataset",),
}
_SAID = {  # what our commands do or find by themselves
    "stage", "do_train", "do_eval", "do_predict", "predict_with_generate", "finetuning_type", "template", "dataset_dir",
    "overwrite_cache", "overwrite_output_dir", "preprocessing_num_workers", "trust_remote_code", "bf16", "fp16", "gpus",
    "flash_attn", "do_sample", "temperature", "top_p", "export_device", "export_legacy_format", "merge_lora",
    "sft_type", "train_type", "infer_backend", "cutoff_len", "per_device_eval_batch_size", "stream", "dtype", "adapter",
    "load_args", "load_dataset_config",
}  # fmt: skip


def command_of(foreign: Foreign, place: Path) -> tuple[list[str], Notes]:
    """Our commands for one task that is no training, and (name, reason) of what they do not carry over."""
    sources, notes = _data(foreign, place)
    model = _first(foreign.settings, _MODEL)
    adapter = _first(foreign.settings, _ADAPTER)
    words = {
        "eval": _eval, "export": _export, "check": _check, "infer": _infer, "serve": _serve, "train": _check,
    }[foreign.task](foreign.settings, model, adapter, sources)  # fmt: skip
    kept = {*_MODEL, *_ADAPTER, *_TAKEN.get(foreign.task, ()), *_SAID}
    unused = [key for key, value in foreign.settings.items() if key not in kept and value not in (None, "")]
    return [shlex.join(line) for line in words], [
        *notes,
        *((key, f"not needed to {foreign.task}, or without a counterpart") for key in unused),
    ]


def _data(foreign: Foreign, place: Path) -> tuple[list[str], Notes]:
    named = _first(foreign.settings, ("eval_dataset", "val_dataset", "dataset"))
    return sources_of(foreign, names_of(named), place) if foreign.task in ("eval", "check") else ([], [])


def _first(settings: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((settings[key] for key in keys if settings.get(key)), None)


def _loaded(model: Any, adapter: Any) -> list[str]:
    words = ["--model", str(model)] if model else []
    first = adapter[0] if isinstance(adapter, list) else str(adapter or "").split(",")[0]
    return [*words, *(["--adapter", str(first)] if first else [])]


def _eval(settings: dict[str, Any], model: Any, adapter: Any, sources: list[str]) -> list[list[str]]:
    data = [word for source in sources or ["FILL_IN.jsonl"] for word in ("--data", source)]
    # Gold is read as training data is; an entry of dataset_info.json becomes a file first.
    first = [["swiftagent", "convert", *sources, "-o", "datasets/test.jsonl"]] if any("#" in s for s in sources) else []
    words = ["swiftagent", "eval", *_loaded(model, adapter), *(["--data", "datasets/test.jsonl"] if first else data)]
    words += ["--step-tokens", str(settings["max_new_tokens"])] if settings.get("max_new_tokens") else []
    output = settings.get("output_dir")
    return [*first, [*words, *(["-o", str(output)] if output else [])]]


def _export(settings: dict[str, Any], model: Any, adapter: Any, sources: list[str]) -> list[list[str]]:
    output = _first(settings, ("export_dir", "output_dir")) or "merged"
    words = ["swiftagent", "export", "merge", *_loaded(model, adapter), "-o", str(output)]
    words += ["--max-shard-size", f"{settings['export_size']}GB"] if settings.get("export_size") else []
    pushed = _first(settings, ("export_hub_model_id", "hub_model_id"))
    return [words, *([["swiftagent", "export", "push", str(output), str(pushed)]] if pushed else [])]


def _check(settings: dict[str, Any], model: Any, adapter: Any, sources: list[str]) -> list[list[str]]:
    output = "datasets/checked.jsonl"
    convert = ["swiftagent", "convert", *(sources or ["FILL_IN.json"]), "-o", output]
    return [convert, ["swiftagent", "inspect", output, "--check", *_loaded(model, None)]]


def _infer(settings: dict[str, Any], model: Any, adapter: Any, sources: list[str]) -> list[list[str]]:
    system = _first(settings, ("system", "default_system"))
    return [
        ["swiftagent", "infer", "--react", *_loaded(model, adapter), *(["--system", str(system)] if system else [])]
    ]


def _serve(settings: dict[str, Any], model: Any, adapter: Any, sources: list[str]) -> list[list[str]]:
    port = settings.get("port")
    return [["swiftagent", "serve", *_loaded(model, adapter), *(["--port", str(port)] if port else [])]]
