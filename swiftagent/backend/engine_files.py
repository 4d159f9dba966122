"""The folder of a model before anything in it is loaded: fetched from the hub where it must be, and free of code of its
own."""

from __future__ import annotations

from pathlib import Path

from swiftagent.backend.loading import Loading
from swiftagent.backend.template import from_hub, refuse_remote_code, template_of_chat_template, template_of_config
from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.shipped import find
from swiftagent.models.files import own_tokens
from swiftagent.trajectory.escape import add_control_tokens


def checked_folder(loading: Loading) -> tuple[str, str | None]:
    """(folder, ms-swift template). Raises ConfigError for a name that is neither folder nor hub id, SetupError for the
    rest."""
    folder = find(loading.model)
    if not folder.is_dir():
        folder = from_hub(loading.model, weights=True, option="--model ")
    if not (folder / "config.json").is_file():
        raise ConfigError(f"--model {loading.model}: no config.json in this folder; it is no model")
    if not any(
        (folder / name).exists()
        for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
    ):
        raise SetupError(f"{loading.model}: no tokenizer in this folder; copy the tokenizer files of its base there")
    if not loading.trust_remote_code:
        refuse_remote_code(folder)
        if loading.adapter:
            refuse_remote_code(Path(loading.adapter))
    add_control_tokens(own_tokens(folder))
    template = loading.template or template_of_config(folder) or template_of_chat_template(folder)
    return str(folder), template
