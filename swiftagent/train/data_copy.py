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
from swiftagent.train.launch import copies, local_files, validation_files
from swiftagent.trajectory.record import is_record


def write_copies(config: Config, folder: Path) -> None:
    """Write a copy of each data and validation file into the run folder.

    Raises ConfigError where a file holds no training records, whose grammar is what tells a thought from a call.
    """
    key = "weights" if config.weights else "train_on"
    files = [*local_files(config.data), *local_files(validation_files(config))]
    if len(files) != len(config.data) + len(validation_files(config)):
        raise ConfigError(
            f"{config.place(key)}: {key}: needs the data as files, not from a hub; `swiftagent mix` fetches it"
        )
    weights = Weights(**config.weights)
    if config.weights:
        weights = normalised(weights, (row for path in local_files(config.data) for row in _records(path, config, key)))
    for file, copy in copies(config, folder).items():
        write_lines(copy, (weigh(row, weights) for row in _records(find(file), config, key)))


def _records(path: Path, config: Config, key: str) -> Iterator[dict[str, Any]]:
    for row in read_lines(path):
        if not is_record(row.value):
            said = f"{row.where}: no training record, which {key} needs; `swiftagent convert` makes them"
            raise ConfigError(f"{config.place(key)}: {said}")
        try:
            with at(row.where):
                yield train_only(row.value, config.train_on)
        except RowError as error:
            raise ConfigError(str(error)) from error
