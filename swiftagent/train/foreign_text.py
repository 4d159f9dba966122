"""What another program was asked to do, read from its YAML, its shell command or its Python script; nothing is run."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from swiftagent.errors import ConfigError
from swiftagent.io.yaml_file import load

MODELS = ("model", "model_name_or_path", "model_id_or_path", "base_model")
ADAPTERS = ("adapter_name_or_path", "adapters", "ckpt_dir", "lora_model_dir")
OWN = ("name", "gpus", "nodes", "sequences_per_step")  # top-level keys of ours that a setting may become
TRAINED_ON = ("dataset", "datasets", "custom_train_dataset_path")
HELD_OUT = ("eval_dataset", "val_dataset", "test_datasets", "custom_val_dataset_path")


_ONE_TRAINING = "no supervised fine-tuning, the one training that is done here"
Program = Literal["LLaMA-Factory", "ms-swift", "Axolotl", "Unsloth"]
Task = Literal["train", "check", "eval", "export", "infer", "serve", "other"]


class ScriptCall(msgspec.Struct, frozen=True):
    """What the first arguments and the keywords of a call are called here, and whether it is of a training."""

    first: tuple[str, ...] = ()
    renamed: dict[str, str] = {}
    trains: bool = False


class ForeignNames(msgspec.Struct, frozen=True):
    """The table: `today` is the name of today by the former one; `values` give for a setting's value the options that
    mean the same, or why there are none; `needless` settings are not carried over. `asked` of an option of trainings is
    why other tasks miss it. `defaults` differ from ms-swift's; `kinds` say of a training that it is no supervised one.
    `commands` and `verbs` are patterns of a command's words, `calls` those of a script."""

    today: dict[str, str]
    values: dict[str, dict[str, dict[str, Any] | str]]
    targets: dict[str, list[str]]
    needless: set[str]
    asked: dict[str, str]
    defaults: dict[Program, dict[str, Any]]
    kinds: list[str]
    commands: dict[Program, str]
    verbs: dict[Task, str]
    calls: dict[str, ScriptCall]


@lru_cache
def foreign_names() -> ForeignNames:
    """The shipped table; it is read where another program's name is met."""
    table = load(Path(__file__).with_name("foreign.yaml").read_text(encoding="utf-8"))
    table["today"] = {former: today for today, names in table["former"].items() for former in names.split()}
    for key in ("values", "asked"):
        table[key] = {name: of for names, of in table[key].items() for name in names.split()}
    table["needless"] = [*f"{table['needless']} {table['mixed']}".split(), *MODELS, *TRAINED_ON, *HELD_OUT]
    return msgspec.convert(table, ForeignNames)


class Unset(str):
    """The text of a value that is known only where the program runs."""


class Foreign(msgspec.Struct):
    """One task of another program with its settings, in that program's own names."""

    program: Program
    task: Task
    settings: dict[str, Any]
    verb: str = ""  # of its command line


def read_foreign(text: str, name: str) -> list[Foreign]:
    """Every task in the text, in order. Raises ConfigError where there is none, or a command that no shell reads."""
    if name.endswith(".ipynb"):
        text = _code_of(text, name)
    if name.endswith(".py") or re.search(r"(?m)^\s*(from|import) (unsloth|trl|transformers|peft)\b", text):
        return [_of_script(text, name)]
    found = list(_of_commands(text, name))
    if not found and (text.startswith("#!") or name.endswith((".sh", ".bash", ".bat", ".cmd", ".ps1", ".ipynb"))):
        raise ConfigError(f"{name}: no command of LLaMA-Factory, ms-swift or Axolotl stands in it")
    return found or [_of_yaml(text, name)]


def _code_of(text: str, name: str) -> str:
    """The code of a notebook, its shell lines as they are in a shell where it trains with those alone."""
    try:
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        code = "\n".join("".join(cell["source"]) for cell in cells)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{name}: no notebook that can be read: {error!r}") from None
    return code if "import" in code and "!swift" not in code else re.sub(r"(?m)^\s*[!%]+(?:env|bash)?", "", code)


# commands
# ---------------------------------------------------------------------------------------------------------------

_FILE = "config"  # the option, and the word without one, that name a YAML
_HERE_DOCUMENT = re.compile(
    r"(?ms)^[^\n]*?(?:(?:>|tee)\s*(?P<before>\S+)\s*)?<<-?\s*['\"]?(?P<end>\w+)['\"]?(?:\s*>\s*(?P<behind>\S+))?"
    r"[^\n]*\n(?P<text>.*?)^\s*(?P=end)\s*$"
)
_SHELL = re.compile(
    r"""(?msx) (?P<quoted> (?<!\w) (?: '[^']*' | "(?:\\.|[^"\\])*" ) )
    | ^[ \t]*\#[^\n]*(?:\n|\Z)
    | (?P<goes_on> (?: \\ | (?<=\s)[\^`] ) [ \t]* (?:\#[^\n]*)? (?:\n|\Z) )
    | (?<!\S)\#[^\n]*?(?=\\?[ \t]*$)"""
)
_ARRAY = re.compile(r"(?ms)^\s*(\w+)=\(\s*(.*?)\s*\)\s*$")
_SET = re.compile(r"""(?:^|(?<=[\s;]))([A-Za-z_]\w*)=("[^"$]*"|'[^']*'|\([^)]*\)|[^\s;'"$(]+)(?=[\s;]|$)""")
_VARIABLE = re.compile(r'"?\$\{(\w+)\[@\]\}"?|\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)')
_PRODUCT = re.compile(r"\$\(\(?\s*(?:expr\s+)?(\d+(?:\s*\\?[*/]\s*\d+)+)\s*\)?\)")


def _of_commands(text: str, name: str) -> Iterator[Foreign]:
    files: dict[str, str] = {}

    def kept(document: re.Match[str]) -> str:
        files[document["before"] or document["behind"]] = document["text"]
        return ""

    environment: dict[str, str] = {}
    for line in _lines(_HERE_DOCUMENT.sub(kept, text), environment):
        for words in _commands_of(line, name):
            at, program, verb = _program_of(words)
            settings = _settings(words, at, program, environment) if program else {}
            if in_file := settings.pop(_FILE, ""):
                settings = {**_named_yaml(in_file, files, name), **settings}
            if program and set(settings) - {"gpus", "nodes", "port"}:
                yield _task_of(program, verb, settings, name)


def _named_yaml(word: str, files: dict[str, str], name: str) -> dict[str, Any]:
    """The YAML that a command names: from the same script, from here or from its own folder. Raises ConfigError."""
    word = re.sub(r"^\$\{?\w+\}?/", "", word)  # as "$SCRIPT_DIR/train.yaml" is
    path = near(word, Path(name).parent)
    if path is None and word not in files:
        remedy = f"translate that file: configs from {word}"
        raise ConfigError(f"{name}: its command names {word}, which is not here; {remedy}")
    return _mapping(path.read_text(encoding="utf-8-sig") if path else files[word], word)


def near(word: str, place: Path) -> Path | None:
    """A file that a foreign one names: from here, from that one's own folder, or from those above it."""
    folders = (Path(), place, *list(place.absolute().parents)[:4])
    return next((path for folder in folders if (path := folder / word).is_file()), None)


def _lines(text: str, environment: dict[str, str]) -> Iterator[str]:
    """The lines of a script without comments, continued ones as one, with the variables that it sets put in place;
    `environment` gets those. A line break within quotes is a NUL."""

    def on_one_line(found: re.Match[str]) -> str:
        quoted = (found["quoted"] or "").replace("\\\n", "").replace("\n", "\0")
        return quoted or (" " if found["goes_on"] else "")

    def value_of(found: re.Match[str]) -> str:
        otherwise = found[0] if found[3] is None else found[3]
        return environment.get(found[1] or found[2] or found[4], otherwise)

    text = _ARRAY.sub(lambda found: f"{found[1]}=({' '.join(found[2].split())})", _SHELL.sub(on_one_line, text))
    for line in text.splitlines():
        line = _PRODUCT.sub(_worked_out, _VARIABLE.sub(value_of, line))
        for key, value in _SET.findall(line):
            environment[key] = value[1:-1] if value[0] in "('\"" else value
        yield line


def _worked_out(found: re.Match[str]) -> str:
    """`32 / 8 / 2` as a shell reckons it, from left to right in whole numbers."""
    value, *rest = re.findall(r"\d+|[*/]", found[1])
    for sign, number in zip(rest[::2], map(int, rest[1::2]), strict=True):
        if not number:
            return found[0]
        value = int(value) // number if sign == "/" else int(value) * number
    return str(value)


def _commands_of(line: str, name: str) -> Iterator[list[str]]:
    """The words of each command of a line, without where its output goes."""
    if not any(re.search(pattern, line) for pattern in foreign_names().commands.values()):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise ConfigError(f"{name}: its command cannot be read: {error}: {line.strip()[:100]}") from None
    for ends, group in groupby(words, key=lambda word: not word.strip(";&|")):
        if not ends:
            taken = takewhile(lambda word: not re.match(r"\d?>", word), group)
            yield [word.replace("\0", "\n") for word in taken]


def _program_of(words: list[str]) -> tuple[int, Program | None, str]:
    """Where a command names its program, which one that is, and the words that say what it is to do."""
    for at in range(len(words)):
        for program, pattern in foreign_names().commands.items():
            if found := re.match(rf"(?:{pattern})(?=\s|$)", " ".join(words[at : at + 2])):
                return at, program, found[0]
    return 0, None, ""


def _task_of(program: Program, verb: str, settings: dict[str, Any], name: str) -> Foreign:
    named: Task = next((task for task, pattern in foreign_names().verbs.items() if re.search(pattern, verb)), "train")
    if named == "other":
        raise ConfigError(f"{name}: `{verb}`: {_ONE_TRAINING}")
    task = _task_by_settings(settings) if named == "train" and program == "LLaMA-Factory" else named
    return _supervised(Foreign(program, task, settings, verb), name)


def _supervised(foreign: Foreign, name: str) -> Foreign:
    """The same; a training of another kind raises ConfigError."""
    for key in foreign_names().kinds if foreign.task == "train" else ():
        if str(foreign.settings.get(key) or "sft").lower() not in ("sft", "true", "false"):
            place = f"{name}: {key}: {str(foreign.settings[key])[:60]}"
            raise ConfigError(f"{place}: {_ONE_TRAINING}; without this line the rest is translated")
    return foreign


def _settings(words: list[str], at: int, program: Program, environment: dict[str, str]) -> dict[str, Any]:
    """The options behind a program's name, and the GPUs and machines that its launcher or environment gives it."""
    launcher, settings = options_of(words[:at]), options_of(words[at + 1 :])
    visible = environment.get("CUDA_VISIBLE_DEVICES") or str(launcher.get("include", "")).partition(":")[2]
    each = [launcher.get(key) for key in ("nproc_per_node", "num_processes", "num_gpus")]
    processes = next(filter(None, [*each, environment.get("NPROC_PER_NODE")]), None)
    shown = len(visible.split(",")) if visible else None
    if program == "ms-swift" and not processes and "config_file" not in launcher and (shown or 1) > 1:
        settings["one_process"] = True  # it spreads one copy of the model over the GPUs
    found = {"gpus": processes or shown, "nodes": launcher.get("nnodes") or environment.get("NNODES")}
    found |= {"config_file": launcher.get("config_file"), "port": environment.get("API_PORT")}
    return {key: str(value) for key, value in found.items() if value} | settings


def options_of(words: list[str]) -> dict[str, Any]:
    """Options with their values, also as `key=value`; a YAML or JSON file that stands for itself is the config."""
    settings: dict[str, Any] = {}
    key = ""
    for word in words:
        name, given, value = word.lstrip("-").partition("=")
        if word.startswith("--"):
            key = name.replace("-", "_")
            settings[key] = _plain(value) if given else True
            key = "" if given else key  # `--key=value` takes no further word
        elif re.match("-[a-z]", word):
            key = ""
        elif key:
            before = settings[key]
            settings[key] = _plain(word) if before is True else [*listed_of(before), _plain(word)]
        elif given and name.isidentifier():
            settings[name] = _plain(value)
        elif word.endswith((".yaml", ".yml", ".json")):
            settings[_FILE] = word
    return settings


def _plain(word: str) -> Any:
    if re.search(r"\$[\w{(@]", word):
        return Unset(word)
    return int(word) if re.fullmatch(r"-?\d{1,18}", word) else word


# YAML
# -------------------------------------------------------------------------------------------------------------------


def _of_yaml(text: str, name: str) -> Foreign:
    settings = _mapping(text, name)
    places = {"file_name", "hf_hub_url", "ms_hub_url"}
    if settings and all(isinstance(item, dict) and places & set(item) for item in settings.values()):
        folder = str(Path(name).absolute().parent)
        return Foreign("LLaMA-Factory", "check", {"dataset": ",".join(settings), "dataset_dir": folder})
    if not {*MODELS, *ADAPTERS, *TRAINED_ON, *HELD_OUT} & set(settings):
        fact = "names no model, no adapter and no data"
        raise ConfigError(f"{name}: {fact}: no config of LLaMA-Factory, ms-swift or Axolotl")
    if isinstance(settings.get("train"), dict) and "data" in settings:
        raise ConfigError(f"{name}: a config of swiftagent already: `swiftagent sft {name}` trains it")
    if "base_model" in settings:
        return _supervised(Foreign("Axolotl", "train", settings), name)
    if {"model_name_or_path", "finetuning_type", "export_dir"} & set(settings):
        return _supervised(Foreign("LLaMA-Factory", _task_by_settings(settings), settings), name)
    return _supervised(Foreign("ms-swift", "train", settings), name)


def _mapping(text: str, name: str) -> dict[str, Any]:
    try:
        value = load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: neither YAML nor a known command: {error}".replace("\n", " ")) from None
    if not text.strip():
        raise ConfigError(f"{name}: empty; a config or a command is read")
    if isinstance(value, list) or name.endswith(".jsonl"):
        raise ConfigError(f"{name}: data and no config: `swiftagent sft {name}` trains on it")
    if not isinstance(value, dict):
        known = "a command of LLaMA-Factory, ms-swift or Axolotl, nor an Unsloth script"
        raise ConfigError(f"{name}: neither a YAML mapping nor {known}")
    return {str(key): item for key, item in value.items()}


def is_foreign(settings: Mapping[str, Any]) -> bool:
    """Whether a YAML is one of another program."""
    names = {"base_model", "model_name_or_path", "finetuning_type", "export_dir", "cutoff_len", "dataset"}
    return bool(names & set(settings)) and not any(key.startswith("train.") for key in settings)


def _task_by_settings(settings: dict[str, Any]) -> Task:
    """LLaMA-Factory's tasks differ by their settings alone: one verb trains, predicts and checks."""
    if "export_dir" in settings:
        return "export"
    if is_true(settings.get("do_train", False)):
        return "train"
    if "task" in settings or any(
        is_true(settings.get(key)) for key in ("do_predict", "do_eval", "predict_with_generate")
    ):
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


_OTHER_TRAININGS = re.compile("(DPO|GRPO|ORPO|KTO|PPO|RLOO|CPO|GKD|RLHF|Reward)(Config|Trainer|Arguments)")


def _of_script(text: str, name: str) -> Foreign:
    """The keyword values of a script of Unsloth, TRL or ms-swift that are written out."""
    try:
        tree = ast.parse(re.sub(r"(?m)^(\s*)[!%].*$", r"\1pass", text))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{name}: not Python that can be read: {error}") from None
    known: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(variable := node.targets[0], ast.Name):
            known[variable.id] = _literal(node.value, known)
    settings: dict[str, Any] = {}
    called = {_name_of(call): call for call in _calls_of(tree)}
    if other := next(filter(_OTHER_TRAININGS.fullmatch, called), None):
        raise ConfigError(f"{name}: {other}: {_ONE_TRAINING}")
    for call in _calls_of(tree):
        # A tokenizer's from_pretrained names the same model; the first that is named is the one that trains.
        first = {key: settings[key] for key in ("model", "dataset") if isinstance(settings.get(key), (str, list, dict))}
        settings |= {**dict(_of_call(call, known)), **first}
    if isinstance(files := settings.get("dataset"), dict):
        settings["eval_dataset"] = next((files[key] for key in ("test", "validation", "eval") if key in files), None)
        settings["dataset"] = files.get("train")
    if isinstance(settings.get("model", Unset()), Unset):
        raise ConfigError(f"{name}: no from_pretrained(...) with a model's name written out in this script")
    calls = foreign_names().calls
    if not any(calls[word].trains for word in called if word in calls):
        return Foreign("Unsloth", "infer", {key: settings[key] for key in ("model", "adapters") if key in settings})
    if {"TrainArguments", "SftArguments"} & set(called):
        return Foreign("ms-swift", "train", settings)
    settings.setdefault("adapter", "lora" if {"get_peft_model", "LoraConfig"} & set(called) else "full")
    return Foreign("Unsloth", "train", settings)


def _calls_of(node: ast.AST) -> Iterator[ast.Call]:
    """Every call in the order of the text, but for what stands under `if False:`."""
    if isinstance(node, ast.Call):
        yield node
    is_off = isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value
    for child in [] if is_off else ast.iter_child_nodes(node):
        yield from _calls_of(child)


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _of_call(call: ast.Call, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings of a call that the table knows."""
    read = foreign_names().calls.get(_name_of(call))
    if read is None:
        return
    for key, value in zip(read.first, call.args, strict=False):
        yield key, _literal(value, known)
    for word in call.keywords:
        yield read.renamed.get(word.arg or "", word.arg or ""), _literal(word.value, known)


def _literal(node: ast.expr, known: dict[str, Any]) -> Any:
    """A value that is written out, also as a name, a product or torch's name of a type."""
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "torch":
        return node.attr
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.FloorDiv)):
        left, right = _literal(node.left, known), _literal(node.right, known)
        if type(left) is type(right) is int and right:
            return left * right if isinstance(node.op, ast.Mult) else left // right
    try:
        return ast.literal_eval(node)
    except ValueError:
        return Unset(ast.unparse(node))
