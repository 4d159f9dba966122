"""HTTP over a tuned model: clients of OpenAI and Anthropic use it and see tool calls, not ReAct."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from swiftagent.agent.loop import Grammar, Limits
from swiftagent.agent.serving import chat, responses
from swiftagent.agent.serving.anthropic import MessageReply
from swiftagent.agent.serving.asked import Refusal
from swiftagent.agent.serving.recording import Recording
from swiftagent.agent.serving.reply import Served
from swiftagent.agent.serving.streams import Reply, events_of
from swiftagent.errors import SwiftAgentError
from swiftagent.io.jsonl import without_surrogates


class Settings(msgspec.Struct, frozen=True):
    """name: what the model is called. key: "" admits every client. hosts: where there is no key, the names by which a
    request may address the server; () takes any. largest: bytes of a request. temperature: the default.
    strict: whether the engine keeps texts to a grammar."""

    name: str
    key: str = ""
    hosts: tuple[str, ...] = ()
    largest: int = 4 << 20
    temperature: float = 0.0
    strict: bool = False


def make_app(
    engine: Any, grammar: Grammar, limits: Limits, settings: Settings, recording: Recording | None = None
) -> Starlette:
    """The application: /v1/chat/completions, /v1/responses, /v1/messages, /v1/models and /health."""
    served = Served(settings.name, engine, grammar, limits, settings.temperature, settings.strict, recording)
    server = _Server(served, settings)
    routes = [
        Route("/v1/chat/completions", partial(server.reply, chat.ChatReply), methods=["POST"]),
        Route("/v1/responses", partial(server.reply, responses.ResponseReply), methods=["POST"]),
        Route("/v1/messages", partial(server.reply, MessageReply), methods=["POST"]),
        Route("/v1/models", server.models, methods=["GET"]),
        Route("/v1/models/{name:path}", server.model, methods=["GET"]),
        Route("/health", server.health, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers=FAILURES)


async def _failed(request: Request, error: Exception) -> Response:
    match error:
        case Refusal(status=status, code=code, param=param):
            return _error(request, str(error), status, code, param)
        case HTTPException(status_code=status):
            about = f"{request.method} {request.url.path} is not served here; /v1/chat/completions, /v1/responses, "
            return _error(request, f"{about}/v1/messages and /v1/models are", status)
    return _error(request, str(error), 500)


FAILURES: Any = dict.fromkeys((Refusal, SwiftAgentError, HTTPException), _failed)
_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 500: "server_error"}


def _error(request: Request, message: str, status: int, code: str | None = None, param: str | None = None) -> Response:
    """An error as OpenAI writes it, or Anthropic where its interface was asked."""
    kind = _KINDS.get(status, "invalid_request_error")
    if request.url.path.startswith("/v1/messages"):
        kind = "api_error" if kind == "server_error" else kind
        details = {"details": {"error_code": code}} if code else {}
        return JSONResponse({"type": "error", "error": {"type": kind, "message": message, **details}}, status)
    return JSONResponse({"error": {"message": message, "type": kind, "code": code, "param": param}}, status)


class _Server(msgspec.Struct):
    served: Served
    settings: Settings
    started: int = msgspec.field(default_factory=lambda: int(time.time()))

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": self.settings.name})

    async def models(self, request: Request) -> Response:
        self._let_in(request)
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> Response:
        self._let_in(request)
        if request.path_params["name"] != self.settings.name:
            raise Refusal(f"there is no model {request.path_params['name']!r}; there is {self.settings.name}", 404)
        return JSONResponse(self._model())

    def _model(self) -> dict[str, Any]:
        return {"id": self.settings.name, "object": "model", "created": self.started, "owned_by": "swiftagent"}

    async def reply(self, made: Callable[[Served, Any], Reply], request: Request) -> Response:
        self._let_in(request)
        body = await request_body(request, self.settings.largest)
        try:
            value = without_surrogates(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise Refusal(f"the request is not JSON: {error}") from None
        return await _answer(made(self.served, value))

    def _let_in(self, request: Request) -> None:
        if not self.settings.key:
            refuse_foreign_names(request, self.settings)
            return
        given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        # In constant time: how long a comparison takes would tell how much of a guess is right.
        if not hmac.compare_digest(given.encode(), self.settings.key.encode()):
            raise Refusal("the API key is missing or wrong", 401)


def refuse_foreign_names(request: Request, settings: Settings) -> None:
    """A web page may have its own name resolved to this machine, and then talk to it as to its own server."""
    hosts = settings.hosts
    # Of a header that is not a host, `request.url` has this machine's own name.
    asked = re.sub(r":\d+$", "", request.headers.get("host", "")).strip("[]").lower()
    if hosts and asked not in hosts:
        about = f"this server answers to {', '.join(hosts)} alone; --key-env NAME lets in whoever has the key"
        raise Refusal(about, 403)


async def request_body(request: Request, largest: int) -> bytes:
    """The bytes of a request. Only application/json is taken, which no web page can send here unasked."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refusal("the content type must be application/json", 415)
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > largest:
                raise Refusal(f"the request is larger than {largest:,} bytes", 413)
    except ClientDisconnect:
        raise Refusal("the client went away") from None
    return body


async def _answer(reply: Reply) -> Response:
    """The reply whole or streamed. What is wrong with the request shows itself before the first event, and has a
    status of its own then."""
    if not reply.asked.sampled.stream:
        return JSONResponse(await run_in_threadpool(reply.whole))
    events = streamed(events_of(reply))
    first = await anext(events, "")

    async def all_events() -> AsyncIterator[str]:
        async with contextlib.aclosing(events):
            yield first
            async for event in events:
                yield event

    return StreamingResponse(all_events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def streamed(events: Generator[str, None, None]) -> AsyncGenerator[str, None]:
    """The events, made in one thread without waiting for who reads them: the generator holds the engine, so neither a
    client that reads slowly nor others that have taken every thread may keep it from its end. It is closed where the
    client goes away.
    """
    made, read = anyio.create_memory_object_stream[str](math.inf)

    def make() -> None:
        try:
            # The client went away.
            with contextlib.suppress(anyio.BrokenResourceError), contextlib.closing(events):
                for event in events:
                    anyio.from_thread.run_sync(made.send_nowait, event)
        finally:
            anyio.from_thread.run_sync(made.close)

    making = asyncio.ensure_future(run_in_threadpool(make))
    with read:
        async for event in read:
            yield event
    await making
