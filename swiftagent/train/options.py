"""ms-swift's own options, checked against the shipped table of its 4.6.0 class: names exactly, kinds, choices and
ranges."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.io.words import did_you_mean
from swiftagent.train.foreign_text import foreign_names

# External plugins, or another version of ms-swift, may register more.
OPEN_TO_PLUGINS = {"template", "model_type", "agent_template", "tuner_type", "loss_scale", "report_to"}
KIND_NAMES = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "dict": "a mapping",
}  # fmt: skip
_TYPES: dict[str, Any] = {"bool": bool, "int": int, "float": float, "str": str, "dict": dict[str, Any]}
# `packages` that an option needs, by its name or name=value, and `optimizers` by how their names are made; options that
# are `not_together`; `ranges` of values (lowest, highest, whether the lowest itself is refused); of `gpus` the dense
# bfloat16 (or float16) arithmetic in 1e12 operations a second, from the makers' data sheets, and the memory; `flash`
# attention, the package that has it and the GPUs that run it; why some options keep steps `by_sequences`; and what
# ms-swift calls things that are `ours` to set.
TABLES: dict[str, Any] = json.loads(Path(__file__).with_name("tables.json").read_bytes())
# Their choices are words of a longer text, or a file, a mapping or JSON may stand in place of one.
JOINED = {"loss_scale"}
OR_A_FILE = {"deepspeed", "fsdp"}
REACT_REFUSED = (
    "loss_scale: react finds results by keyword, so it trains every tool result that holds 'Thought:' or 'Action:'; "
    "the `loss` marks of the rows are exact: leave it out"
)


class Option(msgspec.Struct, frozen=True):
    """One option: the kinds a value may have ("bool", "int", "float", "str", "dict", "list[str]", ...) and its
    choices."""

    kinds: tuple[str, ...]
    choices: tuple[Any, ...] = ()


class _Table(msgspec.Struct, frozen=True):
    ms_swift: str  # the version
    options: dict[str, Option]


@lru_cache
def _table() -> _Table:
    return msgspec.json.decode(Path(__file__).with_name("options.json").read_bytes(), type=_Table)


def options() -> dict[str, Option]:
    """Every option of the class."""
    return _table().options


@lru_cache
def _other_version() -> str:
    """The installed ms-swift where it is another than the table's: it may know further names and words."""
    try:
        installed = version("ms-swift")
    except PackageNotFoundError:
        return ""
    return "" if installed == _table().ms_swift else installed


def unknown_key(name: str, known: Collection[str]) -> str:
    """What to say of a key that does not exist: today's name of another program's, else the nearest."""
    if today := foreign_names().today.get(name):
        place = f"train.{today}" if today in options() and today not in known else today
        return f"{name}: the name of another program or version; today it is {place}"
    of = f" of ms-swift {_table().ms_swift}, and {_other_version()} is installed" if _other_version() else ""
    return f"{name}: unknown key{of}{did_you_mean(name, known, ', ')}"


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
    if unknown := _unknown_word(name, converted, option.choices, plugins or bool(_other_version())):
        return value, f"{name}: {unknown}"
    if name in TABLES["ranges"] and not isinstance(converted, (str, list)):
        low, high, above = TABLES["ranges"][name]
        if not low <= converted <= high or (above and converted == low):
            limit = f"{'above' if above else 'at least'} {low}" + ("" if high == math.inf else f", at most {high}")
            return value, f"{name}: {_shown(value)} is out of range: {limit}"
    return converted, ""


def _unknown_word(name: str, value: Any, choices: Collection[Any], is_open: bool) -> str:
    """The first word of a value that is not one of its choices; "" where all are."""
    if not choices or isinstance(value, dict) or (is_open and name in OPEN_TO_PLUGINS):
        return ""
    for word in value if isinstance(value, list) else str(value).split("+") if name in JOINED else [value]:
        given_whole = name in OR_A_FILE and (str(word).lstrip().startswith("{") or Path(str(word)).is_file())
        if word not in choices and not given_whole:
            also = " or a file" if name in OR_A_FILE else ""
            some = ", ".join(map(str, choices)) if len(choices) <= 18 else f"{len(choices)} known names"
            return f"{_shown(word)} is not one of {some}{also}{did_you_mean(str(word), map(str, choices), '; ')}"
    return ""


def as_words(name: str, value: Any) -> list[str]:
    """One option as argv words: lists become several words, mappings JSON, booleans true and false."""
    return [f"--{name}", *map(_word, value if isinstance(value, list) else [value])]


def _word(value: Any) -> str:
    if isinstance(value, (bool, dict)):
        return json.dumps(value, ensure_ascii=False)
    # 5e-5 as people write it, not 5e-05
    return re.sub(r"e([+-])0+", r"e\1", repr(value)) if isinstance(value, float) else str(value)


def _convert(kinds: tuple[str, ...], value: Any) -> Any:
    """The value in the first kind that holds it; None where none does."""
    for kind in kinds:
        is_list = kind.startswith("list[")
        items = value if is_list and isinstance(value, list) else [value]
        items = value.split() if is_list and isinstance(value, str) else items
        converted = [_convert_one(kind[5:-1] if is_list else kind, item) for item in items]
        if items and None not in converted:
            return converted if is_list else converted[0]
    return None


def _convert_one(kind: str, value: Any) -> Any:
    if kind == "str" and isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "float" and type(value) is int:
        return value
    try:
        converted = msgspec.convert(value, _TYPES[kind], strict=False)  # numbers and booleans that YAML reads as text
    except msgspec.ValidationError:
        return None
    return None if isinstance(converted, float) and not math.isfinite(converted) else converted


def _kind_name(kind: str) -> str:
    return f"a list of {kind[5:-1]}" if kind.startswith("list[") else KIND_NAMES[kind]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
