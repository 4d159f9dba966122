"""One HTTP request under the limits of a tool: the whole of it in so many seconds, the answer in so many bytes."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import anyio

from swiftagent.errors import ToolError

if TYPE_CHECKING:
    from httpx import Response

_MOST_REDIRECTS = 5
Check = Callable[[Any], None] | None


def request(method: str, url: str, seconds: float, largest: int, check: Check = None, **sent: Any) -> Response:
    """The answer to one request. check: raises for an address that may not be read; with it redirects are followed.

    Raises ToolError for a broken limit, httpx.HTTPError, httpx.InvalidURL or UnicodeError for what fails.
    """
    try:
        return asyncio.run(_request(method, url, seconds, largest, check, sent))
    except TimeoutError:
        raise ToolError(f"no whole answer within {seconds:g} seconds") from None


async def _request(method: str, url: str, seconds: float, largest: int, check: Check, sent: Any) -> Response:
    import httpx

    # Only what zlib unpacks is asked for: it stops at a length, so that no answer grows beyond its limit in memory.
    headers = {"Accept-Encoding": "gzip, deflate"}
    client = httpx.AsyncClient(timeout=None, trust_env=False, verify=_certificates(), headers=headers)
    # The time of the whole: a server that sends a byte a second breaks no limit on a single read.
    with anyio.fail_after(seconds):
        async with client:
            for _ in range(_MOST_REDIRECTS):
                if check is not None:
                    check(httpx.URL(url))
                async with client.stream(method, url, **sent) as reply:
                    if check is not None and reply.has_redirect_location:
                        url = str(httpx.URL(url).join(reply.headers["location"]))
                        continue
                    content, status = await _content(reply, largest), reply.status_code
                    encoding, facts = reply.encoding or "utf-8", reply.extensions
                    return httpx.Response(status, content=content, default_encoding=encoding, extensions=facts)
    raise ToolError("too many redirects")


async def _content(reply: Any, largest: int) -> bytes:
    packed = reply.headers.get("content-encoding", "identity").lower()
    if packed not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise ToolError(f"the answer is packed as {packed[:40]}, which was not asked for")
    unpack = None if packed in ("identity", "") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    content = b""
    async for piece in reply.aiter_raw():
        try:
            content += piece if unpack is None else unpack.decompress(piece, largest + 1 - len(content))
        except zlib.error as error:
            raise ToolError(f"the answer cannot be unpacked: {error}") from None
        if len(content) > largest:
            raise ToolError(f"the answer is larger than {largest >> 20} MB")
    return content


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context(trust_env=False)
