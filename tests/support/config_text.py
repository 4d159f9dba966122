"""A config from the text of its YAML, as a test has it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.train.config import Config, load


def config_of(text: str, name: str = "a.yaml") -> Config:
    """The config; in it and in its problems the file has this name alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        try:
            config = load(path)
        except ConfigError as error:
            raise ConfigError([problem.replace(f"{folder}/", "") for problem in error.problems]) from None
    places = {key: place.replace(f"{folder}/", "") for key, place in config.places.items()}
    return msgspec.structs.replace(config, path=name, places=places)
