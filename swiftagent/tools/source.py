"""What every source of tools shares: its interface, the options of a run, what a result is, and what a tool may see."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from swiftagent.errors import ToolError
from swiftagent.io.words import nearest
from swiftagent.trajectory.types import Json, Tool

_NEEDED = {
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
    "USER",
    "SHELL",
    "TERM",
}


class Options(msgspec.Struct, frozen=True):
    """How tools are run. seconds: the time of one call. memory: bytes a worker may hold. environment: names of
    variables that tools may see; all others stay hidden. longest_result: characters of a result that the model is
    shown."""

    seconds: float = 30.0
    memory: int = 4 << 30
    environment: tuple[str, ...] = ()
    longest_result: int = 20_000
    mock: str = ""


DEFAULTS = Options()


class Source(Protocol):
    """Where tools come from. `call` returns a JSON value or raises ToolError, whose text the model is shown."""

    name: str
    tools: tuple[Tool, ...]

    def call(self, tool: str, arguments: dict[str, Json]) -> Json: ...
    def close(self) -> None: ...


class NoCode(ToolError):
    """The tool is declared, but nothing runs behind it: a person has to say what it answers."""


class ToolResult(msgspec.Struct, frozen=True):
    """A result as the model sees it. error: what failed, "" where nothing did. interrupted: a person stopped the
    call."""

    text: str
    error: str = ""
    seconds: float = 0.0
    interrupted: bool = False


def unknown_tool(name: str, tools: Sequence[Tool]) -> str:
    """What the model is told of a tool that is not declared."""
    near = nearest(name, [tool.name for tool in tools])
    hint = f"did you mean {near}? " if near else ""
    return f"there is no tool {name[:80]!r}; {hint}the tools are {', '.join(tool.name for tool in tools)}"


def scrubbed_environment(allowed: Sequence[str]) -> dict[str, str]:
    """What a tool's process sees: what a program needs to run, and the variables that were named for it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _NEEDED or name.startswith("LC_") or name in allowed
    }
    return {**kept, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}


def argument_problem(tool: Tool, arguments: Any) -> str:
    """What is wrong with these arguments, for the model to mend, or ""."""
    from swiftagent.tools.check import problems

    found = problems(tool.parameters, arguments)
    if not found:
        return ""
    return f"wrong arguments for {tool.name}: {'; '.join(found)}"
