"""An adapter merged into its base, written whole and proved: the merged logits equal those of base and adapter together.

Where the adapter holds a LoRA on a tied embedding, base and adapter together change the input embedding only, while a merged
tied weight would change the output head too (measured: logits off by 245 on a scale of 0.3). So such a head is untied first.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import CheckError, ConfigError, SetupError

PROBES = (
    "Answer the following questions as best you can.\nThought: look\nAction: weather\nAction Input: {}\nObservation:",
    "The quick brown fox jumps over the lazy dog 1234567890 times.",
    "今天北京的天气怎么样？请用一句话回答。",
)
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "bfloat16": 1.5e-1}  # relative to the largest logit


class Merged(msgspec.Struct):
    """What a merge did. `max_difference`: largest absolute difference of a logit, merged and reloaded against base + adapter."""

    folder: str
    dtype: str
    untied: bool
    max_difference: float
    logit_scale: float
    bytes: int


def merge(
    base: str,
    adapter: Path | None,
    out: Path,
    *,
    dtype: str = "auto",
    max_shard_size: str = "5GB",
    force: bool = False,
    finish: Callable[[Path, Merged], None] = lambda folder, merged: None,
) -> Merged:
    """Merge `adapter` into `base` (a folder) and write a complete model folder; None copies a full model through the same door.

    dtype: auto keeps the base's own. finish: writes what else belongs into the folder before it appears.
    Raises SetupError (base or adapter gone, no disk, folder in use) and CheckError where the merged model does not answer
    as base and adapter did.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model_folder = require_model(base)
    if adapter is not None:
        require_adapter(adapter)
    require_room(model_folder, out)
    wanted = _dtype(model_folder, dtype)
    with _quiet_transformers(), whole_folder(out, force=force) as part:
        tokenizer = AutoTokenizer.from_pretrained(adapter if _has_tokenizer(adapter) else model_folder)
        model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=getattr(torch, wanted))
        untied = adapter is not None and _untie_if_adapted(model, adapter)
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter))
        before = _logits(model, tokenizer)
        if adapter is not None:
            model = model.merge_and_unload()
        model.generation_config = _generation_config(model, tokenizer)
        model.save_pretrained(part, max_shard_size=max_shard_size)
        tokenizer.save_pretrained(part)
        del model
        reloaded = AutoModelForCausalLM.from_pretrained(part, dtype=getattr(torch, wanted))
        after = _logits(reloaded, tokenizer)
        difference = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
        scale = max(float(a.abs().max()) for a in before)
        if not difference <= TOLERANCE[wanted] * max(scale, 1e-6):
            raise CheckError(
                f"the merged model differs from base + adapter by {difference:.3g} on a scale of {scale:.3g}; not written"
            )
        size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        merged = Merged(str(out), wanted, untied, difference, scale, size)
        finish(part, merged)
    return merged


def require_model(base: str) -> Path:
    """The folder of a complete model. Raises SetupError naming what is missing."""
    folder = Path(base)
    if not folder.is_dir():
        raise SetupError(f"the base model {base} is not a folder here; download it or give its folder with --model")
    missing = [name for name in ("config.json",) if not (folder / name).exists()]
    index = folder / "model.safetensors.index.json"
    shards = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else set()
    missing += [name for name in sorted(shards) if not (folder / name).exists()]
    if not shards and not list(folder.glob("*.safetensors")) and not list(folder.glob("*.bin")):
        missing.append("model.safetensors")
    if missing:
        raise SetupError(f"the model folder {base} lacks {', '.join(missing)}; download it again")
    config = json.loads((folder / "config.json").read_text())
    if "auto_map" in config or list(folder.glob("*.py")):
        raise SetupError(f"the model folder {base} brings its own code, which is not run; use a model that transformers knows")
    return folder


def require_adapter(adapter: Path) -> None:
    if not (adapter / "adapter_config.json").exists() or not list(adapter.glob("adapter_model.*")):
        raise SetupError(
            f"{adapter} holds no complete adapter (adapter_config.json and adapter_model.safetensors); name a finished run"
        )


def require_room(model_folder: Path, out: Path) -> None:
    """Raises SetupError where the disk does not hold another copy of the model and a tenth more."""
    needed = sum(file.stat().st_size for file in model_folder.iterdir() if file.suffix in (".safetensors", ".bin"))
    parent = next(folder for folder in [out.absolute(), *out.absolute().parents] if folder.exists())
    free = shutil.disk_usage(parent).free
    if free < needed * 1.1:
        raise SetupError(
            f"{parent} has {free / 1e9:.1f} GB free and the model takes {needed / 1e9:.1f}; choose another disk with -o"
        )


@contextmanager
def whole_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """A folder that appears under its name only when the block ends well. Raises SetupError where it exists and is not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not force:
        raise SetupError(f"{out} is there and not empty; name another folder with -o, or give --force to replace it")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if out.exists():
            shutil.rmtree(out) if out.is_dir() else out.unlink()
        part.rename(out)
    except OSError as error:
        raise SetupError(f"cannot write {out}: {error.strerror or error}; choose another place with -o") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _dtype(model_folder: Path, dtype: str) -> str:
    config = json.loads((model_folder / "config.json").read_text())
    wanted = config.get("dtype") or config.get("torch_dtype") or "float32" if dtype == "auto" else dtype
    if wanted not in TOLERANCE:
        raise ConfigError(f"--dtype {dtype}: not one of {', '.join(TOLERANCE)}")
    return str(wanted)


def _has_tokenizer(folder: Path | None) -> bool:
    return folder is not None and (folder / "tokenizer_config.json").exists()


def _untie_if_adapted(model: Any, adapter: Path) -> bool:
    """Give a tied model an output head of its own where the adapter changes the embedding."""
    from safetensors import safe_open

    tied = bool(getattr(model.config, "tie_word_embeddings", False))
    files = list(adapter.glob("adapter_model.safetensors"))
    if not tied or not files:
        return False
    with safe_open(files[0], "pt") as tensors:
        names = list(tensors.keys())
    if not any("embed" in name or "lm_head" in name for name in names):
        return False
    import torch

    model.config.tie_word_embeddings = False
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone(), requires_grad=False)
    return True


def _logits(model: Any, tokenizer: Any) -> list[Any]:
    import torch

    model.eval()
    with torch.inference_mode():
        return [model(**tokenizer(text, return_tensors="pt").to(model.device)).logits.float().cpu() for text in PROBES]


def _generation_config(model: Any, tokenizer: Any) -> Any:
    """Greedy enough for calls, and ending at every end token that the chat template writes."""
    config = model.generation_config
    known = tokenizer.get_vocab()
    ends = [known[token] for token in ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>") if token in known]
    config.eos_token_id = list(dict.fromkeys([*ends, *([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else [])]))
    if tokenizer.pad_token_id is not None:
        config.pad_token_id = tokenizer.pad_token_id
    return config


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Spare the user progress bars of a second and the false alarm about Qwen's pre-tokenizer."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
