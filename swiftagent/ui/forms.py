"""Options as fields of a form, and filled-in fields as the command line that they stand for."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from swiftagent.train.config import Config
from swiftagent.train.options import TABLES, options

Kind = Literal["text", "number", "switch", "choice", "list", "repeated"]
Values = Mapping[str, str]
# Settings of ms-swift that most runs set; any other one can be written as key=value.
TRAIN_KEYS: tuple[str, ...] = ("tuner_type", "learning_rate", "num_train_epochs", "max_steps", "max_length")
TRAIN_KEYS += ("lora_rank", "lora_alpha", "eval_steps", "save_steps")
CONFIG_KEYS = ("model", "data", "val", "name", "gpus", "sequences_per_step", "train_on", "preflight")
# Of a command's options, those that concern a terminal alone.
_LEFT_OUT = {"help", "json", "quiet", "traceback", "dry_run", "q", "markdown", "engine", "ray_address"}


class Field(msgspec.Struct, frozen=True):
    """One field. value: as text; a switch is "on" or ""."""

    name: str
    label: str
    about: str
    kind: Kind
    value: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()


def command_fields(parser: argparse.ArgumentParser, values: Values) -> list[Field]:
    """Every option of a command that a page can set, in the order of its help."""
    actions = (action for action in parser._actions if action.option_strings and action.dest not in _LEFT_OUT)
    return [_field(action, values) for action in actions]


def command_words(parser: argparse.ArgumentParser, values: Values) -> list[str]:
    """The options that differ from their defaults, as words of a command line."""
    words: list[str] = []
    for field in command_fields(parser, values):
        dashes = "-" if len(field.name) == 1 else "--"
        name, value = dashes + field.name.replace("_", "-"), values.get(field.name, "").strip()
        match field.kind if value and value != field.default else "":
            case "switch":
                words.append(name)
            case "list":
                words += [name, *shlex.split(value)]
            case "repeated":
                words += [f"{name}={part}" for part in shlex.split(value)]
            case "text" | "number" | "choice":
                words.append(f"{name}={value}")
    return words


def choices_of(parser: argparse.ArgumentParser, name: str) -> tuple[str, ...]:
    """What a word of a command may be, such as the target of `export`."""
    return next(tuple(action.choices or ()) for action in parser._actions if action.dest == name)


def concerns(field: Field, choice: str, choices: tuple[str, ...]) -> bool:
    """Whether an option means something for one choice: help that begins as "gguf, ollama: ..." names its own."""
    named = {word.strip() for word in field.about.partition(":")[0].split(",")}
    return choice in named or not named <= set(choices)


def _field(action: argparse.Action, values: Values) -> Field:
    kind: Kind = "text"
    # It takes no value: its longest name alone changes what is done.
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        kind = "switch"
    elif action.nargs in ("+", "*"):
        kind = "list"
    elif isinstance(action, argparse._AppendAction):
        kind = "repeated"
    elif action.choices:
        kind = "choice"
    elif action.type in (int, float):
        kind = "number"
    default = "" if kind == "switch" else _text(action.default)
    name = max(action.option_strings, key=len).lstrip("-").replace("-", "_")
    choices = (*(() if default else ("",)), *map(str, action.choices or ()))
    about = (action.help or "").replace("%%", "%")
    return Field(name, name.replace("_", " "), about, kind, values.get(name, default), default, choices)


def _text(value: Any) -> str:
    """A default or a config's value as a field shows it."""
    match value:
        case None | False:
            return ""
        case True:
            return "on"
        case list() | tuple():
            return shlex.join(map(str, value))
    return str(value)


def train_fields(recipe: Config, values: Values) -> list[Field]:
    """The settings of a run: the config's own, then ms-swift's, with the choices and ranges that `doctor` checks."""
    own = recipe.as_dict()
    fields = [_setting(key, own.get(key), values) for key in CONFIG_KEYS]
    return fields + [_setting(f"train.{key}", recipe.train.get(key), values) for key in TRAIN_KEYS]


def _setting(name: str, default: Any, values: Values) -> Field:
    key = name.removeprefix("train.")
    option = options().get(key) if name != key else None
    kinds = option.kinds if option else ()
    choices = tuple(str(choice) for choice in option.choices) if option else _CHOICES.get(key, ())
    kind: Kind = "choice" if choices else "number" if {"int", "float"} & set(kinds) else "text"
    shown = _text(default)
    return Field(name, key.replace("_", " "), _range(key), kind, values.get(name, shown), shown, ("", *choices))


def _range(key: str) -> str:
    """The values that `doctor` accepts, as "0 … 1" or "≥ 1"; "" where it checks none."""
    if key not in TABLES["ranges"]:
        return ""
    low, high, is_above = TABLES["ranges"][key]
    return f"{low:g} … {high:g}" if high < math.inf else f"{'>' if is_above else '≥'} {low:g}"


_CHOICES = {"train_on": ("all", "last_step", "last_turn"), "preflight": ("off", "sample", "full")}


def train_words(recipe_name: str, recipe: Config, values: Values) -> list[str]:
    """The words of `sft` and `doctor`: the recipe, and each setting that differs from it."""
    words = [recipe_name]
    for field in train_fields(recipe, values):
        if field.value.strip() != field.default:
            name = field.name.removeprefix("train.")
            value = _as_list(field.value) if field.name == "data" else field.value.strip() or "null"
            words.append(f"{name}={value}")
    return words + shlex.split(values.get("more", ""))


def _as_list(text: str) -> str:
    files = shlex.split(text)
    return files[0] if len(files) == 1 else f"[{', '.join(files)}]"
