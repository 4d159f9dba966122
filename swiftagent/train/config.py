"""YAML to a typed config. An unknown key names its nearest, every problem has its file:line, and all of them are
reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.shipped import find, shipped
from swiftagent.io.words import did_you_mean, nearest
from swiftagent.io.yaml_file import lines_of, plain_value, read_mapping, read_text
from swiftagent.scores.gate import read_gate
from swiftagent.train.foreign_text import is_foreign
from swiftagent.train.options import check_value, options, unknown_key

Preflight = Literal["off", "sample", "full"]
# What ms-swift calls things that are ours to set: reported where a config sets them under train:.
OURS = {
    "model": "the top-level key `model`",
    "dataset": "the top-level key `data`",
    "val_dataset": "the top-level key `val`",
    "output_dir": "the top-level keys `runs` and `name`",
    "run_name": "the top-level key `name`",
    "resume_from_checkpoint": "`swiftagent sft --resume`",
    "add_version": "the run's own folder, which is never written twice",
    "use_cpu": "`gpus: 0`",
    "load_args": "the run folder, which holds the resolved config",
    "ignore_args_error": "the check of names, which is exact",
}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved config. `train` holds ms-swift's own options, each checked; `places` holds where each key was set."""

    model: str
    data: tuple[str, ...]
    val: tuple[str, ...] | None = None  # None: found beside the data; (): none wanted
    name: str = ""
    runs: str = "runs"
    gpus: int | None = None  # None: as many as there are; 0: the CPU
    cpu_processes: int = 1
    nodes: int | None = None
    node_rank: int | None = None
    master: str = ""
    sequences_per_step: int | None = None
    micro_batch: str | int = "sequences"  # ms-swift's batches; "tokens": a budget is chosen; a number: that budget
    preflight: Preflight = "sample"
    train_on: Literal["all", "last_step", "last_turn"] = "all"
    weights: dict[str, float] = {}  # kind of text (thought, call, arguments, answer): its weight in the loss
    trust_remote_code: bool = False
    gate: dict[str, Any] = {}
    method: Literal["sft", "self-distill"] = "sft"  # self-distill: on chat, close to the model without its adapter
    eval_calls: int = 0  # held-out questions asked at each evaluation, by which the best checkpoint is chosen
    adapter_scale: Literal["full", "auto"] = "full"  # auto: chosen on the validation split after training
    train: dict[str, Any] = {}
    path: str = ""
    places: dict[str, str] = {}

    def place(self, key: str) -> str:
        """file:line of a key, else the file."""
        return self.places.get(key) or self.places.get(f"train.{key}") or self.path

    @property
    def run_name(self) -> str:
        """The name of its runs: its own, else its file's."""
        return self.name or Path(self.path).stem

    def as_dict(self) -> dict[str, Any]:
        """The config as it would be written in YAML: only what is set."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for key in ("path", "places"):
            del plain[key]
        plain["gpus"] = "auto" if self.gpus is None else self.gpus
        plain["val"] = "none" if self.val == () else self.val
        return {key: value for key, value in plain.items() if value not in (None, "", {}) or key == "train"}


TOP_KEYS = tuple(name for name in Config.__struct_fields__ if name not in ("path", "places")) + ("extends",)


class _Entry(NamedTuple):
    value: Any
    place: str


# Stands for a file that could not be read and has been reported: nothing of it is called missing.
_UNREAD = {"extends": _Entry("", "")}


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read, extend, override and check a config. Raises ConfigError with every problem found."""
    problems: list[str] = []
    found = find_config(str(path))
    entries = _read(found, problems, [])
    if is_foreign(entries):
        raise ConfigError(
            f"{path}: a config of another program; `swiftagent configs from {path} -o ours.yaml` translates it"
        )
    for word in overrides:
        _override(entries, word, problems)
    config = _build(entries, str(path), problems)
    config = msgspec.structs.replace(config, data=tuple(file for entry in config.data for file in _shards(entry)))
    shipped_model = find(config.model)  # `datasets/tiny-base` from any folder
    return config if shipped_model == Path(config.model) else msgspec.structs.replace(config, model=str(shipped_model))


def _shards(entry: str) -> list[str]:
    """The files that an entry means: those of a folder of shards, as `mix --shards` and `convert --shards` write it."""
    return sorted(map(str, Path(entry).glob("train-*-of-*.*"))) or [entry]


def from_text(text: str, path: str = "config") -> Config:
    """A config from YAML text, as `load` reads it from a file (no `extends`)."""
    problems: list[str] = []
    entries = _entries(text, path, problems)
    if "extends" in entries and not problems:
        problems.append(f"{entries['extends'].place}: extends: only a config in a file can extend another")
    return _build(entries, path, problems)


def find_config(path: str) -> Path:
    """A config by its path, or a shipped one by its path or bare name. Raises ConfigError."""
    for candidate in (find(path), shipped("configs") / f"{path}.yaml", shipped("configs") / path):
        if candidate.is_file():
            return candidate
    names = sorted(file.stem for file in shipped("configs").glob("*.yaml"))
    near = nearest(Path(path).stem, names)
    hint = f"did you mean configs/{near}.yaml?" if near else "`swiftagent configs` lists the shipped ones"
    fact = "is a folder, not a config" if Path(path).is_dir() else "no such config"
    raise ConfigError(f"{path}: {fact}; {hint}")


# reading
# ---------------------------------------------------------------------------------------------------------------


def _read(path: Path, problems: list[str], chain: list[Path]) -> dict[str, _Entry]:
    if path.resolve() in chain:
        problems.append(f"{path}:1: extends: a circle: {' -> '.join(map(str, [*chain, path]))}")
        return dict(_UNREAD)
    try:
        text = read_text(path)
    except ConfigError as error:
        problems += error.problems
        return dict(_UNREAD)
    entries = _entries(text, str(path), problems)
    base = entries.pop("extends", None)
    if base is None:
        return entries
    if not base.place:
        return dict(_UNREAD)
    if not isinstance(base.value, str) or not base.value:
        problems.append(
            f"{base.place}: extends: {base.value!r} is not the name of a config; give one or remove the line"
        )
        return {**entries, "extends": base}
    beside = path.parent / base.value
    try:
        base_path = beside if beside.is_file() else find_config(base.value)
    except ConfigError as error:
        problems.append(f"{base.place}: extends: {error}")
        return {**entries, "extends": base}
    return {**_read(base_path, problems, [*chain, path.resolve()]), **entries}


def _entries(text: str, path: str, problems: list[str]) -> dict[str, _Entry]:
    """Flat entries "key" and "train.key" with their places."""
    try:
        root = read_mapping(text, path, "a config is a mapping with at least `model:` and `data:`")
    except ConfigError as error:
        problems += error.problems
        return dict(_UNREAD)
    return _flatten(root, path, "", problems)


def _flatten(node: Any, path: str, prefix: str, problems: list[str]) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for line in lines_of(node, path):
        key = prefix + line.key
        if key in entries or (key == "train" and any(name.startswith("train.") for name in entries)):
            problems.append(f"{line.place}: {key}: given twice")
        if key == "train" and line.is_mapping:
            entries |= _flatten(line.node, path, "train.", problems)
            continue
        try:
            entries[key] = _Entry(line.value(), line.place)
        except ConfigError as error:
            problems += error.problems
            entries[key] = _Entry("", line.place)
    return entries


def _override(entries: dict[str, _Entry], word: str, problems: list[str]) -> None:
    key, equals, text = word.partition("=")
    if not equals or not key:
        problems.append(f"command line: {word!r} is not key=value")
    elif key == "extends":
        problems.append(
            f"command line: {word}: extends: stands in a file; write a config with it, or name that one instead"
        )
    else:
        name = f"train.{key}" if key not in TOP_KEYS and key in options() else key
        entries[name] = _Entry(plain_value(text), f"command line: {word}")


# checking
# --------------------------------------------------------------------------------------------------------------


def _build(entries: dict[str, _Entry], path: str, problems: list[str]) -> Config:
    """Raises ConfigError with `problems`, and with those of the values."""
    values: dict[str, Any] = {}
    train: dict[str, Any] = {}
    plugins = "train.external_plugins" in entries
    for key, (value, place) in entries.items():
        if key == "extends":
            continue
        name, problem = key.removeprefix("train."), _unknown(key)
        if not problem and value in (None, "", [], {}):
            problem = f"{name}: empty; give a value or remove the line"
        elif not problem and key == "train":
            problem = f"train: a mapping of ms-swift's options is wanted, not {value!r}"
        elif not problem and key.startswith("train."):
            train[name], problem = check_value(name, value, plugins)
        elif not problem:
            try:
                values[key] = READERS[key](value)
            except ValueError as error:
                problem = f"{key}: {error}"
        problems += [f"{place}: {problem}"] if problem else []
    for needed in ("model", "data"):
        if needed not in entries and "extends" not in entries:
            problems.append(f"{path}: {needed}: missing; add `{needed}: {EXAMPLES[needed]}`")
    if problems:
        raise ConfigError(problems)
    places = {key: entry.place for key, entry in entries.items()}
    return _with_one_batch_size(Config(**values, train=train, path=path, places=places))


def _unknown(key: str) -> str:
    """What is wrong with the name of a key at its place; "" where nothing is."""
    name = key.removeprefix("train.")
    if key == name:
        if key in TOP_KEYS:
            return ""
        if key in options() and key not in OURS:
            return f"{key}: an option of ms-swift; it stands under `train:`"
        return unknown_key(key, (*TOP_KEYS, *options()))
    if name in OURS:
        return f"{name}: set by {OURS[name]}, not under train:"
    if name in options():
        return ""
    if name in TOP_KEYS:
        return f"{name}: a key of ours; it stands at the top level, not under train:"
    return unknown_key(name, options())


def _with_one_batch_size(config: Config) -> Config:
    """sequences_per_step from accumulation where only that is given: then it is the same on any number of GPUs."""
    accumulation = config.train.get("gradient_accumulation_steps")
    if accumulation is None:
        return config
    if config.sequences_per_step is not None:
        raise ConfigError(
            f"{config.place('sequences_per_step')}: sequences_per_step and train.gradient_accumulation_steps "
            f"({config.place('train.gradient_accumulation_steps')}) say the same thing twice; keep one"
        )
    if not config.gpus:
        return config
    batch = config.train.get("per_device_train_batch_size", 1)
    sequences = batch * accumulation * config.gpus * (config.nodes or 1)
    train = {key: value for key, value in config.train.items() if key != "gradient_accumulation_steps"}
    return msgspec.structs.replace(config, sequences_per_step=sequences, train=train)


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise ValueError(f"{value!r} is not a text")
    return str(value)


def _name(value: Any) -> str:
    text = _text(value)
    if Path(text).name != text or text.startswith("."):
        raise ValueError(f"{text!r} is not a plain folder name; `runs:` chooses where it lies")
    return text


def _files(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in (value if isinstance(value, list) else [value]))


def _val(value: Any) -> tuple[str, ...]:
    return () if value is False or value == "none" else _files(value)


def _count(low: int) -> Any:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"{value!r} is not a whole number of at least {low}")
        return value

    return read


def _micro_batch(value: Any) -> str | int:
    if value in ("tokens", "sequences") or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"{value!r} is neither tokens nor sequences nor a number of tokens")


def _gpus(value: Any) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is neither auto nor a number of GPUs (0 means the CPU)")
    return value


def _one_of(*choices: str) -> Any:
    def read(value: Any) -> str:
        text = "off" if value is False else value  # YAML reads a bare `off` as false
        if text not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}{did_you_mean(str(text), choices, '; ')}")
        return str(text)

    return read


def _kind(kind: type, shown: str) -> Any:
    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise ValueError(f"{value!r} is not {shown}")
        return value

    return read


def _weights(value: Any) -> dict[str, float]:
    for kind, weight in _kind(dict, "a mapping")(value).items():
        if kind not in WEIGHED:
            raise ValueError(f"{kind!r} is not one of {', '.join(WEIGHED)}{did_you_mean(str(kind), WEIGHED, '; ')}")
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= 100:
            raise ValueError(f"{kind}: {weight!r} is not a weight from 0 to 100")
    return {kind: float(weight) for kind, weight in value.items()}


def _gate(value: Any) -> dict[str, Any]:
    _, problems = read_gate(value)
    if problems:
        raise ValueError("; ".join(problem.removeprefix("gate.").removeprefix("gate: ") for problem in problems))
    return dict(value or {})


WEIGHED = ("thought", "call", "arguments", "answer", "observation")  # as mask_weights.Weights names them
EXAMPLES = {"model": "Qwen/Qwen2.5-7B-Instruct", "data": "datasets/mix.jsonl"}
READERS: dict[str, Any] = {
    "model": _text,
    "data": _files,
    "val": _val,
    "name": _name,
    "runs": _text,
    "gpus": _gpus,
    "cpu_processes": _count(1),
    "nodes": _count(1),
    "node_rank": _count(0),
    "master": _text,
    "sequences_per_step": _count(1),
    "micro_batch": _micro_batch,
    "preflight": _one_of("off", "sample", "full"),
    "train_on": _one_of("all", "last_step", "last_turn"),
    "weights": _weights,
    "trust_remote_code": _kind(bool, "true or false"),
    "gate": _gate,
    "method": _one_of("sft", "self-distill"),
    "eval_calls": _count(0),
    "adapter_scale": _one_of("full", "auto"),
}
