"""MCP servers as tools, through the official SDK: a command (stdio), a URL (streamable HTTP), or an mcp.json with
several.

The SDK is asynchronous, so each server lives in a thread with an event loop of its own; a call waits for its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec

from swiftagent.errors import ConfigError, ToolError
from swiftagent.tools.source import Options, ToolSource
from swiftagent.trajectory.types import Json, Tool

_START_SECONDS = 60.0
_GONE = (
    "ClosedResourceError",
    "BrokenResourceError",
    "EndOfStream",
    "ConnectError",
    "ReadError",
    "RemoteProtocolError",
)


class McpServer(msgspec.Struct, frozen=True):
    """How a server is reached: a command with its arguments, or a URL."""

    name: str
    command: str = ""
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str = ""
    headers: dict[str, str] = {}


class McpSource:
    """The tools of one running server. When it dies it is started again once; after that each call says that it is
    gone."""

    def __init__(self, server: McpServer, options: Options) -> None:
        self.name = server.name
        self.server = server
        self.options = options
        self.secrets = {value: name for name, value in {**server.env, **server.headers}.items() if len(value) >= 8}
        self._restarts_left = 1
        self._connection: _Connection | None = _Connection(server, options)
        self.tools = self._connection.tools

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """Raises ToolError with the server's own words, or that it is gone."""
        while self._connection is not None:
            try:
                return self._connection.call(tool, arguments)
            except ConnectionError:
                self._restart()
        raise ToolError(f"the MCP server {self.name} has ended and does not come back")

    def _restart(self) -> None:
        self.close()
        if self._restarts_left:
            self._restarts_left -= 1
            with contextlib.suppress(ConfigError):
                self._connection = _Connection(self.server, self.options)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection:
    """One session with a server, in a thread of its own. Raises ConfigError where it cannot be made."""

    def __init__(self, server: McpServer, options: Options) -> None:
        self.server = server
        self.options = options
        self.tools: tuple[Tool, ...] = ()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready: Future[tuple[Tool, ...]] = Future()
        self._client: Any = None
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        self._errors = cast(TextIO, errors)
        self._thread = threading.Thread(target=self._run, name=f"mcp-{server.name}", daemon=True)
        self._thread.start()
        try:
            self.tools = self._ready.result(_START_SECONDS)
        except (Exception, FutureTimeout) as error:  # whatever the SDK, the network or the command raises
            told = self._last_error_line() or _innermost(error)
            self.close()
            raise ConfigError(f"--tools: MCP server {server.name} cannot be started: {told}") from None

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """Raises ToolError for a failed call, ConnectionError where the server is gone."""
        from mcp import MCPError

        if not self._thread.is_alive():
            raise ConnectionError
        try:
            found = self._do(self._client.call_tool(tool, arguments), self.options.seconds)
        except (FutureTimeout, TimeoutError):
            raise ToolError(f"the tool did not answer within {self.options.seconds:g} seconds") from None
        except MCPError as error:
            if "closed" in str(error).lower() or "not connected" in str(error).lower():
                raise ConnectionError from None
            raise ToolError(str(error)) from None
        except (ConnectionError, EOFError, RuntimeError, asyncio.CancelledError):
            raise ConnectionError from None
        except Exception as error:  # anyio's and httpx's own, alone or in groups
            if type(_first(error)).__name__ in _GONE:
                raise ConnectionError from None
            raise ToolError(f"{type(error).__name__}: {error}") from None
        text = "\n".join(_part(part) for part in found.content)
        if found.is_error:
            raise ToolError(text or "the tool failed and said nothing")
        return text if text or found.structured_content is None else found.structured_content

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._errors.close()

    def _do(self, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                try:
                    return future.result(min(0.5, seconds))
                except FutureTimeout:
                    seconds -= 0.5
                    if future.done():
                        raise
                    if not self._thread.is_alive():
                        raise ConnectionError from None
                    if seconds <= 0:
                        raise
        finally:
            future.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # handed to the thread that waits
            if not self._ready.done():
                self._ready.set_exception(error if isinstance(error, Exception) else RuntimeError(str(error)))
        finally:
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(self) -> None:
        from mcp import Client

        async with contextlib.AsyncExitStack() as stack:
            transport = await self._transport(stack)
            client = await stack.enter_async_context(Client(transport, read_timeout_seconds=self.options.seconds))
            self._client = client
            listed = []
            page = await client.list_tools()
            listed += page.tools
            while page.next_cursor:
                page = await client.list_tools(cursor=page.next_cursor)
                listed += page.tools
            self._ready.set_result(
                tuple(Tool(tool.name, tool.description or "", dict(tool.input_schema)) for tool in listed)
            )
            await self._stop.wait()

    async def _transport(self, stack: contextlib.AsyncExitStack) -> Any:
        from mcp import StdioServerParameters, stdio_client
        from mcp.client import streamable_http as http

        if self.server.url:
            client = await stack.enter_async_context(http.create_mcp_http_client(headers=self.server.headers))
            return http.streamable_http_client(self.server.url, http_client=client)
        named = {name: os.environ[name] for name in self.options.environment if name in os.environ}
        parameters = StdioServerParameters(
            command=self.server.command, args=self.server.args, env={**named, **self.server.env}, cwd=self.server.cwd
        )
        return stdio_client(parameters, errlog=self._errors)

    def _last_error_line(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""


def _part(part: Any) -> str:
    """A piece of a result as text; what is no text is named."""
    match part.type:
        case "text":
            return str(part.text)
        case "resource" if hasattr(part.resource, "text"):
            return str(part.resource.text)
        case "resource_link":
            return str(part.uri)
    return f"[{part.type} {getattr(part, 'mime_type', '')}]".replace(" ]", "]")


def _first(error: BaseException) -> BaseException:
    """The first error of a group, which Python 3.10 has no name for."""
    while inner := getattr(error, "exceptions", ()):
        error = inner[0]
    return error


def _innermost(error: BaseException) -> str:
    error = _first(error)
    if isinstance(error, (FutureTimeout, TimeoutError)):
        return f"it did not answer within {_START_SECONDS:g} seconds"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def open_source(word: str, options: Options) -> list[ToolSource]:
    """Start every server that the word names. Raises ConfigError with all that do not start."""
    started: list[ToolSource] = []
    problems: list[str] = []
    for server in servers_of(word):
        try:
            started.append(McpSource(server, options))
        except ConfigError as error:
            problems += error.problems
    if problems:
        for source in started:
            source.close()
        raise ConfigError(problems)
    return started


def servers_of(word: str) -> list[McpServer]:
    """The servers of `mcp:COMMAND ARGS`, `mcp:URL`, a URL, or an mcp.json. Raises ConfigError."""
    target = word.removeprefix("mcp:")
    if target.startswith(("http://", "https://")):
        return [McpServer(re.sub(r"\W+", "_", target.split("://")[1].split("/")[0]), url=target)]
    if word.startswith("mcp:"):
        try:
            command = shlex.split(target)
        except ValueError as error:
            raise ConfigError(f"--tools {word}: {error}") from None
        if not command:
            raise ConfigError("--tools mcp: name a command or a URL, as in --tools 'mcp:uvx mcp-server-time'")
        named = next((part for part in reversed(command) if not part.startswith("-")), command[0])
        return [McpServer(re.sub(r"\W+", "_", Path(named).stem), command[0], command[1:])]
    return _from_file(Path(word))


def _from_file(path: Path) -> list[McpServer]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--tools {path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    listed = value.get("mcpServers") if isinstance(value, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise ConfigError(f"--tools {path}: no servers under mcpServers")
    servers = []
    problems = []
    for name, given in listed.items():
        if not isinstance(given, dict) or not (given.get("command") or given.get("url")):
            problems.append(f"--tools {path}: server {name}: it needs a command or a url")
        elif not given.get("disabled"):
            fields = {
                key: _with_variables(given[key])
                for key in McpServer.__struct_fields__
                if key in given and key != "name"
            }
            try:
                servers.append(msgspec.convert({**fields, "name": name}, McpServer))
            except msgspec.ValidationError as error:
                problems.append(f"--tools {path}: server {name}: {error}")
    if problems:
        raise ConfigError(problems)
    return servers


def _with_variables(value: Any) -> Any:
    """`${NAME}` and `${env:NAME}` filled in from the environment, as desktop clients do."""
    if isinstance(value, dict):
        return {key: _with_variables(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_variables(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(?:env:)?(\w+)\}", lambda found: os.environ.get(found.group(1), ""), value)
    return value
