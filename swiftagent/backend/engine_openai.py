"""Any server with OpenAI's interface: vLLM, Ollama, llama.cpp, a cloud.

Three ways to write a ReAct step, the first that the server takes:
completions  `/v1/completions` with the prompt of training, where a tokenizer is known: as ids, else as text
partial      `/v1/chat/completions` with the turn so far as last assistant message, which the server continues
user         `/v1/chat/completions` with each result as a user message: not what was trained, and reported once
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from msgspec.structs import replace

from swiftagent.agent.drive import RequestRefused, Usage
from swiftagent.agent.loop import Generate
from swiftagent.agent.native import END_NOW
from swiftagent.agent.sampling import PLAIN, Sampling
from swiftagent.backend.loading import Server
from swiftagent.errors import SetupError, at
from swiftagent.formats.writers.openai import function_tool
from swiftagent.trajectory.react import OBSERVATION
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Tool

# vLLM's and SGLang's words; Ollama needs none.
CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}
WAYS = ("completions-ids", "completions-text", "partial", "user")
_ANY = {"type": "object", "properties": {}}
_TOO_LONG = re.compile(r"context (?:length|size|window)|maximum context|too long|too many tokens|exceeds? the", re.I)
_LONGEST_EVENT = 4 << 20  # bytes
BUSY, BUSY_WAITS = (429, 502, 503, 504), (1.0, 2.0, 4.0, 8.0)


class UnsupportedRequest(Exception):
    """The server does not take a request of this kind."""


class OpenAIEngine:
    """A client of one server. Several threads may use it at once.

    encoder: writes the prompt as training does (engine_prompt.PromptEncoder), where a tokenizer is known.
    """

    def __init__(self, server: Server, model: str, encoder: Any = None) -> None:
        self.base_url = server.base_url.rstrip("/")
        self.name = f"{model} at {self.base_url}"
        self.model = model
        self.encoder = encoder
        self.way = "completions-ids" if encoder is not None else "partial"
        self._tell = server.tell
        # Further fields that this server needs.
        self._extra: dict[str, Any] = {}
        # The way in which the last answer came.
        self._worked = ""
        self._lock = threading.Lock()
        # A packed answer could unpack to any size.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {server.key}"} if server.key else {})
        timeout = httpx.Timeout(server.seconds, connect=10)
        # A proxy of the environment would not reach a server on this machine.
        is_local = (urlsplit(self.base_url).hostname or "") in ("127.0.0.1", "localhost", "::1")
        self._client = httpx.Client(headers=headers, timeout=timeout, trust_env=not is_local)

    def generate(self, request: Generate, sampling: Sampling = PLAIN, usage: Usage | None = None) -> Iterator[str]:
        """Yield the text as it comes; in `usage` tokens are pieces where the server does not count them.

        Raises SetupError where the server cannot be reached, refuses every way or breaks off with an error;
        RequestRefused where it is this request that it does not take.
        """
        usage = usage or Usage()
        settings = {"model": self.model, "max_tokens": request.max_tokens, "temperature": sampling.temperature}
        settings |= {"stream": True} | ({"top_p": sampling.top_p} if sampling.top_p < 1 else {})
        settings |= {"seed": sampling.seed} if sampling.seed is not None else {}
        settings |= {"stop": [request.stop]} if request.stop else {}
        while True:
            way = self.way
            path, body = self._request(way, request.messages, request.tools)
            try:
                yield from self._stream(way, path, {**settings, **body, **self._extra}, usage)
                self._worked = way
                return
            except UnsupportedRequest as refusal:
                self._next_way(way, str(refusal), bool(request.tools))

    def close(self) -> None:
        self._client.close()

    def _request(self, way: str, messages: list[Message], tools: tuple[Tool, ...]) -> tuple[str, dict[str, Any]]:
        if way.startswith("completions") and not tools:
            encode = self.encoder.encode if way == "completions-ids" else self.encoder.text
            return "/completions", {"prompt": encode(messages)}
        body: dict[str, Any] = {"messages": chat_messages(messages)}
        if tools:
            # Servers refuse an empty schema.
            body["tools"] = [function_tool(replace(tool, parameters=tool.parameters or _ANY)) for tool in tools]
        elif way == "user":
            body["messages"] = results_as_user(messages)
        elif body["messages"][-1]["role"] == "assistant":
            body |= CONTINUE
        return "/chat/completions", body

    def _next_way(self, refused: str, refusal: str, native: bool) -> None:
        """Fall back to the next way, once however many threads were refused the last one."""
        if native or refused == "user":
            raise self._given_up(f"{self.name}: {refusal}")
        with self._lock:
            if self.way != refused:
                return
            self.way = WAYS[WAYS.index(refused) + 1]
        if self.way == "user":
            self._tell(
                "this server does not continue an unfinished turn, so results are sent as user messages, which is not "
                "what was trained; --tokenizer M with a server that has /v1/completions is exact"
            )

    def _given_up(self, reason: str) -> SetupError:
        """The error of the last way: of this request alone where the server has answered others."""
        if not self._worked:
            return SetupError(reason)
        self.way = self._worked
        return RequestRefused(reason)

    def _stream(self, way: str, path: str, body: dict[str, Any], usage: Usage) -> Iterator[str]:
        try:
            for wait in (*BUSY_WAITS, None):
                with self._client.stream("POST", self.base_url + path, json=body) as reply:
                    if reply.status_code in BUSY and wait is not None:
                        # What the server asks for, at most a minute.
                        asked = reply.headers.get("retry-after", "")
                        time.sleep((min(60.0, float(asked)) if asked.isdigit() else 0.0) or wait)
                        continue
                    if reply.status_code >= 400:
                        # The beginning is enough for a reason.
                        self._refuse(way, httpx.Response(reply.status_code, content=next(reply.iter_raw(1 << 16), b"")))
                    with at(self.base_url):
                        yield from _text_of(_lines(reply), usage)
                    return
        except httpx.HTTPError as error:
            raise SetupError(
                f"{self.base_url}: cannot be reached: {error or type(error).__name__}; is the server running?"
            ) from error

    def _refuse(self, way: str, reply: httpx.Response) -> None:
        try:
            reason = _message(reply.json())
        except ValueError:
            reason = reply.text[:300]
        if reply.status_code == 500 and way == "completions-ids" and "valid string" in reason:
            # llama-cpp-python's way of saying that it takes no ids. It also punishes repeated tokens, which spoils
            # copied names.
            self._extra = {"repeat_penalty": 1.0}
            raise UnsupportedRequest(reason)
        if reply.status_code in (400, 413, 422, 500) and _TOO_LONG.search(reason):
            raise RequestRefused(f"{self.base_url}: HTTP {reply.status_code}: {reason}")
        is_missing = "does not exist" in reason or "not found" in reason.lower()
        if reply.status_code in (400, 404, 405, 415, 422, 501) and not is_missing:
            raise UnsupportedRequest(reason)
        if reply.status_code == 404 and way.startswith("completions") and "model" not in reason.lower():
            raise UnsupportedRequest(reason)
        problem = f"{self.base_url}: HTTP {reply.status_code}: {reason}"
        raise self._given_up(problem) if reply.status_code in (400, 413, 422, 500) else SetupError(problem)


def _message(value: Any) -> str:
    """The message of {"error": {"message": ...}}, or of something like it."""
    error = value.get("error", value) if isinstance(value, dict) else value
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]


def _event(line: str) -> dict[str, Any]:
    """One server-sent event. Raises SetupError for an error, after which no more comes: what came before it is no whole
    text."""
    try:
        event = json.loads(line[5:])
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise SetupError(
            f"an event that is not a JSON object: {line[:100]!r}; is this a server with OpenAI's interface?"
        )
    if event.get("error"):
        raise SetupError(f"broke off with an error: {_message(event)}; its log may say more")
    return event


def _lines(reply: httpx.Response) -> Iterator[str]:
    """The lines of an answer. Raises SetupError for one that is too long to be an event, or could unpack to one."""
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise SetupError("the answer is packed, which was not asked for")
    line = b""
    for piece in reply.iter_raw():
        *lines, line = (line + piece).split(b"\n")
        yield from (each.decode(errors="replace") for each in lines)
        if len(line) > _LONGEST_EVENT:
            raise SetupError(
                f"an event of more than {_LONGEST_EVENT >> 20} MB; is this a server with OpenAI's interface?"
            )
    yield line.decode(errors="replace")


def _text_of(lines: Iterator[str], usage: Usage) -> Iterator[str]:
    """The text of server-sent events; tool calls come as hermes text at the end, so that one reader reads both."""
    calls: dict[int, dict[str, str]] = {}
    is_whole = False
    for line in lines:
        is_done = line.strip() == "data: [DONE]"
        is_whole = is_whole or is_done
        if is_done or not line.startswith("data:"):
            continue
        event = _event(line)
        counted = event.get("usage") or {}
        usage.prompt_tokens = counted.get("prompt_tokens") or usage.prompt_tokens
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            piece = choice.get("text") or delta.get("content") or ""
            if piece:
                usage.generated += 1
                yield piece
            for part in delta.get("tool_calls") or ():
                call = calls.setdefault(part.get("index") or 0, {"name": "", "arguments": ""})
                function = part.get("function") or {}
                call["name"] += function.get("name") or ""
                call["arguments"] += function.get("arguments") or ""
            usage.ids = [*usage.ids, *(choice.get("token_ids") or ())]
            is_whole = is_whole or bool(choice.get("finish_reason"))
            # A filter cuts a text as a limit does.
            if choice.get("finish_reason") in ("length", "content_filter"):
                usage.ended_by = "length"
        usage.generated = counted.get("completion_tokens") or usage.generated
    if not is_whole:
        raise SetupError("broke off within an answer; its log may say more")
    for _, call in sorted(calls.items()):
        name, arguments = json.dumps(call["name"]), call["arguments"] or "{}"
        yield f'\n<tool_call>\n{{"name": {name}, "arguments": {arguments}}}\n</tool_call>'


def chat_messages(messages: list[Message]) -> list[Message]:
    """Record messages as OpenAI's: neighbours of one turn joined, calls and results in its own fields."""
    chat: list[Message] = []
    calls = 0
    waiting: list[str] = []  # ids of calls whose results are still to come
    for message in messages:
        role, content = message["role"], message["content"]
        last = chat[-1] if chat else {}
        if role == "tool_call":
            value = json.loads(content)
            function = {"name": value["name"], "arguments": json.dumps(value["arguments"], ensure_ascii=False)}
            if last.get("role") != "assistant":
                chat.append({"role": "assistant", "content": None})
            waiting.append(f"c{calls}")
            chat[-1].setdefault("tool_calls", []).append({"id": f"c{calls}", "type": "function", "function": function})
            calls += 1
        elif role in ("tool_response", "tool"):
            chat.append({"role": "tool", "content": content, "tool_call_id": waiting.pop(0) if waiting else ""})
        elif role == "assistant" == last.get("role"):
            last["content"] = (last["content"] or "") + content
        elif role != "assistant" or content:
            chat.append({"role": role, "content": content})
    return chat


def results_as_user(messages: list[Message]) -> list[Message]:
    """Record messages for a server that writes whole turns only: a result is what the user says next."""
    chat: list[Message] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "assistant" and message.get("loss") is False and content:
            role, content = "user", f"{OBSERVATION} {content.strip()}"
        elif role == "assistant" and content.endswith("Final Answer:"):
            role, content = "user", f"{END_NOW} Begin with `Final Answer:`."
        elif role == "assistant":
            content = content.removesuffix(f"\n{OBSERVATION}")
        if chat and chat[-1]["role"] == role:
            chat[-1]["content"] += f"\n{content}" if content else ""
        elif role != "assistant" or content:
            chat.append({"role": role, "content": content})
    return chat
