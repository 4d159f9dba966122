"""A LLaMA-Factory YAML or an ms-swift 2.x/3.x command as a config of ours; what has no counterpart is told."""

from __future__ import annotations

import re
import shlex
from typing import Any

import msgspec
import yaml

from swiftagent.errors import ConfigError
from swiftagent.train.foreign_names import TODAY, VALUES
from swiftagent.train.options import check_value, options

TOP = {
    "model": "model",
    "dataset": "data",
    "val_dataset": "val",
    "eval_dataset": "val",
    "gpus": "gpus",
    "nodes": "nodes",
}
# Settings that say what we do anyway, or that belong to the other program's own files.
NEEDLESS = {
    "stage", "do_train", "do_eval", "do_predict", "overwrite_cache", "overwrite_output_dir", "plot_loss", "dataset_dir",
    "output_dir", "add_output_dir_suffix", "logging_dir", "run_name", "resume_from_checkpoint", "include_tokens_per_second",
    "include_num_input_tokens_seen", "model_cache_dir", "cache_dir", "use_fast_tokenizer", "print_config",
}  # fmt: skip


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
        if value not in (None, ""):
            _take(key, value, top, train, notes)
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


def _take(key: str, value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    """Put one foreign setting where it stands today."""
    if key in NEEDLESS:
        return
    special = SPECIAL.get(key)
    if special is not None:
        special(value, top, train, notes)
        return
    today = TODAY.get(key, key)
    value = VALUES.get((key, str(value).lower() if isinstance(value, bool) else str(value)), value)
    if today in TOP and key not in ("eval_dataset_args",):
        top[TOP[today]] = _top_value(TOP[today], value)
    elif today in ("data", "val", "model", "gpus", "nodes", "sequences_per_step"):
        top.setdefault(today, _top_value(today, value))
    elif today in options():
        train[today], problem = check_value(today, value, plugins=True)
        if problem:
            del train[today]
            notes.append(f"{key}: {value}: {problem}")
    else:
        notes.append(f"{key}: {value}: has no counterpart; left out")


def _top_value(key: str, value: Any) -> Any:
    if key in ("gpus", "nodes"):
        return int(value) if str(value).isdigit() else value
    if key in ("data", "val") and isinstance(value, str):
        files = [part.strip() for part in value.split(",")]
        return files if len(files) > 1 else files[0]
    return value


def _model_type(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    if not check_value("model_type", value)[1]:
        train["model_type"] = value
        return
    notes.append(f"model_type: {value}: a name of an older ms-swift; today's finds it by the model's name")


def _strict(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    if value != "none":
        notes.append(f"check_dataset_strategy: {value}: left out; every row is checked before training")


def _template(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    if str(value) != "default":  # the same name may mean another template there
        notes.append(f"template: {value}: left to ms-swift, which finds it by the model's name")


def _targets(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    named = {name: ["all-linear"] for name in ("all", "DEFAULT", "AUTO")}
    named |= {"ALL": ["all-linear", "all-embedding"], "EMBEDDING": ["all-embedding"]}
    listed = value if isinstance(value, list) else [part.strip() for part in str(value).split(",")]
    train["target_modules"] = [module for part in listed for module in named.get(str(part), [str(part)])]


def _precision(dtype: str) -> Any:
    def take(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
        if str(value).lower() == "true":
            train["torch_dtype"] = dtype

    return take


def _mask_history(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    if str(value).lower() == "true":
        train["loss_scale"] = "last_round"


def _train_on_prompt(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    if str(value).lower() == "true":
        train["loss_scale"] = "all"


def _deepspeed(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    text = str(value).lower()
    stage = re.search(r"z(?:ero)?[-_]?(\d)", text)
    if not stage:
        notes.append(f"deepspeed: {value}: copied as it stands")
        train["deepspeed"] = str(value)
        return
    train["deepspeed"] = f"zero{stage.group(1)}" + ("_offload" if "offload" in text else "")


def _attention(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    named = {"fa2": "flash_attn", "true": "flash_attn", "sdpa": "sdpa", "disabled": "eager", "eager": "eager"}
    if str(value).lower() in named:
        train["attn_impl"] = named[str(value).lower()]


def _tuner(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    named = "full" if value == "freeze" else str(value)
    if value == "freeze":
        notes.append("finetuning_type: freeze: translated as full; name what is trained in train.trainable_parameters")
    if named == "qlora":
        train["quant_bits"], train["quant_method"], named = 4, "bnb", "lora"
    train["tuner_type"] = named


def _trust(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    if str(value).lower() == "true":
        notes.append("trust_remote_code: true: left out; add it again only for a model whose code you trust")


def _checkpointing(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    train["gradient_checkpointing"] = str(value).lower() != "true"


def _dtype(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
    named = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(str(value).lower(), str(value))
    if named.lower() != "auto":
        train["torch_dtype"] = named


def _mixed_before(option: str) -> Any:
    def take(value: Any, top: dict[str, Any], train: dict[str, Any], notes: list[str]) -> None:
        words = " ".join(map(str, value)) if isinstance(value, list) else value
        notes.append(f"{option}: {words}: {MIXED_BEFORE[option]}, before training")

    return take


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


SPECIAL: dict[str, Any] = {
    **{option: _mixed_before(option) for option in MIXED_BEFORE},
    "model_type": _model_type,
    "check_dataset_strategy": _strict,
    "template": _template,
    "template_type": _template,
    "lora_target": _targets,
    "lora_target_modules": _targets,
    "bf16": _precision("bfloat16"),
    "fp16": _precision("float16"),
    "pure_bf16": _precision("bfloat16"),
    "mask_history": _mask_history,
    "train_on_prompt": _train_on_prompt,
    "deepspeed": _deepspeed,
    "deepspeed_config_path": _deepspeed,
    "flash_attn": _attention,
    "use_flash_attn": _attention,
    "finetuning_type": _tuner,
    "sft_type": _tuner,
    "train_type": _tuner,
    "trust_remote_code": _trust,
    "disable_gradient_checkpointing": _checkpointing,
    "dtype": _dtype,
}


def _finish(top: dict[str, Any], train: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
    top.setdefault("gpus", "auto")
    if "model" not in top:
        notes.append("model: not named; fill it in")
        top["model"] = "FILL_IN"
    data = top.get("data")
    if data is None:
        notes.append("data: not named; fill it in")
        top["data"] = "FILL_IN.jsonl"
    elif "finetuning_type" in settings and not str(data).endswith((".jsonl", ".json")):
        notes.append(
            f"data: {data}: a name in LLaMA-Factory's dataset_info.json; `swiftagent convert FILE -o x.jsonl`, then data: x.jsonl"
        )
    named = data if isinstance(data, list) else [data]
    published = [
        name for name in named if isinstance(name, str) and re.fullmatch(r"(damo-|iic/)?ms[-_](agent|bench).*", name)
    ]
    if (
        "finetuning_type" not in settings
        and published
        and not any(str(name).endswith((".jsonl", ".json")) for name in published)
    ):
        notes.append(
            f"data: {', '.join(published)}: `swiftagent mix` pulls, converts and mixes it; then data: datasets/mix.jsonl"
        )
        top["data"] = "datasets/mix.jsonl"
    if "quant_bits" in train and "quant_method" not in train:
        train["quant_method"] = "bnb"
    if train.get("tuner_type") == "lora" and "lora_alpha" not in train and "finetuning_type" in settings:
        train["lora_alpha"] = 2 * int(train.get("lora_rank", 8))  # LLaMA-Factory's default; ms-swift's is 32
