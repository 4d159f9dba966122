"""The tools that a run may call: where they come from, what they are called, and their results as the model sees them.

A source is opened by one word of `--tools`: `F.py`, `mcp.json`, `mcp:COMMAND`, `openapi:SPEC@URL`, `tools.json`,
`human`, `calculator`, ... `open_toolbox` opens them all; a Toolbox calls them by name.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import msgspec

from swiftagent.errors import ConfigError, ToolError
from swiftagent.io.jsonl import without_surrogates
from swiftagent.io.shipped import find
from swiftagent.io.yaml_file import read_text
from swiftagent.tools.declared import CannedResults
from swiftagent.tools.secrets import Redactor, secrets_of
from swiftagent.tools.source import DEFAULTS, NoCode, Options, ToolResult, ToolSource, opened
from swiftagent.trajectory.types import Call, Json, Tool

BUILTIN = ("calculator", "clock", "units", "memory", "http", "human", "builtin")


class LoadedTool(msgspec.Struct, frozen=True):
    """A declared tool and where it runs. `inner` is its name there, where the name had to be changed."""

    spec: Tool
    source: ToolSource
    inner: str


class Toolbox(AbstractContextManager["Toolbox"]):
    """All tools of a run under names that are kept apart. Use it as a context manager: leaving it ends what it
    started."""

    def __init__(
        self, sources: Sequence[ToolSource], options: Options = DEFAULTS, canned: CannedResults | None = None
    ) -> None:
        self.sources = list(sources)
        self.options = options
        self.tools = _named_apart(self.sources)
        self.specs = tuple(tool.spec for tool in self.tools)
        self._by_name = {tool.spec.name: tool for tool in self.tools}
        secrets = secrets_of(os.environ)
        for source in self.sources:
            secrets |= getattr(source, "secrets", {})
        self._redactor = Redactor(secrets)
        self._canned = canned

    def call(self, call: Call) -> ToolResult:
        """Run one call. Raises NoCode where the user has to answer; every other failure is a result."""
        started = time.monotonic()
        try:
            value = self._redactor.value(self._run(call))
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            error = ""
        except NoCode:
            raise
        # The boundary of a tool call: whatever a source raises ends the call and not the run.
        except Exception as failure:
            kind = type(failure).__name__
            error = str(failure) or kind if isinstance(failure, ToolError) else f"{kind}: {failure}"
            text = f"Error: {error}"
        seconds = time.monotonic() - started
        return ToolResult(self._for_model(text), self._for_model(error), seconds)

    def _run(self, call: Call) -> Json:
        arguments = call.arguments if isinstance(call.arguments, dict) else {}
        tool = self._by_name.get(call.tool)
        try:
            if tool is None:
                raise NoCode(f"{call.tool} has no code behind it")
            return tool.source.call(tool.inner, arguments)
        except NoCode:
            if self._canned is not None and call.tool in self._canned:
                return self._canned.call(call.tool, arguments)
            raise

    def _for_model(self, text: str) -> str:
        text = self._redactor.text(without_surrogates(text))
        longest = self.options.longest_result
        return text if len(text) <= longest else f"{text[:longest]}... (cut: {len(text):,} characters in all)"

    def close(self) -> None:
        for source in self.sources:
            source.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def open_toolbox(words: Sequence[str], options: Options = DEFAULTS) -> Toolbox:
    """Open every source that `--tools` names. Raises ConfigError with all that cannot be opened, having closed the
    others."""
    # Before anything is started.
    canned = CannedResults(options.mock) if options.mock else None
    return Toolbox(opened(partial(_of_word, word, options) for word in words), options, canned)


def _of_word(named: str, options: Options) -> list[ToolSource]:
    word = str(find(named)) if named.startswith("datasets/") else named
    return list(importlib.import_module(f"{__package__}.{kind_of(word)}").open_source(word, options))


def kind_of(word: str) -> str:
    """The module of this package that opens a word of `--tools` by its open_source(). Raises ConfigError."""
    head, colon, _ = word.partition(":")
    if word in BUILTIN or (colon and head == "http" and not word.startswith("http://")):
        return "builtin"
    if colon and head in ("mcp", "openapi"):
        return head
    if word.startswith(("http://", "https://")):
        return "mcp"
    path = Path(word)
    if path.suffix == ".py":
        return "python_file"
    if path.suffix in (".json", ".jsonl", ".yaml", ".yml"):
        return _kind_of_file(path)
    raise ConfigError(
        f"--tools {word}: neither a Python file, a JSON or YAML file, mcp:COMMAND, openapi:SPEC@URL "
        f"nor one of {', '.join(BUILTIN)}"
    )


def _kind_of_file(path: Path) -> str:
    head = read_text(path, f"--tools {path}")
    try:
        value = json.loads(head)
        keys = set(value) if isinstance(value, dict) else set()
    except (ValueError, RecursionError):
        # YAML's keys at the top.
        keys = set(re.findall(r"^[\"']?(\w+)[\"']?\s*:", head, re.M))
    if "mcpServers" in keys:
        return "mcp"
    return "openapi" if keys & {"openapi", "swagger"} else "declared"


def _named_apart(sources: Sequence[ToolSource]) -> list[LoadedTool]:
    """Give each tool a name of its own: where two sources have the same, both get their source's name before it."""
    names = [tool.name for source in sources for tool in source.tools]
    taken: set[str] = set()
    loaded = []
    for source in sources:
        for tool in source.tools:
            name = f"{source.name}_{tool.name}" if names.count(tool.name) > 1 else tool.name
            name = re.sub(r"[\s:,\[\]()]+", "_", name).strip("_") or "tool"
            while name in taken:
                name += "_2"
            taken.add(name)
            loaded.append(LoadedTool(Tool(name, tool.description, tool.parameters), source, tool.name))
    return loaded
