"""The changed copy of its data that a run trains: weights other than 0 and 1, or only the last step or turn of each
row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError, RowError, at
from swiftagent.io.jsonl import read_lines, write_lines
from swiftagent.io.shipped import find
from swiftagent.masks.weights import Weights, normalised, train_only, weigh
from swiftagent.train.config import Config
from swiftagent.train.inputs import Inputs
from swiftagent.train.launch import copies
from swiftagent.trajectory.record import is_record


def write_copies(inputs: Inputs, folder: Path) -> None:
    """Write a copy of each data and validation file into the run folder.

    Raises ConfigError where a file holds no training records, whose grammar is what separates a thought from a call.
    """
    config = inputs.config
    key = "weights" if config.weights else "train_on"
    if len(inputs.files) + len(inputs.val_files) != len(config.data) + len(inputs.val):
        raise ConfigError(
            f"{config.place(key)}: {key}: needs the data as files, not from a hub; `swiftagent mix` fetches it"
        )
    weights = Weights(**config.weights)
    if config.weights:
        weights = normalised(weights, (row for path in inputs.files for row in _records(path, config, key)))
    for file, copy in copies(inputs, folder).items():
        write_lines(copy, (weigh(row, weights) for row in _records(find(file), config, key)))


def _records(path: Path, config: Config, key: str) -> Iterator[dict[str, Any]]:
    for row in read_lines(path):
        if not is_record(row.value):
            fact = f"{row.where}: no training record, which {key} needs; `swiftagent convert` makes them"
            raise ConfigError(f"{config.place(key)}: {fact}")
        try:
            with at(row.where):
                yield train_only(row.value, config.train_on)
        except RowError as error:
            raise ConfigError(str(error)) from error
