"""A config or command of LLaMA-Factory, Axolotl, Unsloth or ms-swift as ours: the config that trains the same, the
commands that it implied, and what is not carried over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from swiftagent.models.known import known_shape
from swiftagent.train.foreign_commands import OWN, asks, command, command_of, names_of, number, plan_data
from swiftagent.train.foreign_shell import Unset, listed_of
from swiftagent.train.foreign_text import Foreign, foreign_names, read_foreign
from swiftagent.train.options import TABLES, check_value, options


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
        # A line break in a value would end the comment.
        head = "".join(f"# {' '.join(line.splitlines())}\n" for line in (first, *self.commands))
        return head + (f"\n{self.yaml}" if self.yaml else "")

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        found: dict[str, Any] = {"program": self.program, "task": self.task, "config": yaml.safe_load(self.yaml)}
        return found | {"commands": self.commands, "not_carried_over": dict(self.left_out)}


def translate(text: str, name: str, output: str = "CONFIG") -> Translated:
    """`output` is the config's place in its own command. Raises ConfigError where the text is neither a YAML mapping,
    nor a command, nor a script of a known program."""
    tasks = read_foreign(text, name)
    place = Path(name).parent
    training = next((task for task in tasks if task.task == "train"), None)
    first = training or tasks[0]
    translated = Translated(first.program, first.task)
    for task in tasks:
        translated.left_out += _without_unset(task)
    if training:
        _train(training, place, output, translated)
    second = [("a second training", "one config trains once; translate it from a file of its own")]
    for task in tasks:
        commands, notes = ([], second) if task.task == "train" else command_of(task, place)
        translated.commands += commands
        translated.left_out += [note for note in notes if note not in translated.left_out and task is not training]
    return translated


def _without_unset(foreign: Foreign) -> list[tuple[str, str]]:
    """Take values out that the text does not say; a model, an adapter and data are to be filled in."""
    notes, names = [], foreign_names()
    for key, value in list(foreign.settings.items()):
        if unset := next((item for item in listed_of(value) if isinstance(item, Unset)), None):
            is_place = any(key in keys for keys in names.places.values())
            foreign.settings[key] = "FILL_IN" if is_place else None
            fact = f"{_words(unset)}: not written out there" + ("; fill it in" if is_place else "")
            # Half precision where it is supported is what ms-swift takes too.
            notes += [(key, fact)] if is_place or not (key in names.needless or "16_supported" in unset) else []
    return notes


def _train(foreign: Foreign, place: Path, output: str, translated: Translated) -> None:
    train: dict[str, Any] = {}
    plugins = bool(foreign.first("external_plugins", "custom_register_path"))
    unknown = {foreign_names().today.get(name, name) for name, _ in translated.left_out}
    for key, value in foreign.settings.items():
        on_benchmarks = key == "eval_dataset" and foreign.program == "ms-swift"
        if value in (None, "", []) or (key in foreign_names().needless and not on_benchmarks):
            continue
        found = {key: value} if on_benchmarks else _read(key, value)
        if not isinstance(found, str):
            own = {name: item for name, item in found.items() if name in OWN}
            checked = {name: check_value(name, found[name], plugins) for name in found if name not in OWN}
            train = own | train | {name: item for name, (item, problem) in checked.items() if not problem}
            found = next((problem for _, problem in checked.values() if problem), "")
        translated.left_out += [(key, f"{_words(value)}: {found}")] if found and asks(key, value) else []
    data = plan_data(foreign, place, translated.commands, translated.left_out)
    top = {"gpus": "auto"} | {key: train.pop(key) for key in OWN if key in train}
    added = _add_defaults(foreign, train, unknown)
    _finish(foreign, top, train, data)
    if "FILL_IN" in train.get("trainable_parameters_regex", ""):
        fact = "how many layers the model has is not known here; name the last of them in FILL_IN's place, as 30|31"
        translated.left_out.append(("freeze_trainable_layers", fact))
    default = next((key for key in added if key in train), "")
    model = foreign.named("model")
    translated.left_out += [] if model else [("model", "not named; fill it in")]
    ours = {"model": model or "FILL_IN", **data, **top, "train": train}
    text = yaml.safe_dump(ours, sort_keys=False, allow_unicode=True)
    reason = f"# {foreign.program}'s own defaults, where nothing was said"
    translated.yaml = text.replace(f"\n  {default}:", f"\n  {reason}\n  {default}:") if default else text
    translated.commands += [command("swiftagent", "sft", output), *_afterwards(foreign)]


def _afterwards(foreign: Foreign) -> list[str]:
    """What a script does with the model that it trained."""
    export, merged, gguf = ["swiftagent", "export"], *map(foreign.settings.get, ("save_merge", "save_gguf"))
    how = listed_of(foreign.settings.get("quantization_method") or "q8_0")[0]
    lines = [command(export, "merge", ("-o", merged))] if merged else []
    lines += [command(export, "gguf", ("-o", f"{gguf}.gguf"), ("--quantize", how))] if gguf else []
    return lines + (["swiftagent eval"] if foreign.on("predict_with_generate") else [])


def _words(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.lower() if isinstance(value, bool) else " ".join(text.split())[:80]


def _finish(foreign: Foreign, top: dict[str, Any], train: dict[str, Any], data: dict[str, Any]) -> None:
    """What depends on two settings."""
    if "quant_bits" in train:
        train.setdefault("quant_method", "bnb")
    if foreign.settings.get("finetuning_type") == "freeze":
        train["trainable_parameters_regex"] = _of_layers(foreign)
    for key in ("eval", "save"):  # Axolotl counts times an epoch, ms-swift takes a share of the run
        if (times := foreign.settings.get(f"{key}s_per_epoch")) is not None:
            each = round(1 / max(1, float(train.get("num_train_epochs", 1)) * number(times)), 6)
            train[f"{key}_strategy"] = "no" if number(times) <= 0 else "epoch" if number(times) == 1 else "steps"
            train |= {f"{key}_steps": each} if train[f"{key}_strategy"] == "steps" else {}
    if "micro_batch_size" in foreign.settings and "max_epochs" in train:  # Megatron's own name
        train["num_train_epochs"] = train.pop("max_epochs")
    accumulated = train.get("gradient_accumulation_steps")
    if foreign.settings.get("one_process") and accumulated:
        top["sequences_per_step"] = accumulated * train.get("per_device_train_batch_size", 1)
    if "sequences_per_step" in top:
        train.pop("gradient_accumulation_steps", None)
    # ms-swift refuses both; transformers takes the steps.
    for key, is_moot in (("warmup_ratio", train.get("warmup_steps")), ("split_dataset_ratio", "val" in data)):
        train.pop(key, None) if is_moot else None


def _of_layers(foreign: Foreign) -> str:
    """The parameters that LLaMA-Factory's `freeze` trains: of the last layers, or the first (a count below 0), all
    modules or those that are named, and what is named beside them; never those of an image encoder."""
    count = int(foreign.first("freeze_trainable_layers") or 2)
    shape = None if foreign.on("use_llama_pro") else known_shape(str(foreign.named("model")))
    layers = shape.layers if shape else 0
    numbers = range(-count) if count < 0 else range(max(0, layers - count), layers)
    modules, extra = (names_of(foreign.first(f"freeze_{kind}_modules")) for kind in ("trainable", "extra"))
    inside = "" if "all" in modules else f"({'|'.join(modules)})" if modules else ""
    of_layers = rf"\.(layers|h)\.({'|'.join(map(str, numbers)) or 'FILL_IN'})\.{inside}"
    return f"^(?!.*vis).*({'|'.join([of_layers, *extra])})"


def _add_defaults(foreign: Foreign, train: dict[str, Any], unknown: set[str]) -> list[str]:
    """Add the program's defaults that differ from ms-swift's, but for what its text sets to something `unknown` here;
    returns which."""
    of = foreign_names().defaults
    version = "" if {"model", "load"} & set(foreign.settings) else "-2"  # of ms-swift, which has `model` since 3
    keys = (foreign.program, foreign.program + version, foreign.verb, *foreign.settings, *foreign.said())
    defaults = {name: value for key in keys for name, value in of.get(key.replace(" ", "-"), {}).items()}
    if train.get("tuner_type", defaults.get("tuner_type")) == "full":
        defaults = {key: value for key, value in defaults.items() if not re.match("lora_|target_|quant_", key)}
    elif foreign.program == "LLaMA-Factory":
        defaults["lora_alpha"] = 2 * int(train.get("lora_rank", 8))
    added = [key for key in defaults if defaults[key] is not None and key not in {*train, *unknown}]
    train |= {key: defaults[key] for key in added}
    return added


# values
# ------------------------------------------------------------------------------------------------------------------


def _read(key: str, value: Any) -> dict[str, Any] | str:
    """A setting by the table, by what its text says, or by today's name: options, or why there is none."""
    text, today = " ".join(map(str, listed_of(value))), foreign_names().today.get(key, key)
    for word, found in foreign_names().values.get(key, {}).items():
        if match := re.fullmatch(".*" if word == "otherwise" else word, text, re.I | re.S):
            if isinstance(found, str):
                return match.expand(found)
            return {name: match.expand(item) if isinstance(item, str) else item for name, item in found.items()}
    if today == "unfrozen_parameters":  # Axolotl's patterns, whose dots are dots
        pattern = "|".join(map(str, listed_of(value))).replace(".", r"\.").replace(r"\.*", ".*")
        return {"freeze_parameters_ratio": 1.0, "trainable_parameters_regex": pattern}
    if today == "target_modules":
        targets = [str(part).strip() for part in (value if isinstance(value, list) else text.split(","))]
        return {today: [name for part in targets for name in foreign_names().targets.get(part, [part])]}
    if today in OWN:
        return {today: int(value) if str(value).isdigit() else value}
    if today in TABLES["ours"]:
        return f"set by {TABLES['ours'][today]}"
    return {today: value} if today in options() else "has no counterpart; left out"
