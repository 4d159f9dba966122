"""An OpenAI-compatible server over a ReAct model: standard clients use it and see tool_calls, not ReAct."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from swiftagent.agent.chat_api import AnswerStream, ChatRequest, Refusal, Thoughts, read_request
from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate, Generated, Grammar, Limits, Progress, Reply, RunTool, run_turn
from swiftagent.errors import SwiftAgentError
from swiftagent.io.jsonl import without_surrogates
from swiftagent.trajectory.read_step import step_end
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Call, Thought


class Settings(msgspec.Struct, frozen=True):
    """name: what the model is called. key: "" lets everybody in. hosts: where there is no key, the names by which a
    request may address the server; () takes any. largest: bytes of a request. temperature: the default."""

    name: str
    key: str = ""
    hosts: tuple[str, ...] = ()
    largest: int = 4 << 20
    temperature: float = 0.0


class Delta(msgspec.Struct, frozen=True):
    """A piece of a reply: more of the answer, more reasoning, a call, or its end."""

    content: str = ""
    reasoning: str = ""
    call: Call | None = None
    finish: str = ""


def make_app(engine: Any, grammar: Grammar, limits: Limits, settings: Settings) -> Starlette:
    """The application: /v1/chat/completions, /v1/models and /health."""
    server = _Server(engine, grammar, limits, settings)
    routes = [
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
        Route("/v1/models", server.models, methods=["GET"]),
        Route("/v1/models/{name:path}", server.model, methods=["GET"]),
        Route("/health", server.health, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={Refusal: _refused, SwiftAgentError: _failed})


async def _refused(request: Request, error: Exception) -> Response:
    return _error(str(error), getattr(error, "status", 400))


async def _failed(request: Request, error: Exception) -> Response:
    return _error(str(error), 500)


def _error(message: str, status: int) -> Response:
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 500: "server_error"}
    kind = kinds.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, "code": None, "param": None}}, status)


class _Server:
    def __init__(self, engine: Any, grammar: Grammar, limits: Limits, settings: Settings) -> None:
        self.engine = engine
        self.grammar = grammar
        self.limits = limits
        self.settings = settings
        self.thoughts = Thoughts()
        self.started = int(time.time())

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

    async def chat(self, request: Request) -> Response:
        self._let_in(request)
        body = await self._body(request)
        asked = read_request(body, self.thoughts)
        reply = _Reply(self, asked)
        if asked.stream:
            return StreamingResponse(
                streamed(reply.events()), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
            )
        return JSONResponse(await run_in_threadpool(reply.whole))

    def _let_in(self, request: Request) -> None:
        if not self.settings.key:
            self._refuse_foreign_names(request)
            return
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        # In constant time: how long a comparison takes would tell how much of a guess is right.
        if not hmac.compare_digest(given.encode(), self.settings.key.encode()):
            raise Refusal("the API key is missing or wrong", 401)

    def _refuse_foreign_names(self, request: Request) -> None:
        """A web page may have its own name resolved to this machine, and then talk to it as to its own server."""
        hosts = self.settings.hosts
        if hosts and request.url.hostname not in hosts:
            raise Refusal(
                f"this server answers to {', '.join(hosts)} alone; --key-env NAME lets in whoever has the key", 403
            )

    async def _body(self, request: Request) -> Any:
        """The JSON of a request. Only application/json is taken, which no web page can send here unasked."""
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise Refusal("the content type must be application/json", 415)
        body = b""
        try:
            async for piece in request.stream():
                body += piece
                if len(body) > self.settings.largest:
                    raise Refusal(f"the request is larger than {self.settings.largest:,} bytes", 413)
            return without_surrogates(json.loads(body))
        except ClientDisconnect:
            raise Refusal("the client went away") from None
        except (ValueError, RecursionError) as error:
            raise Refusal(f"the request is not JSON: {error}") from None


async def streamed(events: Generator[str, None, None]) -> AsyncIterator[str]:
    """The events, made in one thread without waiting for who reads them: the generator holds the engine, so neither a
    client that reads slowly nor others that have taken every thread may keep it from its end. It is closed where the
    client goes away.
    """
    loop = asyncio.get_running_loop()
    made: asyncio.Queue[str | None] = asyncio.Queue()
    gone = threading.Event()

    def make() -> None:
        try:
            for event in events:
                if gone.is_set():
                    return
                loop.call_soon_threadsafe(made.put_nowait, event)
        finally:
            events.close()
            if not gone.is_set():
                loop.call_soon_threadsafe(made.put_nowait, None)

    making = asyncio.ensure_future(run_in_threadpool(make))
    try:
        while (event := await made.get()) is not None:
            yield event
        await making
    finally:
        gone.set()


class _Reply:
    """The reply to one request: the loop is driven up to its answer, or to the first call that may run."""

    def __init__(self, server: _Server, asked: ChatRequest) -> None:
        self.server = server
        self.asked = asked
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self.prompt_tokens = 0
        self.generated = 0

    def whole(self) -> dict[str, Any]:
        """The reply as one object."""
        content, reasoning, calls, finish = "", "", [], "stop"
        for delta in self._deltas():
            content += delta.content
            reasoning += delta.reasoning
            calls += [delta.call] if delta.call else []
            finish = delta.finish or finish
        message: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None}
        if reasoning:
            message["reasoning_content"] = reasoning
        if calls:
            message["tool_calls"] = [_call(call) for call in calls]
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def events(self) -> Generator[str, None, None]:
        """The reply as server-sent events."""
        yield self._event({"role": "assistant", "content": ""}, None)
        try:
            for delta in self._deltas():
                if delta.reasoning:
                    yield self._event({"reasoning_content": delta.reasoning}, None)
                if delta.content:
                    yield self._event({"content": delta.content}, None)
                if delta.call:
                    yield self._event({"tool_calls": [{"index": 0, **_call(delta.call)}]}, None)
                if delta.finish:
                    yield self._event({}, delta.finish)
        except SwiftAgentError as error:
            yield f"data: {json.dumps({'error': {'message': str(error), 'type': 'server_error'}})}\n\n"
            return
        if self.asked.counts_usage:
            counted = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()}
            yield f"data: {json.dumps(counted)}\n\n"
        yield "data: [DONE]\n\n"

    def _deltas(self) -> Iterator[Delta]:
        asked = self.asked
        limits = self.server.limits
        # A client counts the tokens of one reply, which is one step of the loop.
        if asked.max_tokens is not None:
            limits = msgspec.structs.replace(limits, step_tokens=asked.max_tokens)
        turn = run_turn(asked.conversation, None, limits, self.server.grammar)
        stream = AnswerStream(react=asked.conversation.is_agentic and bool(self.server.grammar.stop))
        thought, written, first = "", Generated(""), True
        reply: Reply = None
        try:
            while True:
                request = turn.send(reply)
                reply = None
                if isinstance(request, Generate):
                    written = yield from self._write(request, stream, self._prefix() if first else "")
                    reply, first = written, False
                elif isinstance(request, Progress) and isinstance(request.event, Thought):
                    thought = request.event.text
                    yield Delta(reasoning=thought)
                # The client runs its tools itself, so the loop ends at the first call that may run.
                elif isinstance(request, RunTool):
                    turn.close()
                    call = request.call
                    yield Delta(call=Call(call.tool, call.arguments, self.server.thoughts.new_id(thought)))
                    yield Delta(finish="tool_calls")
                    return
        except StopIteration as done:
            answer = done.value.answer or ""
            for stop in asked.stop:
                answer = answer.partition(stop)[0]
            yield Delta(content=stream.rest(answer))
            yield Delta(finish="length" if done.value.stopped_by in ("length", "tokens", "seconds") else "stop")

    def _prefix(self) -> str:
        match self.asked.forced:
            case "":
                return ""
            case "none":
                return self.server.grammar.final_prefix(self.asked.conversation)
            case "*":
                return "Action:" if self.server.grammar.stop else ""
            case name:
                return f"Action: {name}\nAction Input:" if self.server.grammar.stop else ""

    def _write(self, request: Generate, stream: AnswerStream, prefix: str) -> Generator[Delta, None, Generated]:
        """Generate one step and hand on what is surely answer. Returns the Generated."""
        messages: list[Message] = [*request.messages, *([{"role": "assistant", "content": prefix}] if prefix else [])]
        temperature = self.server.settings.temperature if self.asked.temperature is None else self.asked.temperature
        usage = Usage()
        stops = (*((request.stop,) if request.stop else ()), *self.asked.stop)
        text, ended_by = prefix, ""
        pieces = self.server.engine.generate(
            messages,
            stop=stops,
            max_tokens=request.max_tokens,
            temperature=temperature,
            tools=request.tools,
            usage=usage,
        )
        started = time.monotonic()
        try:
            for piece in map(without_surrogates, pieces):
                text += piece
                if request.stop and (":" in piece or "：" in piece) and step_end(text) is not None:
                    ended_by = "stop"
                    break
                if not self.asked.stop and (new := stream.grown(text)):
                    yield Delta(content=new)
                if time.monotonic() - started > request.seconds:
                    ended_by = "seconds"
                    break
        finally:
            pieces.close()
        self.prompt_tokens = usage.prompt_tokens or self.prompt_tokens
        self.generated += usage.generated
        return Generated(text, usage.generated, time.monotonic() - started, ended_by or usage.ended_by)

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.server.settings.name}

    def _event(self, delta: dict[str, Any], finish: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return (
            f"data: {json.dumps({**self._head('chat.completion.chunk'), 'choices': [choice]}, ensure_ascii=False)}\n\n"
        )

    def _usage(self) -> dict[str, int]:
        total = self.prompt_tokens + self.generated
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.generated, "total_tokens": total}


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": call.id, "type": "function", "function": function}
