"""A gateway to a server with OpenAI's or Anthropic's interface: requests and replies pass through as they are, and
turns that are finished are recorded. Keys pass through and are never written."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from swiftagent.agent.serving import anthropic, chat, responses
from swiftagent.agent.serving.asked import REMEMBERED_RESPONSES, Memory, Refusal, read_reply
from swiftagent.agent.serving.recording import Recording
from swiftagent.agent.serving.server import FAILURES, Settings, refuse_foreign_names, request_body
from swiftagent.console import warn
from swiftagent.formats.readers import anthropic as anthropic_rows
from swiftagent.formats.readers import openai as chat_rows
from swiftagent.formats.readers import responses as response_rows
from swiftagent.trajectory.types import Event, Trajectory

_ASKED = {"role": "user", "content": "."}
# Of one connection, or said about the bytes on it.
_NOT_PASSED = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "te"}
# History, what was said, and the sampled ids where the server gives them.
_Turn = tuple[Trajectory, tuple[Event, ...], list[int]]


def make_gateway(url: str, recording: Recording, settings: Settings) -> Starlette:
    """The application. url: the server, with or without its /v1."""
    gateway = _Gateway(url, recording, settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with gateway.client:
            yield

    routes = [Route("/{path:path}", gateway.forward, methods=["GET", "POST", "DELETE"])]
    return Starlette(routes=routes, exception_handlers=FAILURES, lifespan=lifespan)


class _Gateway:
    def __init__(self, url: str, recording: Recording, settings: Settings) -> None:
        self.url = url.rstrip("/")
        self.recording = recording
        self.settings = settings
        self.stored = Memory(REMEMBERED_RESPONSES)
        # A model may think for long before its first token.
        self.client = httpx.AsyncClient(timeout=httpx.Timeout(1800, connect=30))

    async def forward(self, request: Request) -> Response:
        refuse_foreign_names(request, self.settings)
        body = await request_body(request, self.settings.largest) if request.method == "POST" else b""
        path = request.url.path
        # The version stands in the server's address or in the client's path.
        target = self.url + (path.removeprefix("/v1") if re.search(r"/v\d+\w*$", self.url) else path)
        passed = {name: text for name, text in request.headers.items() if name not in _NOT_PASSED}
        headers = {**passed, "accept-encoding": "identity"}
        sent: dict[str, Any] = {"params": request.query_params, "content": body, "headers": headers}
        try:
            reply = await self.client.send(self.client.build_request(request.method, target, **sent), stream=True)
        except httpx.HTTPError as error:
            raise Refusal(f"{self.url} does not answer: {type(error).__name__} {error}", 502) from None
        kept = {name: text for name, text in reply.headers.items() if name not in _NOT_PASSED}
        return StreamingResponse(self._passed(request, body, reply), reply.status_code, kept)

    async def _passed(self, request: Request, body: bytes, reply: httpx.Response) -> AsyncIterator[bytes]:
        whole = b""
        try:
            async for piece in reply.aiter_bytes():
                whole += piece
                yield piece
        finally:
            await reply.aclose()
        # Not reached where the client or the server went away before the end.
        if request.method == "POST" and reply.status_code == 200 and request.url.path in _READERS:
            await run_in_threadpool(self._record, request, body, whole)

    def _record(self, request: Request, body: bytes, reply: bytes) -> None:
        path = request.url.path
        try:
            asked = {name: value for name, value in json.loads(body).items() if value is not None}
            turns, joined = _READERS[path]
            said = joined(_events(reply)) if asked.get("stream") else json.loads(reply)
            for history, events, ids in turns(asked, said, self.stored):
                self.recording.add(history, events, ids, str(said.get("model") or asked.get("model")), request.headers)
        # The boundary of one exchange: what a server sends may have any shape, and its client has its reply already.
        except Exception as error:
            warn(f"{path}: a turn was not recorded: {type(error).__name__}: {error}")


def _chat_turns(asked: dict[str, Any], said: dict[str, Any], stored: Memory) -> Iterator[_Turn]:
    given = _of(asked, "messages", "tools", "functions")
    history = chat.read_request(given, Memory(0)).conversation
    for choice in said["choices"]:
        if choice.get("finish_reason") in ("stop", "tool_calls", "function_call"):
            message = {name: value for name, value in choice["message"].items() if value is not None}
            reply = read_reply(chat_rows.parse, {**given, "messages": [_ASKED, message]})
            yield history, reply, choice.get("token_ids") or []


def _response_turns(asked: dict[str, Any], said: dict[str, Any], stored: Memory) -> Iterator[_Turn]:
    if said.get("status") == "completed":
        given = _of(asked, "input", "instructions", "tools", "previous_response_id")
        request, items = responses.read_request(given, stored)
        stored.remember(said["id"], [*items, *said["output"]])
        output = map(responses.readable, said["output"])
        yield request.conversation, read_reply(response_rows.parse, {"input": [_ASKED, *output]}), []


def _message_turns(asked: dict[str, Any], said: dict[str, Any], stored: Memory) -> Iterator[_Turn]:
    if said.get("stop_reason") in ("end_turn", "tool_use"):
        request = anthropic.read_request(_of(asked, "messages", "system", "tools", "max_tokens"), Memory(0))
        message = {"role": "assistant", "content": said["content"]}
        yield request.conversation, read_reply(anthropic_rows.parse, {"messages": [_ASKED, message]}), []


# path: (the turns of a request and its reply, the reply that streamed events make up)
_READERS = {
    "/v1/chat/completions": (_chat_turns, chat.joined),
    "/v1/responses": (_response_turns, responses.joined),
    "/v1/messages": (_message_turns, anthropic.joined),
}


def _of(asked: dict[str, Any], *names: str) -> dict[str, Any]:
    """What was said and declared; how it was to be sampled does not matter here."""
    return {name: asked[name] for name in names if name in asked}


def _events(streamed: bytes) -> list[dict[str, Any]]:
    """The objects of server-sent events."""
    # Some servers end with [DONE], which is not an object.
    lines = (line[5:].strip() for line in streamed.split(b"\n") if line.startswith(b"data:"))
    return [json.loads(line) for line in lines if line.startswith(b"{")]
