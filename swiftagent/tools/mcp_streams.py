"""What comes from an MCP server before the SDK takes it: bodies are bounded, lists of tools mended."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from swiftagent.errors import ToolError

LARGEST_ANSWER = 16 << 20


async def limit(reply: Any) -> None:
    """Bound the body of an answer; of events the SDK bounds each."""
    from httpx2 import ByteStream

    if reply.headers.get("content-encoding", "identity") != "identity":
        raise ConnectionError("the answer is packed, which was not asked for")
    if reply.headers.get("content-type", "").startswith("text/event-stream"):
        return
    content = b""
    async for piece in reply.stream:
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise ToolError(f"the answer is larger than {LARGEST_ANSWER >> 20} MB")
    await reply.stream.aclose()
    reply.stream = ByteStream(content)


@contextlib.asynccontextmanager
async def without_odd_tools(transport: Any) -> AsyncIterator[Any]:
    """The transport, its lists of tools mended: one odd tool would have the SDK refuse all of the server's."""
    async with transport as (read, write):
        yield _Mended(read), write


class _Mended:
    """A stream of the SDK's messages."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> _Mended:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._stream.__aexit__(*error)

    def __aiter__(self) -> _Mended:
        return self

    async def __anext__(self) -> Any:
        found = await self._stream.__anext__()
        result = getattr(getattr(found, "message", None), "result", None)
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            result["tools"] = [tool for tool in result["tools"] if _is_usable(tool)]
        return found


def _is_usable(tool: Any) -> bool:
    """Whether the SDK takes a listed tool, a schema that forgets its type mended."""
    from mcp.types import Tool as ListedTool
    from pydantic import ValidationError

    from swiftagent.console import warn

    name = tool.get("name") if isinstance(tool, dict) else None
    try:
        for key in ("inputSchema", "outputSchema") if isinstance(tool, dict) else ():
            if isinstance(tool.get(key), dict):
                tool[key].setdefault("type", "object")
        ListedTool.model_validate(tool)
        if tool["inputSchema"]["type"] == "object" and (tool.get("outputSchema") or {}).get("type") in (None, "object"):
            return True
    except ValidationError:
        pass
    warn(f"the MCP tool {str(name)[:80]!r} is left out: its schema is not one of an object")
    return False
