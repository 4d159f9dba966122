"""A config or command of LLaMA-Factory, Axolotl, Unsloth or ms-swift as ours: the config that trains the same, the
commands that it implied, and what is not carried over."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from swiftagent.train.foreign_commands import command, command_of, first_of, plan_data
from swiftagent.train.foreign_text import MODELS, Foreign, foreign_names, is_true, read_foreign
from swiftagent.train.options import check_value, options

OWN = ("gpus", "nodes", "sequences_per_step")
Found = dict[str, Any] | str  # options of ms-swift, or why there is none


class Translated(msgspec.Struct):
    """Our YAML ("" where nothing is trained), the commands around it, and (name, reason) of what is not carried
    over."""

    program: str
    task: str
    yaml: str = ""
    commands: list[str] = []
    left_out: list[tuple[str, str]] = []

    @property
    def text(self) -> str:
        """What `configs from` prints: commands as comments, so that it is a config as it stands."""
        first = f"translated from {self.program}; look it over first"
        head = "".join(f"# {line}\n" for line in (first, *self.commands))
        return head + (f"\n{self.yaml}" if self.yaml else "")

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        config = yaml.safe_load(self.yaml) if self.yaml else None
        found: dict[str, Any] = {"program": self.program, "task": self.task, "config": config}
        return found | {"commands": self.commands, "not_carried_over": dict(self.left_out)}


def translate(text: str, name: str, output: str = "CONFIG") -> Translated:
    """`output` is the config's place in its own command. Raises ConfigError where the text is neither a YAML mapping,
    nor a command, nor a script of a known program."""
    tasks = read_foreign(text, name)
    place = Path(name).parent
    training = next((task for task in tasks if task.task == "train"), None)
    first = training or tasks[0]
    translated = Translated(first.program, first.task)
    if training:
        _train(training, place, output, translated)
    for task in tasks:
        if task.task == "train":
            second = ("a second training", "one config trains once; translate it from a file of its own")
            notes = [second] if task is not training else []
        else:
            commands, notes = command_of(task, place)
            translated.commands += commands
        translated.left_out += [note for note in notes if note not in translated.left_out]
    return translated


def _train(foreign: Foreign, place: Path, output: str, translated: Translated) -> None:
    settings = foreign.settings
    top: dict[str, Any] = {}
    train: dict[str, Any] = {}
    for key, value in settings.items():
        if value in (None, "", []) or key in foreign_names().needless:
            continue
        found = _read(key, value, top)
        if isinstance(found, str):
            translated.left_out.append((key, f"{_words(value)}: {found}"))
        else:
            train |= found
    data = plan_data(foreign, place, translated.commands, translated.left_out)
    _finish(foreign, top, train, data)
    model = first_of(settings, *MODELS)
    translated.left_out += [] if model else [("model", "not named; fill it in")]
    ours = {"model": model or "FILL_IN", **data, **top, "train": train}
    translated.yaml = yaml.safe_dump(ours, sort_keys=False, allow_unicode=True)
    translated.commands += [f"swiftagent sft {output}", *_afterwards(settings)]


def _afterwards(settings: dict[str, Any]) -> list[str]:
    """What a script does with the model that it trained."""
    export = ("swiftagent", "export")
    commands = [command(*export, "merge", ("-o", folder))] if (folder := settings.get("save_merge")) else []
    if folder := settings.get("save_gguf"):
        how = settings.get("quantization_method") or "q8_0"
        how = how[0] if isinstance(how, list) else how
        commands.append(command(*export, "gguf", ("-o", f"{folder}.gguf"), ("--quantize", how)))
    return commands + (["swiftagent eval"] if is_true(settings.get("predict_with_generate", False)) else [])


def _words(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.lower() if isinstance(value, bool) else text[:80]


def _finish(foreign: Foreign, top: dict[str, Any], train: dict[str, Any], data: dict[str, Any]) -> None:
    """The defaults that differ from ms-swift's, and what depends on two settings."""
    top.setdefault("gpus", "auto")
    if "quant_bits" in train:
        train.setdefault("quant_method", "bnb")
    if foreign.program == "LLaMA-Factory" and train.get("tuner_type") == "lora":
        train.setdefault("lora_alpha", 2 * int(train.get("lora_rank", 8)))
    if foreign.program == "Axolotl":
        train.setdefault("tuner_type", "full")
    for key in ("eval_steps", "save_steps"):  # Axolotl counts times an epoch, ms-swift takes a share of the run
        if isinstance(times := train.get(key), float) and times < 0:
            train[key] = round(-1 / times / max(1, float(train.get("num_train_epochs", 1))), 6)
    if "val" in data:
        train.pop("split_dataset_ratio", None)


# values
# ------------------------------------------------------------------------------------------------------------------


def _read(key: str, value: Any, top: dict[str, Any]) -> Found:
    """A setting by the table, by what its text says, or by today's name."""
    listed = foreign_names().values.get(key, {})
    found = listed.get(str(value).lower(), listed.get("otherwise"))
    if found is None:
        return READ[key](value) if key in READ else _taken(key, value, top)
    return found.format(value) if isinstance(found, str) else found


def _taken(key: str, value: Any, top: dict[str, Any]) -> Found:
    """A setting by today's name; our own keys are put into `top`."""
    today = foreign_names().today.get(key, key)
    if today in OWN:
        top.setdefault(today, int(value) if str(value).isdigit() else value)
        return {}
    if today not in options():
        return "has no counterpart; left out"
    checked, problem = check_value(today, value, plugins=True)
    return problem or {today: checked}


def _model_type(value: Any) -> Found:
    is_old = check_value("model_type", value)[1]
    return "a name of an older version; today's is found by the model's name" if is_old else {"model_type": value}


def _targets(value: Any) -> Found:
    listed, targets = value if isinstance(value, list) else str(value).split(","), foreign_names().targets
    names = [str(part).strip() for part in listed]
    return {"target_modules": [name for part in names for name in targets.get(part, [part])]}


def _deepspeed(value: Any) -> Found:
    text = str(value).lower()
    stage = re.search(r"z(?:ero)?[-_]?(\d)", text)
    return {"deepspeed": f"zero{stage[1]}" + ("_offload" if "offload" in text else "") if stage else str(value)}


READ: dict[str, Callable[[Any], Found]] = {
    "adapter": lambda value: {"tuner_type": value},
    "model_type": _model_type,
    **dict.fromkeys(("lora_target", "lora_target_modules", "target_modules"), _targets),
    **dict.fromkeys(("deepspeed", "deepspeed_config_path"), _deepspeed),
    # Negative until `_finish` knows the number of epochs.
    "evals_per_epoch": lambda value: {"eval_steps": -float(value)},
    "saves_per_epoch": lambda value: {"save_steps": -float(value)},
}
