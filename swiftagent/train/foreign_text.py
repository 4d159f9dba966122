"""What another program was asked to do, read from its YAML, its shell command or its Python script; nothing is run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from swiftagent.errors import ConfigError
from swiftagent.io.yaml_file import load

MODELS = ("model", "model_name_or_path", "model_id_or_path", "base_model")
ADAPTERS = ("adapter_name_or_path", "adapters", "ckpt_dir", "lora_model_dir")
TRAINED_ON = ("dataset", "datasets", "custom_train_dataset_path")
HELD_OUT = ("eval_dataset", "val_dataset", "test_datasets", "custom_val_dataset_path")


Program = Literal["LLaMA-Factory", "ms-swift", "Axolotl", "Unsloth"]
Task = Literal["train", "check", "eval", "export", "infer", "serve"]


class ScriptCall(msgspec.Struct, frozen=True):
    """What the first arguments and the keywords of a call are called here, and whether it is of a training."""

    first: tuple[str, ...] = ()
    renamed: dict[str, str] = {}
    trains: bool = False


class ForeignNames(msgspec.Struct, frozen=True):
    """The table: `today` is the name of today by the former one; `values` give for a setting's value the options that
    mean the same, or why there are none; `needless` settings are not carried over. `commands` and `verbs` are patterns
    of a command's words, `calls` those of a script."""

    today: dict[str, str]
    values: dict[str, dict[str, dict[str, Any] | str]]
    targets: dict[str, list[str]]
    needless: set[str]
    commands: dict[Program, str]
    verbs: dict[Task, str]
    calls: dict[str, ScriptCall]


@lru_cache
def foreign_names() -> ForeignNames:
    """The shipped table; it is read where another program's name is met."""
    table = load(Path(__file__).with_name("foreign.yaml").read_text(encoding="utf-8"))
    table["today"] = {former: today for today, names in table["former"].items() for former in names.split()}
    table["values"] = {name: of for names, of in table["values"].items() for name in names.split()}
    table["needless"] = [*f"{table['needless']} {table['mixed']}".split(), *MODELS, *TRAINED_ON, *HELD_OUT]
    return msgspec.convert(table, ForeignNames)


NOT_READ = ScriptCall()


class Foreign(msgspec.Struct):
    """One task of another program with its settings, in that program's own names."""

    program: Program
    task: Task
    settings: dict[str, Any]


def read_foreign(text: str, name: str) -> list[Foreign]:
    """Every task in the text, in order. Raises ConfigError where there is none, or a command that no shell reads."""
    if name.endswith(".py") or re.search(r"(?m)^\s*(from|import) (unsloth|trl|transformers|peft)\b", text):
        return [_of_script(text, name)]
    return _of_commands(text, name) or [_of_yaml(text, name)]


# commands
# ---------------------------------------------------------------------------------------------------------------


def _of_commands(text: str, name: str) -> list[Foreign]:
    found = []
    environment: dict[str, str] = {}
    for line in _lines(text):
        environment |= dict(re.findall(r"\b(NPROC_PER_NODE|CUDA_VISIBLE_DEVICES)=([\w,]+)", line))
        program = next((one for one, pattern in foreign_names().commands.items() if re.search(pattern, line)), None)
        words = _words_of(line, name) if program else []
        in_file = next((word for word in words if word.endswith((".yaml", ".yml"))), "")
        if program and (in_file or any(word.startswith("--") for word in words)):
            settings = _settings(words, environment)
            found.append(_task_of(program, words, {**_named_yaml(in_file, name), **settings} if in_file else settings))
    return found


def _named_yaml(word: str, name: str) -> dict[str, Any]:
    """The YAML that a command names, from here or from the command's own folder. Raises ConfigError."""
    path = near(word, Path(name).parent)
    if path is None:
        remedy = f"translate that file: configs from {word}"
        raise ConfigError(f"{name}: its command names {word}, which is not here; {remedy}")
    return _of_yaml(path.read_text(encoding="utf-8-sig"), str(path)).settings


def near(word: str, place: Path) -> Path | None:
    """A file that a foreign one names: from here, from that one's own folder, or from those above it."""
    folders = (Path(), place, *list(place.absolute().parents)[:4])
    return next((path for folder in folders if (path := folder / word).is_file()), None)


def _lines(text: str) -> list[str]:
    """The lines of a script without comments, continued ones as one, with the variables that it sets put in place."""
    kept = "\n".join(line.rstrip() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return _with_variables(re.sub(r"\\\n", " ", kept)).splitlines()


def _words_of(line: str, name: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise ConfigError(f"{name}: its command cannot be read: {error}: {line.strip()[:100]}") from None


def _task_of(program: Program, words: list[str], settings: dict[str, Any]) -> Foreign:
    verb = " ".join(word for word in words[: _first_option(words)] if "=" not in word)
    stage, verbs = str(settings.get("stage", "")), foreign_names().verbs
    named: Task = next(
        (task for task, pattern in verbs.items() if re.search(pattern, verb) or re.fullmatch(pattern, stage)), "train"
    )
    task = _task_by_settings(settings) if named == "train" and program == "LLaMA-Factory" else named
    return Foreign(program, task, settings)


def _first_option(words: list[str]) -> int:
    """Where the program's own options begin: behind its name, and not behind those of a launcher."""
    script = next((at for at, word in enumerate(words) if word.endswith((".py", "-cli")) or word == "swift"), 0)
    return next((at for at, word in enumerate(words) if at > script and word.startswith("--")), len(words))


def _settings(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    visible = environment.get("CUDA_VISIBLE_DEVICES", "")
    if processes := environment.get("NPROC_PER_NODE") or (visible and len(visible.split(","))):
        settings["gpus"] = str(processes)
    key = ""
    for word in words:
        if word.startswith("--"):
            key, given, value = word[2:].partition("=")
            settings[key] = _plain(value) if given else True
            key = "" if given else key  # `--key=value` takes no further word
        elif key:
            before = settings[key]
            settings[key] = _plain(word) if before is True else [*listed_of(before), _plain(word)]
    return settings


def _with_variables(text: str) -> str:
    """Shell variables that the text itself sets, and quotients of two numbers, put in place."""
    for name, value in re.findall(r"(?m)(?:^|\s)([A-Za-z_]\w*)=([\w.,/:-]+)(?=\s|;|$)", text):
        text = re.sub(rf"\$(?:{name}\b|{{{name}}})", value, text)
    divided = re.compile(r"\$\(\(?\s*(?:expr\s+)?(\d+)\s*/\s*(\d+)\s*\)?\)")
    return divided.sub(lambda found: str(int(found[1]) // int(found[2])) if int(found[2]) else found[0], text)


def _plain(word: str) -> Any:
    return int(word) if re.fullmatch(r"-?\d{1,18}", word) else word


# YAML
# -------------------------------------------------------------------------------------------------------------------


def _of_yaml(text: str, name: str) -> Foreign:
    try:
        value = load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: neither YAML nor a known command: {error}".replace("\n", " ")) from None
    if not isinstance(value, dict):
        known = "a command of LLaMA-Factory, ms-swift or Axolotl, nor an Unsloth script"
        raise ConfigError(f"{name}: neither a YAML mapping nor {known}")
    settings = {str(key): item for key, item in value.items()}
    places = {"file_name", "hf_hub_url", "ms_hub_url"}
    if value and all(isinstance(item, dict) and places & set(item) for item in value.values()):
        folder = str(Path(name).absolute().parent)
        return Foreign("LLaMA-Factory", "check", {"dataset": ",".join(settings), "dataset_dir": folder})
    if "base_model" in settings:
        return Foreign("Axolotl", "train", settings)
    if {"model_name_or_path", "finetuning_type", "export_dir"} & set(settings):
        return Foreign("LLaMA-Factory", _task_by_settings(settings), settings)
    return Foreign("ms-swift", "train", settings)


def is_foreign(settings: Mapping[str, Any]) -> bool:
    """Whether a YAML is one of another program."""
    return bool({"base_model", "model_name_or_path", "finetuning_type", "export_dir", "cutoff_len"} & set(settings))


def _task_by_settings(settings: dict[str, Any]) -> Task:
    """LLaMA-Factory's tasks differ by their settings alone: one verb trains, predicts and checks."""
    if "export_dir" in settings:
        return "export"
    if is_true(settings.get("do_train", False)):
        return "train"
    if any(is_true(settings.get(key, False)) for key in ("do_predict", "do_eval", "predict_with_generate")):
        return "eval"
    if "do_train" in settings:
        return "check"
    return "infer" if "infer_backend" in settings and "dataset" not in settings else "train"


def listed_of(value: Any) -> list[Any]:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def is_true(value: Any) -> bool:
    return str(value).lower() == "true"


# a script
# ---------------------------------------------------------------------------------------------------------------


def _of_script(text: str, name: str) -> Foreign:
    """The keyword values of an Unsloth or TRL script that are written out."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{name}: not Python that can be read: {error}") from None
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    names = [(node.targets[0], node.value) for node in assigned]
    known = {name.id: _literal(value, {}) for name, value in names if isinstance(name, ast.Name)}
    settings: dict[str, Any] = {}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        # A tokenizer's from_pretrained names the same model; the first that is named is the one that trains.
        found = {key: value for key, value in _of_call(call, known) if value is not None}
        settings |= found | {key: settings[key] for key in ("model", "dataset") if key in settings}
    if isinstance(files := settings.get("dataset"), dict):
        settings["eval_dataset"] = next((files[key] for key in ("test", "validation", "eval") if key in files), None)
        settings["dataset"] = files.get("train")
    if "model" not in settings:
        raise ConfigError(f"{name}: no from_pretrained(...) with a model's name written out in this script")
    if not any(_known_call(call).trains for call in calls):
        return Foreign("Unsloth", "infer", {key: settings[key] for key in ("model", "adapters") if key in settings})
    settings.setdefault("adapter", "lora" if "lora_rank" in settings else "full")
    return Foreign("Unsloth", "train", settings)


def _known_call(call: ast.Call) -> ScriptCall:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return foreign_names().calls.get(name, NOT_READ)


def _of_call(call: ast.Call, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings that a call writes out; None for values that it does not."""
    read = _known_call(call)
    for key, value in zip(read.first, call.args, strict=False):
        if not any(read.renamed.get(word.arg or "") == key for word in call.keywords):
            yield key, _literal(value, known)
    for word in call.keywords if read is not NOT_READ else ():
        yield read.renamed.get(word.arg or "", word.arg or ""), _literal(word.value, known)


def _literal(node: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
