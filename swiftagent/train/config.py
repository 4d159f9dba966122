"""YAML to a typed config. An unknown key names its nearest, every problem has its file:line, and all of them are
reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from swiftagent.errors import ConfigError
from swiftagent.io.shipped import find, shipped
from swiftagent.io.words import nearest
from swiftagent.io.yaml_file import described, lines_of, plain_value, read_mapping, read_text
from swiftagent.masks.weights import TrainOn
from swiftagent.scores.gate import read_gate
from swiftagent.train.foreign_text import is_foreign
from swiftagent.train.options import TABLES, check_value, options, unknown_key

# The descriptions end the sentence `VALUE is not a ...`, and are what an editor shows.
Natural = Annotated[int, Meta(ge=0, description="whole number of at least 0")]
Positive = Annotated[int, Meta(ge=1, description="whole number of at least 1")]
Gpus = Annotated[int, Meta(ge=0, description="number of GPUs (0 means the CPU), or auto")]
FolderName = Annotated[
    str, Meta(pattern=r"^(?!\.)[^/\\]+$", description="plain folder name; `runs:` chooses where it lies")
]
MicroBatch = Annotated[
    Literal["auto", "tokens", "sequences"] | Annotated[int, Meta(ge=1)],
    Meta(description="number of tokens, or the word auto, tokens or sequences"),
]
KindWeights = Annotated[
    dict[Literal["thought", "call", "arguments", "answer", "observation"], Annotated[float, Meta(ge=0, le=100)]],
    Meta(description="mapping of thought, call, arguments, answer or observation to a weight from 0 to 100"),
]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved config. `train` holds ms-swift's own options, each checked; `places` holds where each key was set."""

    model: str
    data: tuple[str, ...]
    val: tuple[str, ...] | None = None  # None: found beside the data; (): none wanted
    name: FolderName = ""
    runs: str = "runs"
    gpus: Gpus | None = None  # None: as many as there are; 0: the CPU
    cpu_processes: Positive = 1
    nodes: Positive | None = None
    node_rank: Natural | None = None
    master: str = ""
    sequences_per_step: Positive | None = None
    # "sequences": ms-swift's batches; "tokens": a budget is chosen; a number: that budget; "auto": tokens on a GPU
    micro_batch: MicroBatch = "auto"
    preflight: Literal["off", "sample", "full"] = "sample"
    train_on: TrainOn = "all"
    weights: KindWeights = {}  # of a kind of text in the loss
    trust_remote_code: bool = False
    gate: dict[str, Any] = {}
    method: Literal["sft", "self-distill"] = "sft"  # self-distill: on chat, close to the model without its adapter
    eval_calls: Natural = 0  # held-out questions asked at each evaluation, by which the best checkpoint is chosen
    adapter_scale: Literal["full", "auto"] = "full"  # auto: chosen on the validation split after training
    train: dict[str, Any] = {}
    path: str = ""
    places: dict[str, str] = {}

    def place(self, key: str) -> str:
        """file:line of a key, else the file."""
        return self.places.get(key) or self.places.get(f"train.{key}") or self.path

    def fault(self, key: str, fact: str) -> str:
        """A problem with a key at its place."""
        return f"{self.place(key)}: {key.removeprefix('train.')}: {fact}"

    @property
    def distills(self) -> bool:
        """Whether chat keeps to the model without its adapter, whose logits are then needed too."""
        return self.method == "self-distill"

    @property
    def run_name(self) -> str:
        """The name of its runs: its own, else its file's."""
        return self.name or Path(self.path).stem

    def as_dict(self) -> dict[str, Any]:
        """The config as it would be written in YAML: only what is set."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        for key in ("path", "places"):
            del plain[key]
        plain["gpus"] = "auto" if self.gpus is None else self.gpus
        plain["val"] = "none" if self.val == () else self.val
        return {key: value for key, value in plain.items() if value not in (None, "", {}) or key == "train"}


TOP_KEYS = tuple(name for name in Config.__struct_fields__ if name not in ("path", "places")) + ("extends",)
EXAMPLES = {"model": "Qwen/Qwen2.5-7B-Instruct", "data": "datasets/mix.jsonl"}
# What YAML may say of a key, and what it stands for. YAML reads a bare `off` as false.
_ALIASES: dict[str, dict[Any, Any]] = {
    "gpus": {"auto": None}, "val": {"none": (), False: ()}, "preflight": {False: "off"},
}  # fmt: skip


class _Entry(NamedTuple):
    value: Any
    place: str


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read, extend, override and check a config. Raises ConfigError with every problem found."""
    problems: list[str] = []
    entries = _read(find_config(str(path)), problems, ())
    if is_foreign(entries):
        remedy = f"`swiftagent configs from {path} -o ours.yaml` translates it"
        raise ConfigError(f"{path}: a config of another program; {remedy}")
    for word in overrides:
        _override(entries, word, problems)
    config = _build(entries, str(path), problems)
    data = tuple(file for entry in config.data for file in _shards(entry))
    shipped_model = find(config.model)  # `datasets/tiny-base` from any folder
    model = config.model if shipped_model == Path(config.model) else str(shipped_model)
    return msgspec.structs.replace(config, data=data, model=model)


def _shards(entry: str) -> list[str]:
    """The files that an entry means: those of a folder of shards, as `mix --shards` and `convert --shards` write it."""
    return sorted(map(str, Path(entry).glob("train-*-of-*.*"))) or [entry]


def find_config(path: str) -> Path:
    """A config by its path, or a shipped one by its path or bare name. Raises ConfigError."""
    for candidate in (find(path), shipped("configs") / f"{path}.yaml", shipped("configs") / path):
        if candidate.is_file():
            return candidate
    near = nearest(Path(path).stem, sorted(file.stem for file in shipped("configs").glob("*.yaml")))
    hint = f"did you mean configs/{near}.yaml?" if near else "`swiftagent configs` lists the shipped ones"
    fact = "is a folder, not a config" if Path(path).is_dir() else "no such config"
    raise ConfigError(f"{path}: {fact}; {hint}")


# reading
# ---------------------------------------------------------------------------------------------------------------


def _read(path: Path, problems: list[str], chain: tuple[Path, ...]) -> dict[str, _Entry]:
    """Flat entries "key" and "train.key" with their places, those of the config that is extended first. Raises
    ConfigError where a file cannot be read."""
    if path.resolve() in chain:
        raise ConfigError(f"{path}:1: extends: a circle: {' -> '.join(map(str, [*chain, path]))}")
    root = read_mapping(read_text(path), str(path), "a config is a mapping with at least `model:` and `data:`")
    entries = _flatten(root, str(path), "", problems)
    base = entries.pop("extends", None)
    if base is None:
        return entries
    if not isinstance(base.value, str) or not base.value:
        fact = f"{base.value!r} is not the name of a config; give one or remove the line"
        raise ConfigError(f"{base.place}: extends: {fact}")
    beside = path.parent / base.value
    try:
        base_path = beside if beside.is_file() else find_config(base.value)
    except ConfigError as error:
        raise ConfigError(f"{base.place}: extends: {error}") from None
    return _read(base_path, problems, (*chain, path.resolve())) | entries


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
        problems.append("command line: extends: stands in a file; write a config with it, or name that one instead")
    else:
        name = f"train.{key}" if key not in TOP_KEYS and key in options() else key
        entries[name] = _Entry(plain_value(text), "command line")


# checking
# --------------------------------------------------------------------------------------------------------------


def _build(entries: dict[str, _Entry], path: str, problems: list[str]) -> Config:
    """Raises ConfigError with `problems`, and with those of the values."""
    values: dict[str, Any] = {}
    train: dict[str, Any] = {}
    plugins = "train.external_plugins" in entries
    for key, (value, place) in entries.items():
        name, problem = key.removeprefix("train."), _unknown(key)
        if not problem and value in (None, "", [], {}):
            problem = f"{name}: empty; give a value or remove the line"
        elif not problem and key == "train":
            problem = f"train: a mapping of ms-swift's options is wanted, not {value!r}"
        elif not problem and key.startswith("train."):
            train[name], problem = check_value(name, value, plugins)
        elif not problem:
            values[key], problem = _own_value(key, value)
        problems += [f"{place}: {problem}"] if problem else []
    for needed in ("model", "data"):
        if needed not in entries:
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
        if key in options() and key not in TABLES["ours"]:
            return f"{key}: an option of ms-swift; it stands under `train:`"
        return unknown_key(key, (*TOP_KEYS, *options()))
    if name in TABLES["ours"]:
        return f"{name}: set by {TABLES['ours'][name]}, not under train:"
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


def _own_value(key: str, value: Any) -> tuple[Any, str]:
    """The value of a top-level key, and what is wrong with it ("" where nothing is)."""
    if isinstance(value, (str, bool)):
        value = _ALIASES.get(key, {}).get(value, value)
    hint = next(field.type for field in msgspec.structs.fields(Config) if field.name == key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and key in ("model", "name", "runs", "master"):
        value = str(value)
    elif isinstance(value, str) and key in ("data", "val"):
        value = [value]
    try:
        value = msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return value, f"{key}: {value!r} is not a {described(hint)}"
    problems = read_gate(value)[1] if key == "gate" else ()
    return value, "; ".join(problems)
