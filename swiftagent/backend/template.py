"""ms-swift's own template and rows, made from a run's settings: the same code that will train, without the model's
weights."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from swiftagent.backend.engine_prompt import PromptEncoder
from swiftagent.errors import CheckError, ConfigError, SetupError
from swiftagent.io.shipped import find
from swiftagent.io.words import did_you_mean
from swiftagent.models.files import own_code, own_tokens, read_object
from swiftagent.models.identity import is_hub_id
from swiftagent.trajectory.escape import add_control_tokens

# What a folder with a tokenizer alone gets, so that ms-swift can load it: the smallest model of a kind that has such a
# tokenizer.
STUB_CONFIG = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "max_position_embeddings": 131072,
    "vocab_size": 256,
}
_STUB_KINDS = [("qwen2", "Qwen2ForCausalLM"), ("llama", "LlamaForCausalLM")]
# Signs in a chat template's text of the ms-swift template that matches it; the first hit counts.
_TEMPLATE_SIGNS = [
    ("qwen3", ("<|im_start|>", "enable_thinking", "</think>")),
    ("qwen3_thinking", ("<|im_start|>", "</think>", "<think>\\n")),
    ("qwen2_5", ("<|im_start|>", "You are Qwen, created by Alibaba Cloud")),
    ("chatml", ("<|im_start|>",)),
    ("llama3_2", ("<|start_header_id|>", "Cutting Knowledge Date")),
    ("llama3", ("<|start_header_id|>",)),
    ("mistral_nemo", ("[INST]", "[AVAILABLE_TOOLS]")),
    ("llama", ("[INST]", "<<SYS>>")),
    ("gemma3_text", ("<start_of_turn>",)),
    ("phi4", ("<|im_sep|>",)),
]
# On thinking templates ReAct and chat records stand without an empty think block, in training and serving alike.
RECORD_SETTINGS = {"add_non_thinking_prefix": False, "enable_thinking": True}
# These say where the run goes or what it loads; they change no label.
_NOT_PASSED = {"val_dataset", "streaming", "cached_dataset", "cached_val_dataset", "adapters", "external_plugins"}
_SAVED_SETTINGS = (
    "template",
    "model_type",
    "system",
    "truncation_strategy",
    "agent_template",
    "norm_bbox",
    "use_chat_template",
    "response_prefix",
    "new_special_tokens",
)


class Trainer:
    """ms-swift's template as a run with these settings has it.

    `template` encodes rows for training, `serving` the prompts of `infer`. `settings` are ms-swift's own names.
    """

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        self.model = model
        self.settings = settings
        with quiet():
            self._arguments = _arguments(model, settings, [])
            self.processor = _processor(self._arguments)
            self.template = self._arguments.get_template(self.processor)
            self.template.set_mode("train")
            self.serving = PromptEncoder(self._arguments.get_template(self.processor))

    @property
    def template_name(self) -> str:
        return str(self.template.template_meta.template_type)

    @property
    def tokenizer(self) -> Any:
        return self.template.tokenizer

    @property
    def base_strategy(self) -> str:
        """Which turns ms-swift trains: default, last_round or all."""
        return str(self.template.loss_scale.base_strategy)

    def load_rows(self, path: Path) -> Any:
        """The file through ms-swift's own loading: what `sft` would see, in the order of the file.

        Raises CheckError where ms-swift cannot load it at all.
        """
        with quiet():
            arguments = _arguments(self.model, self.settings, [str(path)])
            try:
                rows, _ = arguments.load_dataset()
            # Any of pyarrow's, datasets' and ms-swift's own.
            except Exception as error:
                raise CheckError(f"{path}: ms-swift cannot load it: {first_line(error)}") from error
        return rows

    def lazily_encoded(self, rows: Any) -> Any:
        """The rows as the trainer reads them: tokenised one by one; a row that fails raises."""
        from swift.dataset import LazyLLMDataset

        return LazyLLMDataset(rows, self.template.encode, strict=True)


@contextmanager
def open_trainer(
    model: str, template: str | None = None, settings: dict[str, Any] | None = None, trust_remote_code: bool = False
) -> Iterator[Trainer]:
    """A Trainer for a model folder or hub id; a folder with only a tokenizer gets a stub config in a temporary folder.

    settings: ms-swift's own option names (`train:` of a config), over those that records need.
    Raises ConfigError where no template is known.
    """
    settings = {**RECORD_SETTINGS, **(settings or {})}
    if template:
        settings["template"] = template
    with tempfile.TemporaryDirectory(prefix="swiftagent-") as scratch:
        folder = _loadable(model, Path(scratch), settings, trust_remote_code)
        with code_is_run(trust_remote_code):
            trainer = Trainer(folder, settings)
        yield trainer


def _loadable(model: str, scratch: Path, settings: dict[str, Any], trust_remote_code: bool) -> str:
    """A place that ms-swift can load a tokenizer from; fills in the template where settings name none."""
    folder = find(model)
    if not folder.is_dir():
        fetched = from_hub(model, weights=False)
        if not trust_remote_code:
            refuse_remote_code(fetched)
        add_control_tokens(own_tokens(fetched))
        # By whose name ms-swift knows it.
        return model
    if not trust_remote_code:
        refuse_remote_code(folder)
    add_control_tokens(own_tokens(folder))
    names = {path.name for path in folder.iterdir()}
    if not names & {"tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json"}:
        raise ConfigError(
            f"{model}: no tokenizer in this folder; give a model folder, a hub id or a folder with a tokenizer"
        )
    settings |= {name: value for name, value in _saved(folder).items() if not settings.get(name)}
    if not settings.get("template"):
        settings["template"] = template_of_config(folder) or template_of_chat_template(folder)
    if "config.json" in names:
        if not settings.get("model_type"):
            settings["model_type"] = model_type_of(folder)
        return str(folder)
    for path in folder.iterdir():
        (scratch / path.name).symlink_to(path.resolve())
    kind = _STUB_KINDS[
        str(read_object(folder / "tokenizer_config.json").get("tokenizer_class", "")).startswith("Llama")
    ]
    (scratch / "config.json").write_text(json.dumps({**STUB_CONFIG, "model_type": kind[0], "architectures": [kind[1]]}))
    settings["model_type"] = kind[0]
    return str(scratch)


def _saved(folder: Path) -> dict[str, Any]:
    """The settings of its template that ms-swift saved beside a checkpoint. ms-swift itself would load all of that
    file, and import the plugins that it names."""
    saved = read_object(folder / "args.json")
    return {name: saved[name] for name in _SAVED_SETTINGS if saved.get(name) is not None}


def from_hub(model: str, *, weights: bool, option: str = "") -> Path:
    """The folder of a hub's model on this machine, fetched where it must be. option: what gave the name, for the
    message.

    Raises ConfigError for a name that is neither folder nor hub id, SetupError where the hub does not give it.
    """
    if not is_hub_id(model):
        raise ConfigError(f"{option}{model}: no such folder, and no hub id (owner/name)")
    with quiet():
        from swift.utils import safe_snapshot_download

        try:
            return Path(safe_snapshot_download(model, download_model=weights))
        # The hubs' clients raise requests', urllib3's and their own errors.
        except Exception as error:
            raise SetupError(f"{model}: cannot be fetched from the hub: {first_line(error)}") from error


@contextmanager
def code_is_run(trusted: bool) -> Iterator[None]:
    """Whether ms-swift tells transformers to run a model's own code; it does so unless it is asked not to."""
    with quiet():
        from swift.model.register import ModelLoader

    before = ModelLoader.default_trust_remote_code
    ModelLoader.default_trust_remote_code = trusted
    try:
        yield
    finally:
        ModelLoader.default_trust_remote_code = before


def refuse_remote_code(folder: Path) -> None:
    """ms-swift's loader trusts whatever code lies in a model folder: so none may."""
    if code := own_code(folder):
        raise SetupError(
            f"{folder}: this model brings its own code ({code}), which would be run; allow it with --trust-remote-code"
        )


def _meta_of(folder: Path) -> Any:
    """What ms-swift knows of a model folder, or the error by which it says that it does not know it."""
    with quiet():
        from swift.model import get_model_info_meta

        try:
            return get_model_info_meta(str(folder))[1]
        # ValueError, KeyError, OSError and others, for a config that it does not know.
        except Exception as error:
            return error


def model_type_of(folder: Path) -> str | None:
    """ms-swift's model type where it hesitates between several for a config: the one that transformers names."""
    found = _meta_of(folder)
    named = read_object(folder / "config.json").get("model_type")
    return named if isinstance(found, ValueError) and f"'{named}'" in str(found) else None


def template_of_config(folder: Path) -> str | None:
    """The template that ms-swift has for this config, where there is exactly one."""
    found = _meta_of(folder) if (folder / "config.json").exists() else None
    return None if isinstance(found, Exception) else getattr(found, "template", None) or None


def template_of_chat_template(folder: Path) -> str:
    """Recognise the chat template's own text. Raises ConfigError where it is missing or unknown."""
    text = read_object(folder / "tokenizer_config.json").get("chat_template") or ""
    for name in ("chat_template.jinja", "chat_template.json"):
        if (folder / name).exists():
            text = text or (folder / name).read_text(encoding="utf-8")
    text = json.dumps(text) if not isinstance(text, str) else text
    if not text:
        raise ConfigError(
            f"{folder}: this tokenizer has no chat template; name ms-swift's with --template (e.g. --template chatml)"
        )
    for name, signs in _TEMPLATE_SIGNS:
        if all(sign in text for sign in signs):
            return name
    raise ConfigError(f"{folder}: no ms-swift template is known for its chat template; name one with --template")


def _arguments(model: str, settings: dict[str, Any], dataset: list[str]) -> Any:
    """ms-swift's own arguments object: it turns options into a template, with all its defaults."""
    from swift.arguments import BaseArguments

    known = {field.name for field in fields(BaseArguments)}
    wanted = {
        name: value
        for name, value in settings.items()
        if name in known and name not in _NOT_PASSED and value is not None
    }
    own = {"model": model, "dataset": dataset, "strict": False, "dataset_shuffle": False, "split_dataset_ratio": 0.0}
    own["load_args"] = False
    try:
        return BaseArguments(**{**wanted, **own})
    except (ValueError, AssertionError, KeyError) as error:
        text = first_line(error)
        if "template_type" in text:
            raise ConfigError(f"{_displayed(model)}: {_about_template(text, settings)}") from error
        raise ConfigError(f"{_displayed(model)}: ms-swift refuses the settings: {text}") from error


def _about_template(text: str, settings: dict[str, Any]) -> str:
    from swift.template import TEMPLATE_MAPPING

    asked = settings.get("template")
    if asked and asked not in TEMPLATE_MAPPING:
        return f"unknown template {asked!r}{did_you_mean(str(asked), TEMPLATE_MAPPING, ', ')}"
    return f"no template is known for this model ({text.split('.')[0]}); name one with --template"


def with_adapter(model: Any, folder: Path) -> Any:
    """A model with the adapter of a folder on it. Raises SetupError where the two do not fit."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError, OSError) as error:
        # torch names the model in the first line and what does not fit in the second.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise SetupError(f"{folder}: the adapter does not fit this base: {lines[min(1, len(lines) - 1)]}") from error


def _processor(arguments: Any) -> Any:
    try:
        _, processor = arguments.get_model_processor(load_model=False)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{_displayed(arguments.model)}: its tokenizer cannot be loaded: {first_line(error)}"
        ) from error
    return processor


def _displayed(model: str) -> str:
    return "the tokenizer" if f"{os.sep}swiftagent-" in model else model


def first_line(error: BaseException) -> str:
    """What a library says first, on one line of at most 300 characters."""
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return text if len(text) <= 300 else f"{text[:297]}..."


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ms-swift's and transformers' own chatter, progress bars and false alarms away; errors still raise."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    names = ("swift", "transformers", "modelscope", "datasets")
    before = {name: logging.getLogger(name).level for name in names}
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        import swift.utils  # noqa: F401 - it sets its logger's level when it is imported

        import datasets

        bars = datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)
            if not bars:
                datasets.enable_progress_bars()
