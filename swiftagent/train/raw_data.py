"""Training data that no trainer reads as it stands: recognised by its first rows, converted into the run's folder. And
the changed copy that a run trains: weights other than 0 and 1, or only the last step or turn of each row.

with staged(config, "auto", seen) as config:  # files wait beside the runs until the run has its folder
    start(config, verbosity)                  # `into_run` moves them there
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from swiftagent.convert.files import convert_files
from swiftagent.convert.reading import recognise
from swiftagent.convert.rows import Job
from swiftagent.errors import ConfigError, RejectsError, RowError, at
from swiftagent.formats.dataset_entries import expand, input_rows, is_entry
from swiftagent.io.jsonl import BadRow, read_lines, write_lines
from swiftagent.io.shipped import find
from swiftagent.masks.pieces import malformed
from swiftagent.masks.weights import Weights, normalised, train_only, weigh
from swiftagent.models.files import read_object
from swiftagent.models.known import known_model
from swiftagent.train.config import Config
from swiftagent.train.inputs import TRAINED_ON, Inputs, resolve
from swiftagent.train.launch import copies
from swiftagent.trajectory.record import is_record

Calls = Literal["auto", "react", "native"]
Seen = Callable[[str, dict[str, Any]], None]  # a line that says what becomes of the data, and the ledger of it
_STAGE = ".data-"  # begins the name of the folder in which converted files wait
_ROWS = 20  # that decide what a file holds
_READY = ("swiftagent", "swift", "openai")  # openai: `messages` of plain chat, where they are well formed
_NATIVE = ("openai", "swift")


class Raw(msgspec.Struct):
    """One of `data` and `val`: the entries that have to be converted, and the formats of their rows."""

    key: str
    entries: list[str]
    formats: set[str]


def raw_format(entry: str) -> str:
    """The format of an entry that a trainer cannot read as it is meant; "" where it can.

    Raises ConfigError where nobody can; what is wrong with each row of JSONL is left to the preflight.
    """
    path = find(entry)
    if not (is_entry(entry) or path.exists()):
        return ""
    is_file = path.is_file() and path.suffix.lower() in TRAINED_ON
    name, faults = "", ["no row is in it"]
    for row in chain.from_iterable(islice(input_rows(word), _ROWS) for word in _inputs(entry)):
        try:
            if isinstance(row, BadRow):
                raise row.error
            name = recognise(row.value)
            is_ready = is_file and name in _READY and (name == "swift" or not malformed(row.value))
            if not is_ready:
                return name
        except RowError as error:
            faults.append(str(error))
    if not name and path.suffix.lower() != ".jsonl" and path.exists():
        raise ConfigError(f"{entry}: {faults[-1]}; `swiftagent formats` lists what is read")
    return ""


def raw_data(config: Config) -> list[Raw]:
    """What of `data` and `val` has to be converted first. Raises ConfigError where a file is damaged."""
    found = []
    for key, entries in (("data", config.data), ("val", config.val or ())):
        formats = {entry: name for entry in entries if (name := raw_format(entry))}
        if formats:
            found.append(Raw(key, list(formats), set(formats.values())))
    return found


def in_folder(config: Config, raw: list[Raw], folder: Path) -> Config:
    """The config with the converted files of a folder in place of the raw ones."""
    for one in raw:
        kept = tuple(entry for entry in getattr(config, one.key) if entry not in one.entries)
        config = msgspec.structs.replace(config, **{one.key: (str(folder / f"{one.key}.jsonl"), *kept)})
    return config


@contextmanager
def staged(config: Config, calls: Calls, seen: Seen) -> Iterator[Config]:
    """The config with its raw data converted, in a folder that goes again if no run takes it.

    Raises RejectsError where more than 1 % of the rows cannot be read.
    """
    raw = raw_data(config)
    if not raw:
        yield config
        return
    if (config.nodes or 1) > 1:
        names = " ".join(raw[0].entries)
        remedy = f"`swiftagent convert {names} -o x.jsonl` first"
        raise ConfigError(f"{names}: raw data, and several machines train: {remedy}")
    runs = Path(config.runs)
    is_new = not runs.exists()
    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_STAGE, dir=runs))
    try:
        to, line = written_as(config, raw, calls)
        seen(line, {})
        for one in raw:
            seen("", _convert(one, folder, to))
        yield in_folder(config, raw, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            runs.rmdir() if is_new else None  # only an empty one goes


def written_as(config: Config, raw: list[Raw], calls: Calls) -> tuple[str, str]:
    """`native` where all rows hold native calls and the model's template has a way to write them, else `react`; and
    the line that says which."""
    formats = set().union(*(one.formats for one in raw))
    known = known_model(config.model, config.train)
    way = str(config.train.get("agent_template") or known.agent_template)
    has_way = bool(way) and not way.startswith("react")
    names = ", ".join(Path(entry).name for one in raw for entry in one.entries)
    what = f"{names}: {', '.join(sorted(formats))} rows"
    if calls == "native" or (calls == "auto" and has_way and formats <= set(_NATIVE)):
        if not has_way:
            template = known.template or "(unknown)"
            raise ConfigError(f"{what}: template {template} has no way to write native calls; leave --native out")
        return "native", f"{what} stay native, as {way} writes them (--react trains ReAct text)"
    return "react", f"{what} are trained as ReAct text" + (" (--native keeps native calls)" if has_way else "")


def _convert(one: Raw, folder: Path, to: str) -> dict[str, Any]:
    """Write the file of one key; returns the ledger."""
    inputs = tuple(word for entry in one.entries for word in _inputs(entry))
    job = Job(inputs=inputs, output=folder / f"{one.key}.jsonl", to=to)
    try:
        return convert_files(job)
    except RejectsError:
        report = read_object(job.places.report)
        codes = ", ".join(f"{code} {count}" for code, count in report["reasons"].items())
        names = " ".join(one.entries)
        fact = f"{report['rejected']} of {report['rows_in']} rows rejected: {codes}"
        remedy = (
            f"`swiftagent convert {names} -o x.jsonl` writes them down, with --max-rejects 1 the rest can be trained"
        )
        raise RejectsError(f"{names}: {fact}; {remedy}") from None


def _inputs(entry: str) -> list[str]:
    path = find(entry)
    return expand(str(path)) if path.exists() else [entry]


def into_run(inputs: Inputs, folder: Path) -> Inputs:
    """Move staged files into the run's own folder; inputs without any stay as they are."""
    config = inputs.config
    folders = (Path(file).parent for file in (*config.data, *(config.val or ())))
    stage = next((folder for folder in folders if folder.name.startswith(_STAGE)), None)
    if stage is None:
        return inputs
    shutil.move(stage, folder / "data")

    def placed(entry: str) -> str:
        return str(folder / "data" / Path(entry).name) if Path(entry).parent == stage else entry

    val = None if config.val is None else tuple(map(placed, config.val))
    return resolve(msgspec.structs.replace(config, data=tuple(map(placed, config.data)), val=val), inputs.machine)


def write_copies(inputs: Inputs, folder: Path) -> None:
    """Write a copy of each data and validation file into the run folder.

    Raises ConfigError where a file holds no training records, whose grammar is what separates a thought from a call.
    """
    config = inputs.config
    key = "weights" if config.weights else "train_on"
    if len(inputs.files) + len(inputs.val_files) != len(config.data) + len(inputs.val):
        fact = "needs the data as files, not from a hub; `swiftagent mix` fetches it"
        raise ConfigError(config.fault(key, fact))
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
