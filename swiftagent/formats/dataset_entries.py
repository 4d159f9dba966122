"""Entries of LLaMA-Factory's `dataset_info.json` as inputs: their file, with its columns and roles in the usual names.

Keys and defaults are those of LLaMA-Factory's data/README.md. A word `FOLDER/dataset_info.json#NAME` means one entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import BadRow, Row
from swiftagent.io.rows import data_files, files_of, read_rows
from swiftagent.io.words import did_you_mean

_FILE = "dataset_info.json"
ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
# The name of a column in an entry, and what our readers call what stands in it.
_NAMES = {
    **ALPACA,
    **{name: name for name in ("history", "system", "tools", "chosen", "rejected", "images", "videos", "audios")},
    "messages": "conversations",
    "kto_tag": "label",
}
_ROLES = {
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
_TURN = {"role_tag": "from", "content_tag": "value"}


def expand(word: str) -> list[str]:
    """A `dataset_info.json`, or a folder with one, as its entries and the files that none of them names; any other word
    as it is. Raises ConfigError."""
    path = Path(word)
    info = path / _FILE if path.is_dir() else path
    entries = entries_of(info) if info.name == _FILE and info.is_file() else {}
    local = {name: info.parent / str(entry["file_name"]) for name, entry in entries.items() if "file_name" in entry}
    found = [f"{info}#{name}" for name, file in local.items() if file.exists()]
    if not found:
        return [word]
    named = {file.resolve() for file in local.values()}
    rest = data_files(path) if path.is_dir() else []
    return [*found, *(str(file) for file in rest if named.isdisjoint((file.resolve(), *file.resolve().parents)))]


def is_entry(word: str) -> bool:
    """Whether a word means an entry."""
    return f"{_FILE}#" in word


def input_files(word: str) -> list[str]:
    """The files of an input of `convert`. Raises ConfigError."""
    return files_of(_file_and_entry(word)[0]) if is_entry(word) else files_of(word)


def input_rows(word: str) -> Iterator[Row]:
    """The rows of an input of `convert`, those of an entry in the usual names. Raises ConfigError."""
    return _entry_rows(word) if is_entry(word) else read_rows(word)


def _entry_rows(word: str) -> Iterator[Row]:
    file, entry = _file_and_entry(word)
    for row in read_rows(file):
        yield row if isinstance(row, BadRow) or type(row.value) is not dict else _usual(row, entry)


def _file_and_entry(word: str) -> tuple[str, dict[str, Any]]:
    place, _, name = word.rpartition("#")
    entries = entries_of(Path(place))
    if name not in entries:
        raise ConfigError(f"{place}: no entry {name!r}; {did_you_mean(name, entries, otherwise=', '.join(entries))}")
    entry = entries[name]
    if "file_name" not in entry:
        hub = next((entry[key] for key in ("hf_hub_url", "ms_hub_url", "om_hub_url") if key in entry), None)
        remedy = f"convert it by its id, {hub}" if hub else "only entries with file_name are read"
        raise ConfigError(f"{word}: the entry names no local file; {remedy}")
    return str(Path(place).parent / entry["file_name"]), entry


def entries_of(info: Path) -> dict[str, dict[str, Any]]:
    """The entries of a file; {} where it is a dataset_info.json of another kind."""
    try:
        told = json.loads(info.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{info}: cannot be read as JSON ({error}); mend it or name the data files") from error
    keys = ("file_name", "hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
    is_theirs = isinstance(told, dict) and all(isinstance(item, dict) for item in told.values())
    return {name: entry for name, entry in told.items() if any(key in entry for key in keys)} if is_theirs else {}


def _usual(row: Row, entry: dict[str, Any]) -> Row:
    """A row in the names that the readers know. A column that the entry does not name is not read under its name."""
    columns = entry.get("columns") or {}
    if entry.get("formatting", "alpaca") == "alpaca":
        columns = columns or ALPACA
    else:
        columns = {"messages": "conversations", **columns}
    value: dict[str, Any] = row.value
    taken = {_NAMES[name]: value[column] for name, column in columns.items() if name in _NAMES and column in value}
    for key in ("conversations", "chosen", "rejected"):
        if key in taken:
            taken[key] = _turns(taken[key], entry.get("tags") or {})
    known = {*_NAMES.values(), *columns.values(), "messages"}
    return Row({**{key: item for key, item in value.items() if key not in known}, **taken}, row.where, row.repairs)


def _turns(turns: Any, tags: dict[str, str]) -> Any:
    """Turns with the keys and roles of ShareGPT, whatever tags they have; anything else as it is."""
    if isinstance(turns, dict):
        return _turn(turns, tags)
    return [_turn(turn, tags) for turn in turns] if isinstance(turns, list) else turns


def _turn(turn: Any, tags: dict[str, str]) -> Any:
    if not isinstance(turn, dict):
        return turn
    keys = {tags.get(tag, usual): usual for tag, usual in _TURN.items()}
    roles = {tags.get(tag, usual): usual for tag, usual in _ROLES.items()}
    told = {keys.get(key, key): item for key, item in turn.items()}
    role = told.get("from")
    return {**told, "from": roles.get(role, role)} if isinstance(role, str) else told
