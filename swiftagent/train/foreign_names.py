"""Names and values that LLaMA-Factory, Axolotl, Unsloth and older ms-swift use, with today's: from `foreign.yaml`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

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
