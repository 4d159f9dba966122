"""All that a config means on this machine, found once: its files, its model and the machine. Plan, preflight and launch
read it and look for nothing again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.io.jsonl import read_lines
from swiftagent.models.files import read_object
from swiftagent.models.identity import local_folder
from swiftagent.models.known import KnownModel, known_model
from swiftagent.models.shape import ModelShape, known_shape, shape_of
from swiftagent.train.config import Config
from swiftagent.train.data_files import is_hub_entry, local_files
from swiftagent.train.machine import Machine


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """A config with the facts that decide about its run."""

    config: Config
    machine: Machine
    files: tuple[Path, ...]  # of `data`; what a hub holds is not among them
    val: tuple[str, ...]  # entries, as given or as found beside the data
    val_files: tuple[Path, ...]
    first_row: dict[str, Any]
    model: KnownModel
    shape: ModelShape | None
    folder: Path | None  # of the model on this machine

    @property
    def hub_data(self) -> list[str]:
        return [entry for entry in self.config.data if is_hub_entry(entry)]


def resolve(config: Config, machine: Machine) -> Inputs:
    """Look at everything that the config names."""
    files, val = tuple(local_files(config.data)), validation_files(config)
    there = next((path for path in files if path.is_file()), None)
    json = read_object(Path(config.model) / "config.json") or None
    return Inputs(
        config=config,
        machine=machine,
        files=files,
        val=val,
        val_files=tuple(local_files(val)),
        # Where no file is there yet, `swiftagent mix` will write it, with channels.
        first_row=first_row(there) if there else {"channel": ""},
        model=known_model(config.model, config.train),
        shape=shape_of(json) if json else known_shape(config.model),
        folder=local_folder(config.model),
    )


def validation_files(config: Config) -> tuple[str, ...]:
    """`val` as given, else `x.val.jsonl` beside each `x.jsonl`, or beside the folder x of shards, where it exists."""
    if config.val is not None:
        return config.val
    files = [path for path in local_files(config.data) if path.name]
    beside = [path.with_name(f"{path.stem}.val{path.suffix}") for path in files]
    shards = [path.parent for path in files if "-of-" in path.name and path.parent.name]
    above = [folder.with_name(f"{folder.name}.val.jsonl") for folder in shards]
    return tuple(dict.fromkeys(str(path) for path in (*beside, *above) if path.is_file()))


def first_row(path: Path) -> dict[str, Any]:
    """The first row of a JSONL file; {} where there is none or it cannot be read."""
    try:
        row = next(read_lines(path), None)
    except (OSError, RowError):  # a broken row is the preflight's to report, with its place
        return {}
    return row.value if row and isinstance(row.value, dict) else {}
