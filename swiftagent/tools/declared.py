"""Tools that are only declared: a tools JSON of any dialect. The user types their results, or a file of canned ones
gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import ConfigError, RowError, ToolError
from swiftagent.io.yaml_file import read_text
from swiftagent.tools.source import Functions, NoCode, Options, ToolSource, read_json
from swiftagent.trajectory.types import Json


class Canned(msgspec.Struct, frozen=True):
    """One canned result: for calls that hold these arguments. error: what the tool fails with instead."""

    result: Json = None
    arguments: dict[str, Json] = {}
    error: str = ""


class CannedResults:
    """A `--mock` file: {"tool": result}, or {"tool": [{"arguments": {...}, "result": ...}, {"result": ...}]}."""

    def __init__(self, path: str) -> None:
        value = read_json(Path(path), "--mock")
        if not isinstance(value, dict):
            raise ConfigError(f"--mock {path}: must be a JSON object that maps tools to results")
        self._by_tool = {tool: _canned(path, tool, given) for tool, given in value.items()}

    def __contains__(self, tool: str) -> bool:
        return tool in self._by_tool

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """Raises ToolError where the canned result is an error, or none fits."""
        for canned in self._by_tool[tool]:
            if all(arguments.get(name, _ABSENT) == value for name, value in canned.arguments.items()):
                if canned.error:
                    raise ToolError(canned.error)
                return canned.result
        raise ToolError(f"no canned result of {tool} fits these arguments")


_ABSENT, _SAID = object(), {"result", "error"}


def _canned(path: str, tool: str, given: Any) -> list[Canned]:
    if not isinstance(given, list) or not all(isinstance(each, dict) and each.keys() & _SAID for each in given):
        return [Canned(given)]
    try:
        return [msgspec.convert(item, Canned) for item in given]
    except msgspec.ValidationError as error:
        raise ConfigError(f"--mock {path}: {tool}: {error}") from None


def open_source(word: str, options: Options) -> list[ToolSource]:
    """A tools JSON in any dialect that `convert` reads. Raises ConfigError."""
    from swiftagent.formats.reading.tools import read_tools

    try:
        value = read_json(Path(word), "--tools")
    except ConfigError as error:
        # One declaration a line, which `read_tools` takes as a text.
        if "Extra data" not in str(error):
            raise
        value = read_text(Path(word), f"--tools {word}")
    if isinstance(value, dict) and isinstance(value.get("tools"), (list, str)):
        value = value["tools"]
    try:
        tools, _ = read_tools(value)
    except RowError as error:
        raise ConfigError(f"--tools {word}: {error.message}") from None
    if not tools:
        raise ConfigError(f"--tools {word}: declares no tool")
    return [Functions(Path(word).stem, *((tool, _no_code) for tool in tools))]


def _no_code(**arguments: Json) -> Json:
    raise NoCode("nothing runs behind a declaration")
