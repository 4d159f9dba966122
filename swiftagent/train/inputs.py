"""All that a config means on this machine, found once: its files, its model and the machine. Plan, preflight and launch
read it and look for nothing again. And the training files before anything heavy starts: there, readable, every line a
row that can be trained on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.io.jsonl import read_lines
from swiftagent.io.shipped import find
from swiftagent.models.files import read_object
from swiftagent.models.identity import is_hub_id, local_folder
from swiftagent.models.known import KnownModel, ModelShape, known_model, known_shape, shape_of
from swiftagent.train.config import Config
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
    folder = local_folder(config.model)
    json = read_object(folder / "config.json") if folder else None
    # Where no file is there yet, `swiftagent mix` will write it, with channels.
    row = first_row(there) if there else {"channel": ""}
    return Inputs(
        config=config, machine=machine, files=files, val=val, val_files=tuple(local_files(val)), first_row=row,
        model=known_model(config.model, config.train), shape=shape_of(json) if json else known_shape(config.model),
        folder=folder,
    )  # fmt: skip


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


# training files
# ---------------------------------------------------------------------------------------------------------------

TRAINED_ON = (".jsonl", ".json", ".csv", ".txt", ".parquet", ".arrow")
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")  # of the order of bytes
_MAKES_ONE = "`swiftagent convert` makes training records of it"
MOST_PROBLEMS = 5  # of one file; a thousand broken lines have one remedy


class FileFacts(msgspec.Struct):
    """What a full reading of one file found."""

    rows: int = 0
    channels: Counter[str] = msgspec.field(default_factory=Counter)
    repeats: int = 0  # rows whose messages an earlier row has too
    native: int = 0  # rows that carry `tools` themselves
    thinking: int = 0  # rows with a <think> block

    def add(self, other: FileFacts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def file_of(entry: str) -> str:
    """The file that a `data` entry names: `FILE`, or `FILE#100` (ms-swift's sampling)."""
    return entry if Path(entry).exists() else entry.rpartition("#")[0] or entry


def is_hub_entry(entry: str) -> bool:
    """Whether an entry of `data` is read from a hub rather than from a file."""
    return not find(entry).exists() and is_hub_id(entry.rpartition("#")[0] or entry)


def local_files(entries: Iterable[str]) -> list[Path]:
    """The files among `data` entries, shipped ones by their full path."""
    return [find(file_of(entry)) for entry in entries if not is_hub_entry(entry)]


def file_problems(paths: Iterable[Path], key: str, place: str) -> list[str]:
    """Problems with the files themselves; cheap, so that it is done even without a preflight."""
    found = ((path, _file_problem(path)) for path in paths)
    return [f"{place}: {key}: {path}: {problem}" for path, problem in found if problem]


def _file_problem(path: Path) -> str:
    if not path.exists():
        return "no such file; `swiftagent mix` or `swiftagent convert` makes one"
    if path.is_dir():
        return "a folder; name the files in it"
    if path.stat().st_size == 0:
        return "empty; no row to train on"
    if path.suffix.lower() not in TRAINED_ON:
        return f"no kind of file that ms-swift reads; {_MAKES_ONE}"
    # An unreadable file is reported where it is read.
    with suppress(OSError), path.open("rb") as file:
        if file.read(3).startswith(MARKS) and path.suffix.lower() == ".jsonl":
            return f"begins with a byte order mark, which ms-swift cannot read; {_MAKES_ONE}"
    return ""


def read_file(path: Path) -> tuple[FileFacts, list[str]]:
    """Read a JSONL file; problems are one line each with file:line."""
    facts = FileFacts()
    faults: dict[str, list[str]] = {}  # the places of each
    broken: list[str] = []
    seen: set[bytes] = set()
    try:
        for row in read_lines(path):
            facts.rows += 1
            if problem := _row_problem(row.value):
                faults.setdefault(problem, []).append(row.where)
            else:
                _count(row.value, facts, seen)
            if len(faults) == MOST_PROBLEMS:
                break
    except RowError as error:  # the reader ends at the first line that is no JSON
        broken.append(f"{error}; `swiftagent convert` leaves broken rows out and reports why")
    others = {fault: f" and {len(places) - 1:,} more rows" if places[1:] else "" for fault, places in faults.items()}
    problems = [f"{places[0]}{others[fault]}: {fault}" for fault, places in faults.items()] + broken
    if not facts.rows and not problems:
        problems.append(f"{path}: empty; no row to train on")
    return facts, problems


def _row_problem(row: Any) -> str:
    if not isinstance(row, dict):
        return "a row is a JSON object with `messages`"
    messages = row.get("messages")
    if messages is None:
        known = {"conversations", "instruction", "query", "conversation"} & set(row)
        return (
            "" if known else "no `messages`, and no format that is known; `swiftagent formats` lists what can be read"
        )
    if not isinstance(messages, list) or not messages:
        return "`messages` is empty; the row holds nothing to train on"
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return f"message {number} has no role"
        if not isinstance(message.get("content"), (str, list)) and not message.get("tool_calls"):
            return f"message {number} ({message['role']}) has no text"
    if not any(m["role"] in ("assistant", "tool_call") and m.get("loss") is not False for m in messages):
        return "no trained message; every assistant message says `loss: false`"
    return ""


def _count(row: dict[str, Any], facts: FileFacts, seen: set[bytes]) -> None:
    messages = row.get("messages") or row.get("conversations") or []
    facts.channels[str(row.get("channel") or "(none)")] += 1
    facts.native += "tools" in row
    turns = (message for message in messages if isinstance(message, dict))
    texts = [str(turn.get("content") or turn.get("value") or "") for turn in turns]
    facts.thinking += any(text.lstrip().startswith("<think>") for text in texts)
    digest = hashlib.blake2b("\0".join(texts).encode("utf-8", "replace"), digest_size=12).digest()
    facts.repeats += digest in seen
    seen.add(digest)
