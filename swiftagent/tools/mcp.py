"""MCP servers as tools, through the official SDK: a command (stdio), a URL (streamable HTTP), or an mcp.json with
several.

The SDK is asynchronous, so each server lives in a thread with an event loop of its own (anyio's blocking portal); a
call waits for its answer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.abc import ObjectReceiveStream
from anyio.from_thread import start_blocking_portal

from swiftagent.console import warn
from swiftagent.errors import ConfigError, ToolError, reason_in
from swiftagent.tools.processes import TOO_LARGE, supervised
from swiftagent.tools.secrets import secrets_of
from swiftagent.tools.source import Options, ToolSource, opened, read_json
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.types import Json, Tool

# The SDK logs a traceback for every malformed message; what matters of it is returned as an error.
logging.getLogger("mcp").addHandler(logging.NullHandler())
logging.getLogger("mcp").propagate = False
_START_SECONDS, _END_SECONDS = 60.0, 10.0
_LARGEST_ANSWER = 16 << 20
# Of a list of tools.
_MOST_PAGES = 100
# A tool that reports progress may take this many times the time of one call.
_MOST_RENEWALS = 10


class McpServer(msgspec.Struct, frozen=True):
    """How a server is reached: a command with its arguments, or a URL."""

    name: str
    command: str = ""
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str = ""
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not (self.command or self.url):
            raise ValueError("it needs a command or a url")


class McpSource:
    """The tools of one running server. When it dies it is started again once, for the calls that follow."""

    def __init__(self, server: McpServer, options: Options) -> None:
        self.name = server.name
        self.server = server
        self.options = options
        self.secrets = secrets_of({**server.env, **server.headers})
        self._restarts_left = 1
        self._connection: _Connection | None = _Connection(server, options)
        self._listed = {tool.name: tool for tool in self._connection.listed}
        listed = self._listed.values()
        self.tools = tuple(Tool(tool.name, tool.description or "", dict(tool.input_schema)) for tool in listed)

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """Raises ToolError with the server's own words, or that it is gone."""
        while (connection := self._running()) is not None:
            try:
                return self._result(tool, connection.call(tool, arguments))
            except ConnectionError:
                last = connection.log().rstrip().rpartition("\n")[2]
                self.close()
                if last.startswith(TOO_LARGE):
                    raise ToolError(f"{last.removeprefix('swiftagent: ')}; the server was stopped") from None
                hints = self._listed[tool].annotations
                # Sent twice, it could pay twice: only the tool itself can say that this does no harm.
                if hints is None or not (hints.read_only_hint or hints.idempotent_hint):
                    lost = "ended before it answered; whether the call took effect is unknown"
                    raise ToolError(f"the MCP server {self.name} {lost}") from None
        raise ToolError(f"the MCP server {self.name} has ended and does not come back")

    def _running(self) -> _Connection | None:
        """The connection, rebuilt once where it has ended."""
        if self._connection is None and self._restarts_left:
            self._restarts_left -= 1
            with contextlib.suppress(ConfigError):
                self._connection = _Connection(self.server, self.options)
        return self._connection

    def _result(self, tool: str, found: Any) -> Json:
        text = "\n".join(_part(part) for part in found.content)
        if found.is_error:
            raise ToolError(text or "the tool failed and said nothing")
        schema, content = self._listed[tool].output_schema, found.structured_content
        if schema is not None:
            # More fields than were declared do no harm, and of a wrong schema nothing is known.
            wrong = [each for each in faults(schema, content) if each.code not in ("unknown-argument", "bad-schema")]
            if wrong:
                reason = "there is none" if content is None else wrong[0].sentence
                raise ToolError(f"the structured result does not fit the tool's output schema: {reason}")
        return text if text or content is None else content

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection:
    """One session with a server, on an event loop in a thread. Raises ConfigError where it cannot be made."""

    def __init__(self, server: McpServer, options: Options) -> None:
        self.server = server
        self.options = options
        self._ends = contextlib.ExitStack()
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        self._errors = self._ends.enter_context(errors)
        try:
            self._portal = self._ends.enter_context(start_blocking_portal())
            session = self._portal.wrap_async_context_manager(self._session())
            self._client, self.listed = self._ends.enter_context(session)
        # Whatever the SDK, the network or the command raises.
        except BaseException as error:
            reason = reason_in(self.log()) or _innermost(error)
            self.close()
            if not isinstance(error, Exception):
                raise
            raise ConfigError(f"--tools: MCP server {server.name} cannot be started: {reason}") from None

    def call(self, tool: str, arguments: dict[str, Json]) -> Any:
        """Raises ToolError for a failed call, ConnectionError where the server is gone."""
        from httpx2 import NetworkError, RemoteProtocolError
        from mcp import MCPError

        gone = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, ConnectionError, EOFError)
        try:
            future = self._portal.start_task_soon(self._called, tool, arguments)
            try:
                return future.result()
            finally:
                # After Ctrl-C: the SDK then reports to the server that the request is cancelled.
                future.cancel()
        except TimeoutError:
            raise ToolError(f"the tool did not answer within {self.options.seconds:g} seconds") from None
        except MCPError as error:
            if "closed" in str(error).lower() or "not connected" in str(error).lower():
                raise ConnectionError from None
            raise ToolError(str(error)) from None
        # Anyio's and httpx's own too, alone or in groups.
        except Exception as error:
            if isinstance(_first(error), (*gone, RuntimeError, CancelledError, NetworkError, RemoteProtocolError)):
                raise ConnectionError from None
            raise ToolError(f"{type(error).__name__}: {error}") from None

    async def _called(self, tool: str, arguments: dict[str, Json]) -> Any:
        seconds = self.options.seconds
        with anyio.fail_after(seconds) as limit:

            async def renew(progress: float, total: float | None, message: str | None) -> None:
                limit.deadline = anyio.current_time() + seconds

            return await self._client.call_tool(tool, arguments, seconds * _MOST_RENEWALS, renew)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._ends.close()

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[tuple[Any, list[Any]]]:
        """(client, tools) while the server is connected; its start and its end have limits of their own."""
        from mcp import Client

        with anyio.fail_after(_START_SECONDS) as limit:
            async with contextlib.AsyncExitStack() as stack:
                read, write = await stack.enter_async_context(await self._transport(stack))
                mended = contextlib.nullcontext((_WithoutOddTools(read), write))
                client: Any = Client(mended, read_timeout_seconds=self.options.seconds)
                await stack.enter_async_context(client)
                client.session.validate_tool_result = _leave_to_caller
                listed: list[Any] = []
                cursor = None
                for _ in range(_MOST_PAGES):
                    page = await client.list_tools(cursor=cursor)
                    listed += page.tools
                    if not (cursor := page.next_cursor):
                        break
                limit.deadline = math.inf
                try:
                    yield client, listed
                finally:
                    limit.deadline = anyio.current_time() + _END_SECONDS

    async def _transport(self, stack: contextlib.AsyncExitStack) -> Any:
        from mcp import StdioServerParameters, stdio_client
        from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client  # type: ignore

        if self.server.url:
            # What is packed is not asked for, since it could unpack to any size.
            headers = {**self.server.headers, "Accept-Encoding": "identity"}
            client = await stack.enter_async_context(create_mcp_http_client(headers=headers))
            client.event_hooks = {"response": [_limited]}
            return streamable_http_client(self.server.url, http_client=client)
        # The SDK adds what a program needs to run; everything else must be named.
        named = {name: os.environ[name] for name in self.options.environment if name in os.environ}
        command = [self.server.command, *self.server.args]
        # A command that is not there is the SDK's to report.
        program, *words = supervised(command, _LARGEST_ANSWER) if shutil.which(command[0]) else command
        environment = {**named, **self.server.env}
        started = StdioServerParameters(command=program, args=words, env=environment, cwd=self.server.cwd)
        return stdio_client(started, errlog=self._errors)

    def log(self) -> str:
        """What the server wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read()


async def _limited(reply: Any) -> None:
    """Bound the body of an answer; of events the SDK bounds each."""
    from httpx2 import ByteStream

    if reply.headers.get("content-encoding", "identity") != "identity":
        raise ConnectionError("the answer is packed, which was not asked for")
    if reply.headers.get("content-type", "").startswith("text/event-stream"):
        return
    content = b""
    async for piece in reply.stream:
        content += piece
        if len(content) > _LARGEST_ANSWER:
            raise ToolError(f"the answer is larger than {_LARGEST_ANSWER >> 20} MB")
    await reply.stream.aclose()
    reply.stream = ByteStream(content)


class _WithoutOddTools(ObjectReceiveStream[Any]):
    """The SDK's messages, their lists of tools mended: one odd tool would have it refuse all of the server's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def receive(self) -> Any:
        found = await self._stream.receive()
        result = getattr(getattr(found, "message", None), "result", None)
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            result["tools"] = [tool for tool in result["tools"] if _is_usable(tool)]
        return found

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_usable(tool: Any) -> bool:
    """Whether the SDK takes a listed tool, a schema that forgets its type mended."""
    from mcp.types import Tool as ListedTool

    name = tool.get("name") if isinstance(tool, dict) else None
    try:
        for key in ("inputSchema", "outputSchema"):
            if isinstance(tool.get(key), dict) and tool[key].setdefault("type", "object") != "object":
                raise ValueError
        ListedTool.model_validate(tool)
        return True
    # Pydantic's errors are ValueErrors.
    except (AttributeError, ValueError):
        warn(f"the MCP tool {str(name)[:80]!r} is left out: its schema is not one of an object")
        return False


async def _leave_to_caller(name: str, result: Any) -> None:
    """In place of the SDK's own check, which can hang on a pattern and fails as if the server had ended."""


def _part(part: Any) -> str:
    """A content block of a result as text; of one that is not text its type."""
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
    if isinstance(error, TimeoutError):
        return f"it did not answer within {_START_SECONDS:g} seconds"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def open_source(word: str, options: Options) -> list[ToolSource]:
    """Start every server that the word names. Raises ConfigError with all that do not start."""
    return opened(partial(lambda server: [McpSource(server, options)], server) for server in servers_of(word))


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
    value = read_json(path, "--tools", _with_variables)
    listed = value.get("mcpServers") if isinstance(value, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise ConfigError(f"--tools {path}: no servers under mcpServers")
    servers, problems = [], []
    for name, given in listed.items():
        if isinstance(given, dict) and given.get("disabled"):
            continue
        try:
            servers.append(msgspec.convert({**(given if isinstance(given, dict) else {}), "name": name}, McpServer))
        except msgspec.ValidationError as error:
            problems.append(f"--tools {path}: server {name}: {error}")
    if problems:
        raise ConfigError(problems)
    return servers


def _with_variables(text: str) -> str:
    """JSON text with `${NAME}` and `${env:NAME}` filled in from the environment, as desktop clients do."""
    value = lambda found: json.dumps(os.environ.get(found[1], ""))[1:-1]  # noqa: E731
    return re.sub(r"\$\{(?:env:)?(\w+)\}", value, text)
