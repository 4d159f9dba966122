"""A model folder before it is loaded: complete, readable, with a tokenizer, and nothing in it that would be run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swiftagent.models.identity import bare_name, is_hub_id

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json", "qwen.tiktoken", "tokenizer_config.json",
)  # fmt: skip
# By these keys a JSON file names code to be run, in its own folder or in another repository.
CODE_KEYS = ("auto_map", "custom_generate", "custom_pipelines", "megatron_config")
# Large files of data, in which no loader looks for such keys.
_NO_CONFIG = ("tokenizer.json", "vocab.json")
# What `from_pretrained` takes before it looks for a pickle. A safetensors file of any other name does not keep it from
# opening `pytorch_model.bin`.
_SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
EXPORT_RECORD = "export.json"  # in every exported model folder
WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin", "*.pt")


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file as an object; {} where it is missing, broken or something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def model_problems(model: str, place: str, *, trust_remote_code: bool) -> list[str]:
    """What is wrong with a local model folder; a hub id has none before it is
    downloaded."""
    return [f"{place}: model: {model}: {fault}" for fault in _model_faults(model, trust_remote_code)]


def _model_faults(model: str, trusted: bool) -> Iterator[str]:
    folder = Path(model)
    if is_gguf(model):
        yield (
            "a GGUF, which is made to run and not to train; name the model that it was made from, and make a GGUF of "
            "the result: `swiftagent export gguf`"
        )
    elif not folder.is_dir():
        if folder.exists():
            yield "a file; a folder with config.json, weights and tokenizer is wanted"
        elif not is_hub_id(model):
            yield "no such folder, and no hub id (owner/name) either"
    elif (folder / "adapter_config.json").is_file():
        base = read_object(folder / "adapter_config.json").get("base_model_name_or_path", "its base")
        yield f"an adapter; give model: {base} and train.adapters: {model}"
    elif not read_object(folder / "config.json"):
        fact = "config.json is not JSON" if (folder / "config.json").is_file() else "no config.json in it"
        yield f"{fact}; download the model again, whole"
    else:
        yield from (*_tokenizer_problems(folder), *_weight_problems(folder), *_code_problems(folder, trusted))


def is_gguf(model: str) -> bool:
    """Whether a model is a GGUF file, a folder whose weights are GGUF alone, or a hub's repository of such files."""
    folder = Path(model)
    if not folder.is_dir():
        return model.lower().endswith((".gguf", "-gguf"))
    return any(folder.glob("*.gguf")) and not any(any(folder.glob(pattern)) for pattern in WEIGHTS)


def _code_problems(folder: Path, trusted: bool) -> list[str]:
    code = "" if trusted else own_code(folder)
    fact = f"holds code of its own ({code}), which loading would run; trust_remote_code: true allows it"
    return [fact] if code else []


def own_code(folder: Path) -> str:
    """What in a model folder loading or generating could run, as a phrase; "" where there is nothing.

    Python files and references to code at any depth below it, and weights that are pickles: unpickling runs code.
    """
    files = sorted(_files_below(folder))
    if code := [name for name in files if name.lower().endswith(".py")]:
        return ", ".join(code[:3])
    configs = (name for name in files if name.endswith(".json") and Path(name).name not in _NO_CONFIG)
    references = (f"{key} in {name}" for name in configs for key in _code_keys(read_object(folder / name)))
    return next(references, "") or _pickled_weights(folder)


def own_tokens(folder: Path) -> set[str]:
    """The special and added tokens of a model folder's tokenizer, as its files have them."""
    config = read_object(folder / "tokenizer_config.json")
    added: list[Any] = [config.get("added_tokens_decoder"), config.get("additional_special_tokens")]
    added.append(read_object(folder / "tokenizer.json").get("added_tokens"))
    added.append(list(read_object(folder / "added_tokens.json")))
    added += [list(read_object(folder / "special_tokens_map.json").values())]
    # These files spell a token as text, as an object with `content`, or as a list of either.
    listed = (entry for part in added for entry in (part.values() if isinstance(part, dict) else part or ()))
    flat = (inner for entry in listed for inner in (entry if isinstance(entry, list) else [entry]))
    texts = (entry.get("content") if isinstance(entry, dict) else entry for entry in flat)
    return {text for text in texts if isinstance(text, str)}


def _files_below(folder: Path) -> Iterator[str]:
    """Names of all files below a folder, links to other folders followed, each folder once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        # A link to a folder above would never end.
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(place, name)) not in seen]
        seen.update(os.path.realpath(os.path.join(place, name)) for name in folders)
        yield from (os.path.relpath(os.path.join(place, name), folder) for name in names)


def _code_keys(value: Any) -> Iterator[str]:
    """The keys of CODE_KEYS that have a value, at any depth of a JSON value."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield from (key for key in CODE_KEYS if inner.get(key))
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner


def _pickled_weights(folder: Path) -> str:
    """The file that would be unpickled for its weights; "" where they are safetensors, or missing."""
    indexed = (name for index in sorted(folder.glob("*.safetensors.index.json")) for name in sorted(shards(index)))
    pickle = next((name for name in indexed if not name.endswith(".safetensors")), "")
    if not pickle and not any((folder / name).is_file() for name in _SAFE_WEIGHTS):
        pickle = next((path.name for path in sorted(folder.glob("*")) if path.suffix in _PICKLES), "")
    return f"weights as a pickle, {pickle}, and not as safetensors" if pickle else ""


def adapter_problems(adapter: str, model: str, place: str, *, trust_remote_code: bool = False) -> list[str]:
    """An adapter folder that is incomplete, holds code of its own or was trained on another base."""
    folder = Path(adapter)
    config = read_object(folder / "adapter_config.json")
    base = str(config.get("base_model_name_or_path") or "")
    faults = []
    if not folder.exists():
        faults = [] if is_hub_id(adapter) else ["no such folder"]
    elif not config:
        faults = ["no adapter_config.json in it; it is no adapter"]
    else:
        faults = [*_code_problems(folder, trust_remote_code), *_weight_problems(folder)]
        # Applied to another base an adapter loads without an error and answers nonsense.
        if base and not same_model(base, model):
            faults += [f"trained on {base}, not on {model}; give model: {base}"]
    return [f"{place}: adapters: {adapter}: {fault}" for fault in faults]


def same_model(one: str, other: str) -> bool:
    """Whether two names stand for one model: the same folder, or the same last name however a hub's cache spells it."""
    if Path(one).is_dir() and Path(other).is_dir():
        if Path(one).resolve() == Path(other).resolve():
            return True
        configs = [read_object(Path(folder) / "config.json") for folder in (one, other)]
        return bool(configs[0]) and configs[0] == configs[1] and _size(one) == _size(other)
    return bare_name(one) == bare_name(other)


def _size(folder: str) -> int:
    return sum(path.stat().st_size for pattern in ("*.safetensors", "*.bin") for path in Path(folder).glob(pattern))


def _tokenizer_problems(folder: Path) -> list[str]:
    present = [name for name in TOKENIZER_FILES if (folder / name).is_file() or list(folder.glob("*.tiktoken"))]
    if not present or present == ["tokenizer_config.json"]:
        return ["no tokenizer in it (tokenizer.json or tokenizer.model); copy it from the base model"]
    if (folder / "tokenizer.json").is_file() and not read_object(folder / "tokenizer.json"):
        return ["tokenizer.json is not JSON; download it again"]
    return []


def _weight_problems(folder: Path) -> list[str]:
    indexes = [*folder.glob("*.safetensors.index.json"), *folder.glob("pytorch_model.bin.index.json")]
    wanted = {name for index in indexes for name in shards(index)}
    missing = sorted(name for name in wanted if not (folder / name).is_file())
    if missing:
        return [f"{len(missing)} of {len(wanted)} weight files are missing ({missing[0]}); download them again"]
    if not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        return ["no weights in it (*.safetensors); download it again, whole"]
    faults = [(path.name, fault) for path in sorted(folder.glob("*.safetensors")) if (fault := safetensors_fault(path))]
    return [f"{name} is {fault}; download it again" for name, fault in faults]


def known_parts(folder: Path) -> set[str]:
    """The names of a model's modules, each without those around it, by the tensors in its files."""
    from safetensors import safe_open

    opened: list[Any] = [safe_open(one, "np") for one in folder.glob("*.safetensors") if not safetensors_fault(one)]
    return {part for weights in opened for name in weights.keys() for part in name.split(".")}  # noqa: SIM118


def shards(index: Path) -> set[str]:
    """File names that a weights index names."""
    return set(map(str, (read_object(index).get("weight_map") or {}).values()))


def safetensors_fault(path: Path) -> str:
    """What is wrong with a safetensors file, by its header against its size; "" where nothing is."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            return ""
    except (OSError, SafetensorError) as error:
        return f"cut or damaged ({str(error).rpartition(': ')[2]})"
