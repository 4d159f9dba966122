"""The client of a server with OpenAI's interface, against real servers on loopback that take one way or another."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from swiftagent.agent.drive import RequestRefused, Runtime, answer
from swiftagent.agent.loop import Generate, start
from swiftagent.agent.native import Native
from swiftagent.backend.engine import load_engine
from swiftagent.backend.engine_openai import OpenAIEngine, chat_messages, results_as_user
from swiftagent.backend.loading import Server
from swiftagent.errors import ConfigError, SetupError
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.react import STOP, render
from swiftagent.trajectory.record import to_messages
from swiftagent.trajectory.types import Call, Observation, Question, Thought, Tool, Trajectory

TOOLS = (Tool("weather", "", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),)
LOOK = 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}'
DONE = "Thought: I now know the final answer\nFinal Answer: 3C"


X = Generate([{"role": "user", "content": "x"}])


class OneServer(http.server.ThreadingHTTPServer):
    """Writes what `script` says; `refuses` are the things that it answers with 400."""

    script: list[Any]
    seen: list[tuple[str, dict[str, Any]]]
    refuses: tuple[str, ...] = ()
    refusal: tuple[int, str] = (400, "no {} here")
    together: threading.Barrier | None = None  # the first refusals wait for each other


class Handler(http.server.BaseHTTPRequestHandler):
    server: OneServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body))
        chat = self.path.endswith("/chat/completions")
        continued = chat and body["messages"][-1]["role"] == "assistant"
        told = {
            "any": True,
            "/completions": not chat,
            "ids": isinstance(body.get("prompt"), list),
            "partial": continued,
        }
        refused = next((name for name in self.server.refuses if told.get(name)), None)
        if refused:
            if self.server.together is not None and len(self.server.seen) <= self.server.together.parties:
                self.server.together.wait(10)
            status, text = self.server.refusal
            self.reply(status, json.dumps({"error": {"message": text.format(refused)}}).encode())
            return
        written = self.server.script.pop(0)
        if isinstance(written, bytes):
            self.reply(200, written)
            return
        if isinstance(written, dict):
            self.reply(200, self.event({"content": "Thought: lo"}, None) + f"data: {json.dumps(written)}\n\n".encode())
            return
        lines = (
            [self.event({"tool_calls": written} if chat else {}, None)]
            if isinstance(written, list)
            else [
                self.event({"content": piece} if chat else {}, None if chat else piece)
                for piece in (written[:5], written[5:])
            ]
        )
        self.reply(200, b"".join([*lines, b"data: [DONE]\n\n"]))

    def event(self, delta: dict[str, Any], text: str | None) -> bytes:
        choice = {"delta": delta} if text is None else {"text": text}
        return b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n"

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if body.startswith(b"\x1f\x8b"):
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[OneServer]:
    with OneServer(("127.0.0.1", 0), Handler) as server:
        server.script, server.seen = [LOOK, DONE], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(server: OneServer, **settings: Any):
    told: list[str] = []
    url = f"http://127.0.0.1:{server.server_port}/v1"
    engine = load_engine("m", kind="openai", server=Server(url, key="sk-1", tell=told.append, **settings))
    try:
        turn = answer(Runtime(engine, Toolbox([]), lambda call, tool: "3C"), start(TOOLS), "Oslo?")
    finally:
        engine.close()
    return turn, told


def test_the_turn_so_far_is_the_last_assistant_message(server: OneServer):
    turn, told = run(server)
    assert (turn.answer, [step.observation for step in turn.steps], told) == ("3C", ["3C"], [])
    path, body = server.seen[1]
    assert path == "/v1/chat/completions"
    assert body["messages"][-1] == {"role": "assistant", "content": LOOK + "\nObservation: 3C\n"}
    assert (body["stop"], body["continue_final_message"], body["add_generation_prompt"]) == ([STOP], True, False)


def test_results_are_user_messages_where_nothing_else_is_taken_and_it_is_said_once(server: OneServer):
    server.refuses = ("partial",)
    server.script = [LOOK, LOOK.replace("Oslo", "Rome"), DONE]
    turn, told = run(server)
    assert turn.answer == "3C"
    assert len(told) == 1 and "results are sent as user messages" in told[0]
    assert server.seen[-1][1]["messages"][2:4] == [
        {"role": "assistant", "content": LOOK},
        {"role": "user", "content": "Observation: 3C"},
    ]


@pytest.mark.needs_swift
@pytest.mark.parametrize("refuses, status, kind", [((), 400, list), (("ids",), 400, str), (("ids",), 500, str)])
def test_with_a_tokenizer_the_prompt_is_that_of_training(
    server: OneServer, tiny_model: Any, refuses: tuple[str, ...], status: int, kind: type
):
    server.refuses, server.refusal = refuses, (status, "no {}: Input should be a valid string")  # 500: llama-cpp-python
    url = f"http://127.0.0.1:{server.server_port}/v1"
    engine = load_engine(
        "m", None, "qwen2_5", "openai", server=Server(url, tokenizer=str(tiny_model)), model_type="qwen2"
    )
    turn = answer(Runtime(engine, Toolbox([]), lambda call, tool: "3C"), start(TOOLS), "Oslo?")
    engine.close()
    assert turn.answer == "3C"
    path, body = server.seen[-1]
    assert path == "/v1/completions"
    prompt = body["prompt"] if kind is str else engine.encoder.tokenizer.decode(body["prompt"])
    assert isinstance(body["prompt"], kind)
    assert prompt.endswith(LOOK + "\nObservation: 3C\n")
    assert body.get("repeat_penalty") == (1.0 if status == 500 else None)


def test_native_calls_come_from_the_server(server: OneServer):
    function = {"name": "weather", "arguments": '{"city": "Oslo"}'}
    server.script = [[{"index": 0, "id": "x", "function": function}], "It is 3C."]
    url = f"http://127.0.0.1:{server.server_port}/v1"
    engine = load_engine("m", kind="openai", server=Server(url))
    turn = answer(Runtime(engine, Toolbox([]), lambda call, tool: "3C"), start(TOOLS), "Oslo?", grammar=Native())
    engine.close()
    assert (turn.steps[0].action_input, turn.answer) == ({"city": "Oslo"}, "It is 3C.")
    assert server.seen[1][1]["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c0", "type": "function", "function": function}]},
        {"role": "tool", "content": "3C", "tool_call_id": "c0"},
    ]


def test_a_server_that_is_not_there():
    engine = load_engine("m", kind="openai", server=Server("http://127.0.0.1:9/v1"))
    with pytest.raises(SetupError, match="cannot be reached"):
        list(engine.generate(X))
    engine.close()
    with pytest.raises(ConfigError, match="name the server and its model"):
        load_engine("m", kind="openai")


def test_a_way_that_two_threads_are_refused_at_once_is_left_once(server: OneServer):
    class Encoder:
        def encode(self, messages: list[Any]) -> list[int]:
            return [1, 2]

        def text(self, messages: list[Any]) -> str:
            return "text"

    server.refuses, server.together, server.script = ("ids",), threading.Barrier(2), [DONE, DONE]
    engine = OpenAIEngine(Server(f"http://127.0.0.1:{server.server_port}/v1"), "m", Encoder())
    with ThreadPoolExecutor(2) as threads:
        texts = list(
            threads.map(lambda name: "".join(engine.generate(Generate([{"role": "user", "content": name}]))), "ab")
        )
    engine.close()
    assert (texts, engine.way) == ([DONE, DONE], "completions-text")


@pytest.mark.parametrize(
    "event, told",
    [
        ({"error": {"message": "out of memory", "type": "server_error"}}, "broke off with an error: out of memory"),
        ({"error": "aborted"}, "broke off with an error: aborted"),
    ],
)
def test_an_answer_that_breaks_off_is_no_answer(server: OneServer, event: dict[str, Any], told: str):
    server.script = [event]
    with pytest.raises(SetupError, match=rf"http://127\.0\.0\.1:\d+/v1: {told}"):
        run(server)


@pytest.mark.parametrize(
    "sent, told",
    [
        (b"data: " + b"x" * (6 << 20), "an event of more than 4 MB; is this a server with OpenAI's interface"),
        (gzip.compress(b"data: " + bytes(1 << 20)), "the answer is packed, which was not asked for"),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "Thought: I"}}]}\n\n', "broke off within an answer"),
    ],
)
def test_an_event_without_end_and_a_packed_answer_are_refused(server: OneServer, sent: bytes, told: str):
    server.script = [sent]
    with pytest.raises(SetupError, match=told):
        run(server)


def test_messages_for_servers():
    events = (Question("?"), Thought("look"), Call("weather", {"city": "Oslo"}), Observation("3C"))
    messages = to_messages(render(Trajectory(events, TOOLS)))
    assert [message["role"] for message in chat_messages(messages)] == ["system", "user", "assistant"]
    assert [message["role"] for message in results_as_user(messages)] == ["system", "user", "assistant", "user"]


def test_a_request_that_is_too_long_spoils_no_other(server: OneServer):
    url = f"http://127.0.0.1:{server.server_port}/v1"
    engine = load_engine("m", kind="openai", server=Server(url, key="sk-1", tell=lambda text: None))
    try:
        server.refuses, server.refusal = ("any",), (400, "This model's maximum context length is 4 tokens")
        with pytest.raises(RequestRefused, match="maximum context length"):
            list(engine.generate(X))
        server.refuses, server.script = (), [DONE]
        assert "".join(engine.generate(X)) == DONE
        server.refuses, server.refusal = ("any",), (400, "filtered")
        with pytest.raises(RequestRefused, match="filtered"):
            list(engine.generate(X))
        server.refuses, server.script = ("partial",), [DONE]
        assert "".join(engine.generate(X)) == DONE
        assert "continue_final_message" not in server.seen[-1][1] and engine.way == "partial"
    finally:
        engine.close()
