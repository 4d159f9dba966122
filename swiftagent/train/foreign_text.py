"""What another program was asked to do, read from its YAML, its shell command or its Python script; nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any, Literal

import msgspec
import yaml

from swiftagent.errors import ConfigError
from swiftagent.io.yaml_file import load
from swiftagent.train import foreign_shell as shell
from swiftagent.train.foreign_script import ScriptCall, calls_and_settings, code_of

_ONE_TRAINING = "no supervised fine-tuning, the one training that is done here"
_OTHER_TRAININGS = re.compile("(DPO|GRPO|ORPO|KTO|PPO|RLOO|CPO|GKD|RLHF|Reward)(Config|Trainer|Arguments)")
_YAML = (".yaml", ".yml")
_IMPORTS = re.compile(r"(?m)^[ \t]*(from|import) (unsloth|trl|transformers|peft)\b")
_NAMES = "LLaMA-Factory, ms-swift or Axolotl"
Program = Literal["LLaMA-Factory", "LLaMA-Factory v1", "ms-swift", "Axolotl", "Unsloth", "TRL"]
Task = Literal["train", "check", "eval", "export", "infer", "serve", "other"]
Place = Literal["model", "adapter", "data", "val"]


class ForeignNames(msgspec.Struct, frozen=True):
    """The table: `places` are the names of what is trained, on what; `today` is the name of today by the former one;
    `values` give for a setting's value the options that mean the same, or why there are none; `needless` settings are
    not carried over. `carried` are a task's settings with our option for each; `asked` of an option of trainings is why
    other tasks miss it. `defaults` differ from ms-swift's: those of a program, which those of a verb, a call or a
    setting of it (`name`, `name=value`) amend. `signs` are settings by which a program is known, `plugins` mappings of
    LLaMA-Factory v1 with their keys' names here. `kinds` say of a training that it is no supervised one. `commands` and
    `verbs` are patterns of a command's words, `tasks` those of LLaMA-Factory's settings; `calls` those of a script."""

    places: dict[Place, list[str]]
    today: dict[str, str]
    values: dict[str, dict[str, dict[str, Any] | str]]
    targets: dict[str, list[str]]
    needless: set[str]
    carried: dict[Task, dict[str, str]]
    asked: dict[str, str]
    defaults: dict[str, dict[str, Any]]
    plugins: dict[str, dict[str, str]]
    signs: dict[Program, list[str]]
    kinds: list[str]
    commands: dict[Program, str]
    verbs: dict[Task, str]
    tasks: dict[Task, str]
    calls: dict[str, ScriptCall]


@lru_cache
def foreign_names() -> ForeignNames:
    """The shipped table; it is read where another program's name is met."""
    table = load(Path(__file__).with_name("foreign.yaml").read_text(encoding="utf-8"))
    table["today"] = {former: today for today, names in table["former"].items() for former in names.split()}
    for key in ("values", "asked", "defaults"):
        table[key] = {name: of for names, of in table[key].items() for name in names.split()}
    table["needless"] = [*f"{table['needless']} {table['mixed']}".split(), *sum(table["places"].values(), [])]
    return msgspec.convert(table, ForeignNames)


class Foreign(msgspec.Struct):
    """One task of another program with its settings, in that program's own names."""

    program: Program
    task: Task
    settings: dict[str, Any]
    verb: str = ""  # of its command line

    def on(self, *keys: str) -> bool:
        """Whether one of these switches is on."""
        return any(str(self.settings.get(key)).lower() == "true" for key in keys)

    def said(self) -> list[str]:
        """Its settings as `name=value`, in small letters."""
        return [f"{key}={value}".lower() for key, value in self.settings.items()]

    def first(self, *keys: str) -> Any:
        """The value of the first key that is set; None without one."""
        return next((self.settings[key] for key in keys if self.settings.get(key)), None)

    def named(self, place: Place) -> Any:
        """What stands in a place, under whatever name; None for nothing."""
        return self.first(*foreign_names().places[place])


def read_foreign(text: str, name: str) -> list[Foreign]:
    """Every task in the text, in order. Raises ConfigError where there is none, or a command that no shell reads."""
    text = code_of(text, name) if name.endswith(".ipynb") else text
    if name.endswith(".py") or (not name.endswith((".sh", ".bash")) and _IMPORTS.search(text)):
        return [_of_script(text, name)]
    found = list(_of_commands(text, name))
    if not found and (text.startswith("#!") or name.endswith((".sh", ".bash", ".bat", ".cmd", ".ps1", ".ipynb"))):
        raise ConfigError(f"{name}: no command of {_NAMES} stands in it")
    return found or [_of_yaml(text, name)]


# commands
# ---------------------------------------------------------------------------------------------------------------


def _of_commands(text: str, name: str) -> Iterator[Foreign]:
    files = {found[1]: found[3] for found in shell.HERE_DOCUMENT.finditer(text)}
    environment: dict[str, str] = {}
    for line in shell.lines_of(shell.HERE_DOCUMENT.sub("", text), environment):
        if not any(re.search(rf"(?<![^\s;&|(])(?:{pattern})", line) for pattern in foreign_names().commands.values()):
            continue
        for words in shell.words_of(line, name):
            at, program, verb = _program_of(words)
            settings = _settings(words, at, program, environment) if program else {}
            if isinstance(in_file := settings.pop("config", ""), str) and in_file:
                written = {key: Template(text).safe_substitute(environment) for key, text in files.items()}
                settings = {**_named_yaml(in_file, written, name), **settings}
            if program and set(settings) - {"gpus", "nodes", "port"}:
                yield _foreign(program, settings, name, verb)


def _named_yaml(word: str, files: dict[str, str], name: str) -> dict[str, Any]:
    """The YAML that a command names: from the same script, from here or from its own folder. Raises ConfigError."""
    word = re.sub(r"^\$\{?\w+\}?/", "", word)  # as "$SCRIPT_DIR/train.yaml" is
    path = near(word, Path(name).parent)
    if not word.endswith((*_YAML, ".json")) or (path is None and word not in files):
        raise ConfigError(f"{name}: its command names {word}, which is not here; translate it: configs from {word}")
    return _mapping(path.read_text(encoding="utf-8-sig", errors="replace") if path else files[word], word)


def near(word: str, place: Path) -> Path | None:
    """A file that a foreign one names: from here, from that one's own folder, or from those above it."""
    folders = (Path(), place, *list(place.absolute().parents)[:4])
    return next((path for folder in folders if os.path.isfile(path := folder / word)), None)


def _program_of(words: list[str]) -> tuple[int, Program | None, str]:
    """Where a command names its program, which one that is, and the words that say what it is to do."""
    for at in range(len(words)):
        for program, pattern in foreign_names().commands.items():
            if found := re.match(rf"(?:{pattern})(?=\s|$)", " ".join(words[at : at + 2])):
                return at, program, found[0]
    return 0, None, ""


def _settings(words: list[str], at: int, program: Program, environment: dict[str, str]) -> dict[str, Any]:
    """The options behind a program's name, and the GPUs and machines that its launcher or environment gives it."""
    launcher, settings = environment | shell.options_of(words[:at]), shell.options_of(words[at + 1 :])
    visible = str(launcher.get("CUDA_VISIBLE_DEVICES") or str(launcher.get("include", "")).partition(":")[2])
    each = ("nproc_per_node", "num_processes", "num_gpus", "NPROC_PER_NODE")
    processes = next(filter(None, map(launcher.get, each)), None)
    shown = len(visible.split(",")) if visible and "$" not in visible else 0
    if program == "ms-swift" and not processes and "config_file" not in launcher and shown > 1:
        settings["one_process"] = True  # it spreads one copy of the model over the GPUs
    found = {"gpus": processes or shown, "nodes": launcher.get("nnodes") or launcher.get("NNODES")}
    found |= {"config_file": launcher.get("config_file"), "port": launcher.get("API_PORT")}
    return {key: value for key, value in found.items() if value} | settings


def _foreign(program: Program, settings: dict[str, Any], name: str, verb: str = "") -> Foreign:
    """Raises ConfigError for a training that is no supervised one."""
    verbs, kinds = foreign_names().verbs, foreign_names().kinds
    if program.startswith("LLaMA-Factory") and set(foreign_names().signs["LLaMA-Factory v1"]) & set(settings):
        program, settings = "LLaMA-Factory v1", _flat(settings, name)
    foreign = Foreign(program, next((task for task in verbs if re.search(verbs[task], verb)), "train"), settings, verb)
    if foreign.task == "other":
        raise ConfigError(f"{name}: `{verb}`: {_ONE_TRAINING}")
    if foreign.task == "train" and program.startswith("LLaMA-Factory"):
        tasks, said = foreign_names().tasks, " ".join(foreign.said())
        foreign.task = next((task for task in tasks if re.search(tasks[task], said)), "train")
    for key in kinds if foreign.task == "train" else ():
        if str(settings.get(key) or "sft").lower() not in ("sft", "false", "none", "null"):
            raise ConfigError(
                f"{name}: {key}: {str(settings[key])[:60]}: {_ONE_TRAINING}; without it the rest is translated"
            )
    return foreign


def _flat(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """Settings of LLaMA-Factory v1 as the table names them: plugins are mappings there, and a YAML lists the data."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        named = foreign_names().plugins.get(key, {})
        if key.endswith("_dataset") and str(value).endswith(_YAML):
            rows = _named_yaml(value, {}, name) if near(value, Path(name).parent) else {}
            value = list(rows.values()) or shell.Unset(value)
            flat |= {"converter": "pair"} if "'converter': 'pair'" in str(value) else {}
        items = value if isinstance(value, dict) else {key: value}
        flat |= {named.get(str(word), str(word)): item for word, item in items.items()}
    return flat


# YAML
# -------------------------------------------------------------------------------------------------------------------


def _of_yaml(text: str, name: str) -> Foreign:
    settings = _mapping(text, name)
    places = {"file_name", "hf_hub_url", "ms_hub_url"}
    if settings and all(isinstance(item, dict) and places & set(item) for item in settings.values()):
        folder = str(Path(name).absolute().parent)
        return Foreign("LLaMA-Factory", "check", {"dataset": ",".join(settings), "dataset_dir": folder})
    named = [Foreign("ms-swift", "train", settings).named(place) for place in foreign_names().places]
    if not any(named) or any(isinstance(name, dict) for name in named):
        raise ConfigError(f"{name}: names no model, no adapter and no data: no config of {_NAMES}")
    if isinstance(settings.get("train"), dict) and "data" in settings:
        raise ConfigError(f"{name}: a config of swiftagent already: `swiftagent sft {name}` trains it")
    signs = foreign_names().signs
    program: Program = next((one for one in signs if set(signs[one]) & set(settings)), "ms-swift")
    return _foreign(program, settings, name)


def _mapping(text: str, name: str) -> dict[str, Any]:
    try:
        value = load(text)
    except yaml.YAMLError as error:
        fact = getattr(error, "problem", None) or error  # without the text around it
        raise ConfigError(f"{name}: neither YAML nor a known command: {fact}") from None
    if value is None:
        raise ConfigError(f"{name}: empty; a config or a command is read")
    if isinstance(value, list) or name.endswith(".jsonl"):
        raise ConfigError(f"{name}: data and no config: `swiftagent sft {name}` trains on it")
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: neither a YAML mapping nor a command of {_NAMES}, nor an Unsloth script")
    return {str(key): item for key, item in value.items()}


def is_foreign(settings: Mapping[str, Any]) -> bool:
    """Whether a YAML is one of another program."""
    names = {"cutoff_len", "dataset"}.union(*foreign_names().signs.values())
    return bool(names & set(settings)) and not any(key.startswith("train.") for key in settings)


# a script
# ---------------------------------------------------------------------------------------------------------------


def _of_script(text: str, name: str) -> Foreign:
    calls = foreign_names().calls
    called, settings = calls_and_settings(text, name, calls)
    settings = {key: value for key, value in settings.items() if value is not None}
    if other := next(filter(_OTHER_TRAININGS.fullmatch, called), None):
        raise ConfigError(f"{name}: {other}: {_ONE_TRAINING}")
    if isinstance(files := settings.get("dataset"), dict):
        settings["eval_dataset"] = next((files[key] for key in ("test", "validation", "eval") if key in files), None)
        settings["dataset"] = files.get("train")
    if isinstance(settings.get("model", shell.Unset()), shell.Unset):
        raise ConfigError(f"{name}: no from_pretrained(...) with a model's name written out in this script")
    is_swift = bool({"TrainArguments", "SftArguments"} & called)
    program: Program = "ms-swift" if is_swift else "Unsloth" if "unsloth" in text else "TRL"
    if not any(calls[word].trains for word in called & set(calls)):
        return Foreign(program, "infer", {key: settings[key] for key in ("model", "adapters") if key in settings})
    if not is_swift:
        adapter = "lora" if {"get_peft_model", "LoraConfig"} & called else "full"
        settings = {"adapter": adapter, **settings, **dict.fromkeys(called & set(foreign_names().defaults))}
    return Foreign(program, "train", settings)
