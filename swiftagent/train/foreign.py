"""A LLaMA-Factory YAML or an ms-swift 2.x/3.x command as a config of ours; what has no counterpart is reported."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

from swiftagent.errors import ConfigError
from swiftagent.train.foreign_names import TODAY
from swiftagent.train.options import check_value, options

TOP = {"model": "model", "dataset": "data", "val_dataset": "val", "eval_dataset": "val"}
OWN = ("data", "val", "model", "gpus", "nodes", "sequences_per_step")
# Settings that say what we do anyway, or that belong to the other program's own files.
NEEDLESS = {
    "stage", "do_train", "do_eval", "do_predict", "overwrite_cache", "overwrite_output_dir", "plot_loss", "dataset_dir",
    "output_dir", "add_output_dir_suffix", "logging_dir", "run_name", "resume_from_checkpoint", "model_cache_dir",
    "include_tokens_per_second", "include_num_input_tokens_seen", "cache_dir", "use_fast_tokenizer", "print_config",
}  # fmt: skip
# What `swiftagent mix` does: by which of its options.
MIXED_BEFORE = {
    "self_cognition_sample": "`swiftagent mix --self-cognition N` does it",
    "train_dataset_sample": "`swiftagent mix --agent N` does it",
    "train_dataset_mix_ratio": "`swiftagent mix --agent N --general M` does it",
    "train_dataset_mix_ds": "`swiftagent mix --general-source` does it",
    "max_samples": "`swiftagent mix --agent N` does it",
    "model_name": "`swiftagent mix --name` does it",
    "model_author": "`swiftagent mix --author` does it",
}
# Switches that are another option's value today: what true means; false means nothing.
SWITCHES = {
    "bf16": ("torch_dtype", "bfloat16"),
    "pure_bf16": ("torch_dtype", "bfloat16"),
    "fp16": ("torch_dtype", "float16"),
    "mask_history": ("loss_scale", "last_round"),
    "train_on_prompt": ("loss_scale", "all"),
}
# What their switch of attention means today; a value that is not listed is left out.
ATTENTION = {"fa2": "flash_attn", "true": "flash_attn", "sdpa": "sdpa", "disabled": "eager", "eager": "eager"}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
TARGETS = {
    **dict.fromkeys(("all", "DEFAULT", "AUTO"), ["all-linear"]),
    "ALL": ["all-linear", "all-embedding"],
    "EMBEDDING": ["all-embedding"],
}


class Translated(msgspec.Struct):
    """Our YAML, and a line for everything that could not be carried over as it stood."""

    yaml: str
    notes: list[str] = []


def translate(text: str, name: str) -> Translated:
    """Raises ConfigError where the text is neither a YAML mapping nor a `swift sft` command."""
    command = _command_settings(text, name)
    settings = command if command is not None else _yaml_settings(text, name)
    notes: list[str] = []
    top: dict[str, Any] = {}
    train: dict[str, Any] = {}
    for key, value in settings.items():
        if value not in (None, "") and key not in NEEDLESS:
            note = SPECIAL[key](value, train) if key in SPECIAL else _take(key, value, top, train)
            notes += [f"{key}: {_words(value)}: {note}"] if note else []
    _finish(top, train, settings, notes)
    ours: dict[str, Any] = {"model": top.pop("model"), "data": top.pop("data"), **top, "train": train}
    body = yaml.safe_dump(ours, sort_keys=False, allow_unicode=True)
    return Translated(f"# swiftagent sft CONFIG      translated from {name}; look it over first\n\n{body}", notes)


def _command_settings(text: str, name: str) -> dict[str, Any] | None:
    """The options of the first `swift sft` in a shell script, with NPROC_PER_NODE and the like; None where there is
    none.

    Raises ConfigError for a command that no shell could read.
    """
    joined = re.sub(r"\\\s*\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    joined = _with_variables(joined)
    line = next(
        (line for line in joined.splitlines() if re.search(r"\bswift\s+(sft|pt)\b|llm_sft\.py|cli/sft\.py", line)), None
    )
    if line is None:
        return None
    settings: dict[str, Any] = {}
    key = ""
    environment = dict(re.findall(r"\b(NPROC_PER_NODE|CUDA_VISIBLE_DEVICES|NNODES)=([\w,]+)", joined))
    if "NPROC_PER_NODE" in environment:
        settings["gpus"] = environment["NPROC_PER_NODE"]
    elif "CUDA_VISIBLE_DEVICES" in environment:
        settings["gpus"] = str(len(environment["CUDA_VISIBLE_DEVICES"].split(",")))
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"{name}: its command cannot be read: {error}: {line.strip()[:100]}") from None
    for word in words:
        if word.startswith("--"):
            key, _, value = word[2:].partition("=")
            settings[key] = _plain(value) if value else True
        elif key:
            before = settings[key]
            word = _plain(word)
            settings[key] = word if before is True else [*(before if isinstance(before, list) else [before]), word]
    return settings


def _with_variables(text: str) -> str:
    """Shell variables that the text itself sets, and quotients of two numbers, put in place."""
    for name, value in re.findall(r"(?m)(?:^|\s)([A-Za-z_]\w*)=([\w.,/:-]+)(?=\s|;|$)", text):
        text = re.sub(rf"\$(?:{name}\b|{{{name}}})", value, text)
    divided = re.compile(r"\$\(\s*expr\s+(\d+)\s*/\s*(\d+)\s*\)|\$\(\(\s*(\d+)\s*/\s*(\d+)\s*\)\)")

    def quotient(match: re.Match[str]) -> str:
        of, by = (int(number) for number in match.groups() if number)
        return str(of // by) if by else match.group()

    return divided.sub(quotient, text)


def _plain(word: str) -> Any:
    return int(word) if re.fullmatch(r"-?\d{1,18}", word) else word


def _yaml_settings(text: str, name: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: neither YAML nor a `swift sft` command: {error}".replace("\n", " ")) from None
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: neither a YAML mapping nor a `swift sft` command")
    return value


def _words(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.lower() if isinstance(value, bool) else text


def _take(key: str, value: Any, top: dict[str, Any], train: dict[str, Any]) -> str:
    """Put a foreign setting where it stands today; returns what is to be noted of it."""
    today = TODAY.get(key, key)
    if key in MIXED_BEFORE:
        return f"{MIXED_BEFORE[key]}, before training"
    if key in SWITCHES:
        train.update([SWITCHES[key]] if _is_true(value) else [])
    elif today == "attn_impl" and key != today:
        train.update({today: ATTENTION[named]} if (named := str(value).lower()) in ATTENTION else {})
    elif today in TOP:
        top[TOP[today]] = _top_value(TOP[today], value)
    elif today in OWN:
        top.setdefault(today, _top_value(today, value))
    elif today in options():
        checked, problem = check_value(today, "bnb" if value == "bitsandbytes" else value, plugins=True)
        train.update({} if problem else {today: checked})
        return problem
    else:
        return "has no counterpart; left out"
    return ""


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _top_value(key: str, value: Any) -> Any:
    if key in ("gpus", "nodes"):
        return int(value) if str(value).isdigit() else value
    if key in ("data", "val") and isinstance(value, str):
        files = [part.strip() for part in value.split(",")]
        return files if len(files) > 1 else files[0]
    return value


def _model_type(value: Any, train: dict[str, Any]) -> str:
    if check_value("model_type", value)[1]:
        return "a name of an older ms-swift; today's finds it by the model's name"
    train["model_type"] = value
    return ""


def _strict(value: Any, train: dict[str, Any]) -> str:
    return "" if value == "none" else "left out; every row is checked before training"


def _template(value: Any, train: dict[str, Any]) -> str:
    # The same name may mean another template there.
    return "" if str(value) == "default" else "left to ms-swift, which finds it by the model's name"


def _targets(value: Any, train: dict[str, Any]) -> str:
    listed = value if isinstance(value, list) else [part.strip() for part in str(value).split(",")]
    train["target_modules"] = [module for part in listed for module in TARGETS.get(str(part), [str(part)])]
    return ""


def _deepspeed(value: Any, train: dict[str, Any]) -> str:
    text = str(value).lower()
    stage = re.search(r"z(?:ero)?[-_]?(\d)", text)
    train["deepspeed"] = f"zero{stage[1]}" + ("_offload" if "offload" in text else "") if stage else str(value)
    return "" if stage else "copied as it stands"


def _tuner(value: Any, train: dict[str, Any]) -> str:
    if value == "qlora":
        train |= {"quant_bits": 4, "quant_method": "bnb"}
    train["tuner_type"] = {"freeze": "full", "qlora": "lora"}.get(str(value), str(value))
    return "translated as full; name what is trained in train.trainable_parameters" if value == "freeze" else ""


def _trust(value: Any, train: dict[str, Any]) -> str:
    return "left out; add it again only for a model whose code you trust" if _is_true(value) else ""


def _checkpointing(value: Any, train: dict[str, Any]) -> str:
    train["gradient_checkpointing"] = not _is_true(value)
    return ""


def _dtype(value: Any, train: dict[str, Any]) -> str:
    if str(value).lower() != "auto":
        train["torch_dtype"] = DTYPES.get(str(value).lower(), str(value))
    return ""


SPECIAL: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "model_type": _model_type,
    "check_dataset_strategy": _strict,
    **dict.fromkeys(("template", "template_type"), _template),
    **dict.fromkeys(("lora_target", "lora_target_modules"), _targets),
    **dict.fromkeys(("deepspeed", "deepspeed_config_path"), _deepspeed),
    **dict.fromkeys(("finetuning_type", "sft_type", "train_type"), _tuner),
    "trust_remote_code": _trust,
    "disable_gradient_checkpointing": _checkpointing,
    "dtype": _dtype,
}


def _finish(top: dict[str, Any], train: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
    """What is missing or still to be made, and the defaults that differ from ms-swift's."""
    top.setdefault("gpus", "auto")
    notes += [f"{key}: not named; fill it in" for key in ("model", "data") if key not in top]
    is_factory = "finetuning_type" in settings
    data = top.get("data")
    named = [name for name in (data if isinstance(data, list) else [data]) if isinstance(name, str)]
    published = [name for name in named if re.fullmatch(r"(damo-|iic/)?ms[-_](agent|bench).*", name)]
    if data is not None and is_factory and not str(data).endswith((".jsonl", ".json")):
        remedy = "`swiftagent convert FILE -o x.jsonl`, then data: x.jsonl"
        notes.append(f"data: {data}: a name in LLaMA-Factory's dataset_info.json; {remedy}")
    elif published and not is_factory and not any(name.endswith((".jsonl", ".json")) for name in published):
        remedy = "`swiftagent mix` pulls, converts and mixes it; then data: datasets/mix.jsonl"
        notes.append(f"data: {', '.join(published)}: {remedy}")
        top["data"] = "datasets/mix.jsonl"
    top.setdefault("model", "FILL_IN")
    top.setdefault("data", "FILL_IN.jsonl")
    if "quant_bits" in train:
        train.setdefault("quant_method", "bnb")
    if train.get("tuner_type") == "lora" and is_factory:
        # LLaMA-Factory's default; ms-swift's is 32.
        train.setdefault("lora_alpha", 2 * int(train.get("lora_rank", 8)))
