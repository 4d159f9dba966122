"""What every source of tools shares: its interface, the options of a run, what a result is, and what a tool may see."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import msgspec

from swiftagent.errors import ConfigError, SwiftAgentError, ToolError
from swiftagent.io.words import nearest
from swiftagent.io.yaml_file import read_text
from swiftagent.tools.function_schema import python_name
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.types import Json, Tool

# Faults that the model sees at once.
_MOST_FAULTS = 5
# Of a file of tools whose tasks hold state.
STATE_FUNCTIONS = ("reset", "snapshot")

# What a program needs to run and to write in the user's language.
_NEEDED = re.compile(r"PATH|HOME|LANG(UAGE)?|LC_\w*|TZ|TMPDIR|TE?MP|SYSTEMROOT|VIRTUAL_ENV|USER|SHELL|TERM")


class Options(msgspec.Struct, frozen=True):
    """How tools are run. seconds: the time of one call. memory: bytes a worker may hold. environment: names of
    variables that tools may see; all others stay hidden. longest_result: characters of a result that the model
    sees."""

    seconds: float = 30.0
    memory: int = 4 << 30
    environment: tuple[str, ...] = ()
    longest_result: int = 20_000
    mock: str = ""


DEFAULTS = Options()


class ToolSource(Protocol):
    """Where tools come from. `call` returns a JSON value or raises ToolError, whose text the model sees."""

    name: str
    tools: tuple[Tool, ...]

    def call(self, tool: str, arguments: dict[str, Json]) -> Json: ...
    def close(self) -> None: ...


def opened(openers: Iterable[Callable[[], Sequence[ToolSource]]]) -> list[ToolSource]:
    """All sources together. Raises ConfigError with what cannot be opened, having closed the others."""
    sources: list[ToolSource] = []
    problems: list[str] = []
    with ExitStack() as ends:
        for opener in openers:
            try:
                for source in opener():
                    ends.callback(source.close)
                    sources.append(source)
            except SwiftAgentError as error:
                problems += getattr(error, "problems", [str(error)])
        if problems:
            raise ConfigError(problems)
        ends.pop_all()
    return sources


class Functions:
    """Tools that are functions of this process, their arguments by name."""

    def __init__(self, name: str, *functions: tuple[Tool, Callable[..., Json]]) -> None:
        self.name = name
        self.tools = tuple(tool for tool, _ in functions)
        self._functions = {tool.name: function for tool, function in functions}

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        return self._functions[tool](**{python_name(name): value for name, value in arguments.items()})

    def close(self) -> None:
        """Nothing was started."""


class NoCode(ToolError):
    """The tool is declared, but nothing runs behind it: the user has to say what it answers."""


class ToolResult(msgspec.Struct, frozen=True):
    """A result as the model sees it. error: what failed, "" where nothing did. interrupted: the user stopped the
    call."""

    text: str
    error: str = ""
    seconds: float = 0.0
    interrupted: bool = False


def read_json(path: Path, option: str, filled: Callable[[str], str] = str) -> Any:
    """The JSON of a file that an option names. Raises ConfigError."""
    try:
        return json.loads(filled(read_text(path, f"{option} {path}")))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{option} {path}: not JSON: {error}") from None


def unknown_tool(name: str, tools: Sequence[Tool]) -> str:
    """What the model reads about a tool that is not declared."""
    near = nearest(name, [tool.name for tool in tools])
    hint = f"did you mean {near}? " if near else ""
    return f"there is no tool {name[:80]!r}; {hint}the tools are {', '.join(tool.name for tool in tools)}"


def scrubbed_environment(allowed: Sequence[str]) -> dict[str, str]:
    """What a tool's process sees: what a program needs to run, and the variables that were named for it."""
    kept = {name: value for name, value in os.environ.items() if _NEEDED.fullmatch(name) or name in allowed}
    return {**kept, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}


def argument_problem(tool: Tool, arguments: Any) -> str:
    """What is wrong with these arguments, as a sentence that the model can act on, or ""."""
    # Of a schema that is itself wrong nothing is known, so the tool decides.
    found = [fault.sentence for fault in faults(tool.parameters, arguments) if fault.code != "bad-schema"]
    return f"wrong arguments for {tool.name}: {'; '.join(found[:_MOST_FAULTS])}" if found else ""
