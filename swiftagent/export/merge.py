"""An adapter merged into its base, written whole and proved: the merged logits equal those of base and adapter
together.

Where the adapter holds a LoRA on a tied embedding, base and adapter together change the input embedding only, while a
merged tied weight would change the output head too (measured: logits off by 245 on a scale of 0.3). So such a head is
untied first.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from swiftagent import __version__
from swiftagent.backend.template import first_line, quiet, with_adapter
from swiftagent.errors import CheckError, ConfigError, SetupError
from swiftagent.export.folder import require_memory, require_room, whole_folder
from swiftagent.export.templates import end_tokens
from swiftagent.models.files import model_problems, own_code, read_object, safetensors_fault

PROBES = (
    "Answer the following questions as best you can.\nThought: look\nAction: weather\nAction Input: {}\nObservation:",
    "The quick brown fox jumps over the lazy dog 1234567890 times.",
    "今天北京的天气怎么样？请用一句话回答。",
)
# A `State`. It is written last, so where it is whole, so are the weights.
_STATE = ".merge.safetensors"
# The logits of base and adapter on the probes, and whether the output head was untied.
State = tuple[list[Any], bool]
_LIBRARIES = ("torch", "transformers", "peft")
# Relative to the largest logit.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "bfloat16": 1.5e-1}


class Merged(msgspec.Struct):
    """What a merge did. `max_difference`: largest absolute difference of a logit, merged and reloaded against base +
    adapter.

    `resumed`: the weights are those that a merge wrote which was then killed.
    """

    dtype: str
    untied: bool
    max_difference: float
    logit_scale: float
    bytes: int
    resumed: bool = False


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
    """Merge `adapter` into `base` (a folder) and write a complete model folder; None copies a full model through the
    same door.

    dtype: auto keeps the base's own. finish: writes what else belongs into the folder before it appears.
    Raises SetupError (base or adapter gone, no disk, folder in use) and CheckError where the merged model does not
    answer as base and adapter did.
    """
    model_folder = require_model(base)
    if adapter is not None:
        require_adapter(adapter)
    config = read_object(model_folder / "config.json")
    wanted = str(config.get("dtype") or config.get("torch_dtype") or "float32") if dtype == "auto" else dtype
    require_words(wanted, max_shard_size)
    needed = _bytes_as(model_folder, wanted)
    require_room(needed, out)
    require_memory(needed)
    made_of = _fingerprint([folder for folder in (model_folder, adapter) if folder is not None], wanted, max_shard_size)
    keep = (model_folder, adapter)
    with whole_folder(out, force=force, keep=keep, resumable=lambda left: bool(_state(left, made_of))) as part:
        # Weights that a killed merge wrote whole are not computed twice.
        state = _state(part, made_of)
        before, untied = state or _write_weights(model_folder, adapter, part, wanted, max_shard_size, made_of)
        # It is no part of the model.
        (part / _STATE).unlink()
        # From the files: what is proved is what others will load.
        after = _logits(load_model(part, wanted), load_tokenizer(part))
        difference = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
        scale = max(float(a.abs().max()) for a in before)
        if not difference <= TOLERANCE[wanted] * max(scale, 1e-6):
            about = f"merged logits differ from base + adapter by {difference:.3g} at scale {scale:.3g}; not written"
            raise CheckError(about)
        size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        merged = Merged(wanted, untied, difference, scale, size, resumed=state is not None)
        finish(part, merged)
    return merged


def _write_weights(base: Path, adapter: Path | None, part: Path, dtype: str, shard: str, made_of: str) -> State:
    """Weights, config and tokenizer of the merged model, and, when all are there, a mark that they are."""
    has_tokenizer = (adapter or base) / "tokenizer_config.json"
    tokenizer = load_tokenizer(adapter if adapter and has_tokenizer.exists() else base)
    model = load_model(base, dtype)
    untied = adapter is not None and _untie_if_adapted(model, adapter)
    if adapter is not None:
        with quiet():
            model = with_adapter(model, adapter)
    before = _logits(model, tokenizer)
    if adapter is not None:
        model = model.merge_and_unload()
    # Generation ends at every end token that the chat template writes.
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(end_tokens(tokenizer))
    if tokenizer.pad_token_id is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    # Else transformers would write a dequantised model in the form that it was read in, and cannot.
    form = {"save_original_format": False} if "quantization_config" in read_object(base / "config.json") else {}
    _save(model, part, max_shard_size=shard, **form)
    tokenizer.save_pretrained(part)
    save_state(part, made_of, untied, before)
    return before, untied


@quiet()
def load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@quiet()
def load_model(folder: Path, dtype: str) -> Any:
    """A model in `dtype`; a quantised one is dequantised, since an adapter cannot be added to rounded weights without
    loss."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, trust_remote_code=False
        )
    except (ValueError, KeyError, ImportError, RuntimeError) as error:
        raise SetupError(f"transformers cannot load {folder}: {first_line(error)}") from error
    if getattr(model.config, "quantization_config", None) is None:
        return model
    return model.dequantize(dtype=getattr(torch, dtype))


@quiet()
def _save(model: Any, folder: Path, **options: Any) -> None:
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder, **options)
    # A full disk, which safetensors has its own word for.
    except SafetensorError as error:
        raise OSError(str(error)) from error


def require_model(base: str) -> Path:
    """The folder of a complete model. Raises SetupError naming what is missing."""
    folder = Path(base)
    if not folder.is_dir():
        raise SetupError(f"the base model {base} is not a folder here; download it or give its folder with --model")
    if code := own_code(folder):
        fact = f"{base} brings its own code ({code}), which is not run; use one that transformers knows, in safetensors"
        raise SetupError(fact)
    if problems := model_problems(base, "export", trust_remote_code=True):
        raise SetupError("; ".join(problems))
    return folder


def require_adapter(adapter: Path) -> None:
    config, weights = "adapter_config.json", "adapter_model.safetensors"
    if not (adapter / config).exists() or not (adapter / weights).exists():
        raise SetupError(f"{adapter} holds no complete adapter ({config} and {weights}); name a finished run")
    if fault := safetensors_fault(adapter / weights):
        raise SetupError(f"{adapter}: its {weights} is {fault}; name another checkpoint with --checkpoint")


def require_words(dtype: str, max_shard_size: str) -> None:
    """Raises ConfigError for an unknown type or size: a caller may ask before it does anything that takes long."""
    if dtype not in ("auto", *TOLERANCE):
        raise ConfigError(f"--dtype {dtype}: not one of {', '.join(TOLERANCE)}")
    if not re.fullmatch(r"(?=.*[1-9])\d+(\.\d+)?\s*[KMGT]?i?B", max_shard_size, re.IGNORECASE):
        raise ConfigError(f"--max-shard-size {max_shard_size}: not a size such as 5GB or 500MB")


def _bytes_as(folder: Path, dtype: str) -> int:
    """The size of a model's weights once they are `dtype`."""
    from safetensors import safe_open

    opened: list[Any] = [safe_open(file, "pt") for file in folder.glob("*.safetensors")]
    tensors = [weights.get_slice(name) for weights in opened for name in weights.keys()]  # noqa: SIM118 (not a dict)
    # Two 4-bit weights in a byte.
    count = sum(math.prod(tensor.get_shape()) * (1 + (tensor.get_dtype() == "U8")) for tensor in tensors)
    return int(count) * (4 if dtype == "float32" else 2)


def _untie_if_adapted(model: Any, adapter: Path) -> bool:
    """Give a tied model an output head of its own where the adapter changes the embedding."""
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "pt") as tensors:
        adapts_it = any("embed" in name or "lm_head" in name for name in tensors.keys())  # noqa: SIM118 (not a dict)
    if not adapts_it or not getattr(model.config, "tie_word_embeddings", False):
        return False
    import torch

    # The adapter was trained on the input embedding alone; a tied head would change with it.
    model.config.tie_word_embeddings = False
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone(), requires_grad=False)
    return True


def _logits(model: Any, tokenizer: Any) -> list[Any]:
    import torch

    model.eval()
    with torch.inference_mode():
        return [model(**tokenizer(text, return_tensors="pt").to(model.device)).logits.float().cpu() for text in PROBES]


def _fingerprint(folders: list[Path], *settings: str) -> str:
    """Of the files of base and adapter (names, sizes, times), the settings, and the programs."""
    digest = hashlib.sha256("\0".join([__version__, *settings, *map(version, _LIBRARIES)]).encode())
    # Sizes and times stand for contents: hashing a model takes as long as merging it.
    for folder in folders:
        for file in sorted(path for path in folder.iterdir() if path.is_file()):
            about = file.stat()
            digest.update(f"\0{file.absolute()}\0{about.st_size}\0{about.st_mtime_ns}".encode())
    return digest.hexdigest()


def save_state(folder: Path, made_of: str, untied: bool, logits: list[Any]) -> None:
    """Record that every weight is written. made_of: a hash of everything that the weights follow from."""
    from safetensors.torch import save_file

    facts = {"made_of": made_of, "untied": "yes" if untied else ""}
    save_file({str(number): tensor for number, tensor in enumerate(logits)}, folder / _STATE, facts)


def _state(folder: Path, made_of: str) -> State | None:
    """What is saved of this very merge, where all of its weights are there."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / _STATE, "pt") as saved:
            facts = saved.metadata()
            logits = [saved.get_tensor(str(number)) for number in range(len(saved.keys()))]
    except (OSError, SafetensorError):
        return None
    is_whole = facts["made_of"] == made_of and not any(map(safetensors_fault, folder.glob("*.safetensors")))
    return (logits, bool(facts["untied"])) if is_whole else None
