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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from swiftagent.backend.engine_prompt import PromptEncoder
from swiftagent.backend.loading import TEMPLATE_SETTINGS, Loading
from swiftagent.errors import CheckError, ConfigError, SetupError
from swiftagent.io.shipped import find
from swiftagent.io.words import did_you_mean
from swiftagent.models.files import TOKENIZER_FILES, own_code, own_tokens, read_object
from swiftagent.models.identity import is_hub_id
from swiftagent.models.known import KnownModel, known_model
from swiftagent.trajectory.escape import add_control_tokens

# What a folder with a tokenizer alone gets, so that ms-swift can load it: the smallest model of a kind that has such a
# tokenizer.
STUB_CONFIG = {
    "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
    "num_key_value_heads": 1, "max_position_embeddings": 131072, "vocab_size": 256,
}  # fmt: skip
_STUB_KINDS = [("qwen2", "Qwen2ForCausalLM"), ("llama", "LlamaForCausalLM")]
# On thinking templates ReAct and chat records stand without an empty think block, in training and serving alike.
RECORD_SETTINGS = {"add_non_thinking_prefix": False, "enable_thinking": True}
# These say where the run goes or what it loads; they change no label.
_NOT_PASSED = {"val_dataset", "streaming", "cached_dataset", "cached_val_dataset", "adapters", "external_plugins"}
# What ms-swift saved of its template beside a checkpoint. It would itself load all of that file, and import the plugins
# that it names.
_SAVED_SETTINGS = (*TEMPLATE_SETTINGS, "template", "truncation_strategy", "use_chat_template", "response_prefix")


class Trainer:
    """ms-swift's template as a run with these settings has it.

    `template` encodes rows for training, `serving` the prompts of `infer`. `settings` are ms-swift's own names.
    """

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        self.model = model
        self.settings = settings
        with quiet():
            self._arguments = _arguments(model, settings, [])
            try:
                _, self.processor = self._arguments.get_model_processor(load_model=False)
            except (OSError, ValueError) as error:
                fact = f"its tokenizer cannot be loaded: {first_line(error)}"
                raise SetupError(f"{_displayed(self._arguments.model)}: {fact}") from error
            self.template = self._arguments.get_template(self.processor)
            self.template.set_mode("train")
            self.serving = PromptEncoder(self._arguments.get_template(self.processor))
        self.template_name = str(self.template.template_meta.template_type)
        self.tokenizer: Any = self.template.tokenizer
        # Which turns are trained: default, last_round or all.
        self.base_strategy = str(self.template.loss_scale.base_strategy)

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
    folder = model_folder(model, weights=False, trust_remote_code=trust_remote_code)
    if not find(model).is_dir():
        # By whose name ms-swift knows it.
        return model
    saved = read_object(folder / "args.json")
    kept = [name for name in _SAVED_SETTINGS if saved.get(name) is not None and not settings.get(name)]
    settings |= {name: saved[name] for name in kept}
    known = recognised(folder, settings, model)
    settings["template"] = known.template
    if (folder / "config.json").exists():
        settings["model_type"] = known.model_type or None
        return str(folder)
    # ms-swift loads no tokenizer without a config.json beside it.
    for path in folder.iterdir():
        (scratch / path.name).symlink_to(path.resolve())
    tokenizer = str(read_object(folder / "tokenizer_config.json").get("tokenizer_class", ""))
    kind = _STUB_KINDS[tokenizer.startswith("Llama")]
    (scratch / "config.json").write_text(json.dumps({**STUB_CONFIG, "model_type": kind[0], "architectures": [kind[1]]}))
    settings["model_type"] = kind[0]
    return str(scratch)


def model_folder(model: str, *, weights: bool, trust_remote_code: bool = False, option: str = "") -> Path:
    """The folder of a model, fetched from the hub where it must be and free of code of its own; texts that hold tokens
    of its tokenizer are escaped from now on. option: what gave the name, for the message.

    Raises ConfigError for a name that is neither folder nor hub id, SetupError for the rest.
    """
    folder = find(model)
    if not folder.is_dir():
        folder = from_hub(model, weights=weights, option=option)
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise SetupError(f"{model}: no tokenizer in this folder; copy the tokenizer files of its base there")
    if not trust_remote_code:
        refuse_remote_code(folder)
    add_control_tokens(own_tokens(folder))
    return folder


def checked(loading: Loading) -> Loading:
    """What is loaded as a folder on this machine, with its template and model type. Raises as `model_folder` does."""
    folder = model_folder(loading.model, weights=True, trust_remote_code=loading.trust_remote_code, option="--model ")
    if not (folder / "config.json").is_file():
        raise ConfigError(f"--model {loading.model}: no config.json in this folder; it is not a model")
    # PEFT would take weights from a pickle beside an adapter's config too.
    if loading.adapter and not loading.trust_remote_code:
        refuse_remote_code(Path(loading.adapter))
    known = recognised(folder, {"template": loading.template, "model_type": loading.model_type}, loading.model)
    return replace(loading, model=str(folder), template=known.template, model_type=known.model_type or None)


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
    """Raises SetupError for a folder with code of its own, which ms-swift's loader would run."""
    if code := own_code(folder):
        fact = f"this model brings its own code ({code}), which would be run"
        raise SetupError(f"{folder}: {fact}; allow it with --trust-remote-code")


def recognised(folder: Path, given: Mapping[str, Any], name: str) -> KnownModel:
    """What a folder's model is. Raises ConfigError where no template is known for it."""
    known = known_model(str(folder), given)
    if not known.template:
        remedy = "name one with --template (e.g. --template chatml)"
        raise ConfigError(f"{name}: no ms-swift template is known for its chat template; {remedy}")
    return known


def _arguments(model: str, settings: dict[str, Any], dataset: list[str]) -> Any:
    """ms-swift's own arguments object: it turns options into a template, with all its defaults."""
    from swift.arguments import BaseArguments

    known = {field.name for field in fields(BaseArguments)} - _NOT_PASSED
    wanted = {name: value for name, value in settings.items() if name in known and value is not None}
    # A row that fails is a fault to be counted; each row is found again by its place in the file.
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


def _displayed(model: str) -> str:
    return "the tokenizer" if f"{os.sep}swiftagent-" in model else model


def first_line(error: BaseException) -> str:
    """What a library says first, on one line of at most 300 characters."""
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return text if len(text) <= 300 else f"{text[:297]}..."


@contextmanager
def quiet() -> Iterator[None]:
    """Silence ms-swift's and transformers' logs, progress bars and false alarms; errors still raise."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    silenced, before = io.StringIO(), logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stderr(silenced), contextlib.redirect_stdout(silenced):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        import datasets

        datasets.disable_progress_bars()
        try:
            yield
        finally:
            logging.disable(before)
