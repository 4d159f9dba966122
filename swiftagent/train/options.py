"""ms-swift's own options, checked against the shipped table of its 4.6.0 class: names exactly, kinds, choices and
ranges."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Collection
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.io.shipped import user_folder
from swiftagent.io.words import did_you_mean
from swiftagent.train.foreign_names import TODAY

HERE = Path(__file__).parent
OPEN_TO_PLUGINS = {"template", "model_type", "agent_template", "tuner_type"}  # external_plugins may register more
KIND_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "dict": "a mapping",
}
# name: (lowest, highest, whether the lowest itself is refused)
RANGES: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0, 1, True),
    **dict.fromkeys(("num_train_epochs", "lora_alpha"), (0, math.inf, True)),
    **dict.fromkeys(("lora_dropout", "warmup_ratio", "split_dataset_ratio"), (0, 1, False)),
    **dict.fromkeys(("weight_decay", "warmup_steps", "max_grad_norm"), (0, math.inf, False)),
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), (1, math.inf, False)),
    **dict.fromkeys(("gradient_accumulation_steps", "max_length", "lora_rank", "logging_steps"), (1, math.inf, False)),
    **dict.fromkeys(("save_total_limit", "sequence_parallel_size"), (1, math.inf, False)),
}
# Options whose type is any text, while only these words (or a file) mean something: a misspelt one would fail late
# or never.
WORDS = {
    "deepspeed": ("zero0", "zero1", "zero2", "zero3", "zero2_offload", "zero3_offload"),
    "fsdp": ("fsdp2",),
    "report_to": ("none", "all", "tensorboard", "wandb", "swanlab", "mlflow", "azure_ml", "clearml", "codecarbon",
                  "comet_ml", "dagshub", "dvclive", "flyte", "kubeflow", "neptune", "trackio"),
    "loss_scale": ("default", "last_round", "all", "base", "hermes", "qwen", "agentflan", "alpha_umi",
                   "ignore_empty_think", "ignore_think_prefix"),
}  # fmt: skip
OR_A_FILE = ("deepspeed", "fsdp")
REACT_REFUSED = (
    "loss_scale: react finds results by keyword, so it trains every tool result that holds 'Thought:' or 'Action:'; "
    "the `loss` marks of the rows are exact: leave it out"
)


class Option(msgspec.Struct, frozen=True):
    """One option: the kinds a value may have ("bool", "int", "float", "str", "dict", "list[str]", ...) and its
    choices."""

    kinds: tuple[str, ...]
    choices: tuple[Any, ...] = ()


@lru_cache
def options() -> dict[str, Option]:
    """Every option of the class: from the shipped table, or read live (10 s, once) where another ms-swift is
    installed."""
    table = _shipped()
    if _another_version():
        table = _read_live(_installed_version()) or table
    return {name: Option(tuple(o["kinds"]), tuple(o.get("choices", ()))) for name, o in table["options"].items()}


@lru_cache
def _shipped() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((HERE / "options.json").read_text(encoding="utf-8"))
    return table


@lru_cache
def _installed_version() -> str:
    try:
        return version("ms-swift")
    except PackageNotFoundError:
        return ""


def _another_version() -> bool:
    return _installed_version() not in ("", _shipped()["ms_swift"])


def _read_live(installed: str) -> dict[str, Any] | None:
    """The table of another version, made by a process of its own and kept for the next time; None where that fails."""
    cache = user_folder("XDG_CACHE_HOME", ".cache") / "swiftagent"
    path = cache / f"trainer_options-{installed}.json"
    if not path.is_file():
        command = [sys.executable, "-m", "swiftagent.backend.option_table", str(path)]
        if subprocess.run(command, capture_output=True).returncode or not path.is_file():
            return None
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


def unknown_key(name: str, known: Collection[str]) -> str:
    """What to say of a key that does not exist: today's name of another program's, else the nearest."""
    if name in TODAY:
        today = TODAY[name]
        place = f"train.{today}" if today in options() and today not in known else today
        return f"{name}: the name of another program or version; today it is {place}"
    return f"{name}: unknown key{did_you_mean(name, known, ', ')}"


def check_value(name: str, value: Any, plugins: bool = False) -> tuple[Any, str]:
    """The value as ms-swift takes it, and what is wrong with it ("" where nothing is).

    Numbers that YAML reads as text (5e-5) become numbers. `plugins`: the config names external plugins, which may
    register templates and model types that the table does not hold.
    """
    option = options()[name]
    if name == "loss_scale" and isinstance(value, str) and "react" in value.split("+"):
        return value, REACT_REFUSED
    if value is False and option.choices and "no" in option.choices:
        value = "no"  # YAML reads an unquoted `no` as false
    converted = _convert(option.kinds, value)
    if converted is None:
        wanted = " or ".join(_kind_name(kind) for kind in option.kinds)
        return value, f"{name}: {_shown(value)} is not {wanted}"
    if option.choices and converted not in option.choices and not (plugins and name in OPEN_TO_PLUGINS):
        few = len(option.choices) <= 16
        some = ", ".join(map(str, option.choices)) if few else f"{len(option.choices)} known names"
        hint = did_you_mean(str(converted), map(str, option.choices), "; ")
        return value, f"{name}: {_shown(value)} is not one of {some}{hint}"
    if name in RANGES and not isinstance(converted, (str, list)):
        low, high, above = RANGES[name]
        if not (low < converted if above else low <= converted) or converted > high:
            limit = f"above {low}" if above else f"at least {low}"
            return value, f"{name}: {_shown(value)} is out of range: {limit}" + (
                "" if high == math.inf else f", at most {high}"
            )
    return converted, _unknown_word(name, converted, plugins)


def _unknown_word(name: str, value: Any, plugins: bool) -> str:
    """What is wrong with a text of which only some words are known; "" where it is one of them, a mapping or a file."""
    if name not in WORDS or isinstance(value, dict) or (plugins and name not in OR_A_FILE) or _another_version():
        return ""
    for word in value if isinstance(value, list) else str(value).split("+") if name == "loss_scale" else [value]:
        if word in WORDS[name] or (name in OR_A_FILE and (str(word).lstrip().startswith("{") or Path(word).is_file())):
            continue
        also = " or a file" if name in OR_A_FILE else ""
        hint = did_you_mean(str(word), WORDS[name], "; ")
        return f"{name}: {_shown(word)} is not one of {', '.join(WORDS[name])}{also}{hint}"
    return ""


def as_words(name: str, value: Any) -> list[str]:
    """One option as argv words: lists become several words, mappings JSON, booleans true and false."""
    if isinstance(value, bool):
        return [f"--{name}", "true" if value else "false"]
    if isinstance(value, dict):
        return [f"--{name}", json.dumps(value, ensure_ascii=False)]
    if isinstance(value, list):
        return [f"--{name}", *map(_word, value)]
    return [f"--{name}", _word(value)]


def _word(value: Any) -> str:
    """5e-5 as people write it, not 5e-05."""
    return re.sub(r"e([+-])0+", r"e\1", repr(value)) if isinstance(value, float) else str(value)


def _convert(kinds: tuple[str, ...], value: Any) -> Any:
    """The value in the first kind that holds it; None where none does."""
    for kind in kinds:
        if kind.startswith("list["):
            items = value if isinstance(value, list) else value.split() if isinstance(value, str) else [value]
            converted = [_convert_one(kind[5:-1], item) for item in items]
            if items and None not in converted:
                return converted
        else:
            converted_one = _convert_one(kind, value)
            if converted_one is not None:
                return converted_one
    return None


def _convert_one(kind: str, value: Any) -> Any:
    if kind == "bool":
        return {"true": True, "false": False}.get(str(value).lower())
    if isinstance(value, bool):
        return None if kind != "str" else str(value).lower()
    if kind == "dict":
        return value if isinstance(value, dict) else None
    if isinstance(value, (dict, list)):
        return None
    if kind == "str":
        return str(value)
    return _number(kind, value)


def _number(kind: str, value: Any) -> int | float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    if kind == "int":
        return int(number) if number == int(number) else None
    return int(value) if isinstance(value, int) else number


def _kind_name(kind: str) -> str:
    return f"a list of {kind[5:-1]}" if kind.startswith("list[") else KIND_NAMES[kind]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
