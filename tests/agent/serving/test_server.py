"""`swiftagent serve` through the real `openai` client."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from served import Served

from swiftagent.agent.serving.server import streamed
from swiftagent.trajectory.react import render
from swiftagent.trajectory.record import to_messages
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

openai = pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": CITY}}]
ASKED = [{"role": "user", "content": "?"}]
DEEP_CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "x", "function": {"name": "weather", "arguments": "[" * 100_000}}],
}
RESULT = {"role": "tool", "tool_call_id": "x", "content": "3C"}
LOOK = 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:'
DONE = "Thought: I now know the final answer\nFinal Answer: It is 3C,\n <b> cold[1]."


def test_a_call_its_result_and_the_answer(serve: Callable[..., Served]):
    served = serve(LOOK, DONE)
    messages: list[Any] = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Oslo?"}]
    first = served.ask(messages, tools=TOOLS)
    message = first.choices[0].message
    assert (first.choices[0].finish_reason, message.content, message.reasoning_content) == ("tool_calls", None, "look")
    call = message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
    back = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
    second = served.ask([*messages, back, {"role": "tool", "tool_call_id": call.id, "content": "3C"}], tools=TOOLS)
    assert (second.choices[0].finish_reason, second.choices[0].message.content) == ("stop", "It is 3C,\n <b> cold[1].")
    assert second.usage.completion_tokens > 0
    events = (
        System("Be short."),
        Question("Oslo?"),
        Thought("look"),
        Call("weather", {"city": "Oslo"}),
        Observation("3C"),
    )
    trained = Trajectory(events, (Tool("weather", "of a city", CITY),))
    assert served.engine.prompts[1] == to_messages(render(trained))


@pytest.mark.parametrize("text, wanted", [(DONE, "It is 3C,\n <b> cold[1]."), ("just text", "just text")])
def test_streamed_answers_are_the_answer_alone(serve: Callable[..., Served], text: str, wanted: str):
    stream = serve(text).ask(
        [{"role": "user", "content": "?"}], tools=TOOLS, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == wanted
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_plain_chat_streams_as_it_comes(serve: Callable[..., Served]):
    stream = serve("<think>\nhm\n</think>\n\nHello you there").ask([{"role": "user", "content": "?"}], stream=True)
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == "Hello you there"
    assert len(pieces) > 2


def test_streamed_calls(serve: Callable[..., Served]):
    chunks = list(serve(LOOK).ask([{"role": "user", "content": "?"}], tools=TOOLS, stream=True))
    calls = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks if chunk.choices[0].delta.tool_calls]
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", '{"city": "Oslo"}')]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_wrong_call_is_mended_before_the_client_sees_it(serve: Callable[..., Served]):
    served = serve(LOOK.replace("city", "town"), LOOK)
    reply = served.ask([{"role": "user", "content": "?"}], tools=TOOLS)
    assert json.loads(reply.choices[0].message.tool_calls[0].function.arguments) == {"city": "Oslo"}
    assert "missing required parameter 'city'" in served.engine.prompts[1][-1]["content"]


def test_a_call_may_be_forced_or_forbidden(serve: Callable[..., Served]):
    served = serve(' {"city": "Rome"}\nObservation:', "hello")
    reply = served.ask(
        [{"role": "user", "content": "?"}],
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    assert reply.choices[0].message.tool_calls[0].function.arguments == '{"city": "Rome"}'
    assert served.engine.prompts[0][-1]["content"] == "Action: weather\nAction Input:"
    assert (
        served.ask([{"role": "user", "content": "?"}], tools=TOOLS, tool_choice="none").choices[0].message.content
        == "hello"
    )
    assert len(served.engine.prompts[1]) == 1


def test_a_stop_of_the_client_cuts_the_answer(serve: Callable[..., Served]):
    assert (
        serve("Final Answer: one two three")
        .ask([{"role": "user", "content": "?"}], tools=TOOLS, stop=["two"])
        .choices[0]
        .message.content.strip()
        == "one"
    )


def test_models_and_health(serve: Callable[..., Served]):
    served = serve()
    with served.client() as client:
        assert [model.id for model in client.models.list()] == ["my-agent"]
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("other")
    assert httpx.get(f"{served.url}/health").json() == {"status": "ok", "model": "my-agent"}


def test_the_key_is_asked_for(serve: Callable[..., Served]):
    served = serve("hello", key="sk-right")
    with served.client("sk-wrong") as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
    with served.client("sk-right") as client:
        reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
    assert reply.choices[0].message.content == "hello"


@pytest.mark.parametrize(
    "body, told",
    [
        ({"messages": []}, "messages must be a list that is not empty"),
        ({"messages": [{"role": "boss", "content": ""}]}, "role 'boss' is none of system, user, assistant, tool"),
        ({"messages": [{"role": "assistant", "content": ""}]}, "messages must end on a user or tool message"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "content must be a text or a list of text parts",
        ),
        ({"messages": ASKED, "n": 17}, "n: expected `int` <= 16"),
        (
            {"messages": [{"role": "user", "content": "?"}], "tool_choice": "required"},
            'tool_choice "required" names no declared tool',
        ),
        ({"messages": [{"role": "user", "content": "?"}], "tools": "x{"}, "tools must be a list"),
        ({"messages": [{"role": "user", "content": "?"}], "max_tokens": 0}, "max_tokens: expected `int` >= 1"),
        ({"messages": ASKED, "max_tokens": True}, "max_tokens: expected `int | null`, got `bool`"),
        ({"messages": ASKED, "stop": 5}, "stop: expected `str | array`, got `int`"),
        ({"messages": ASKED, "stream_options": "usage"}, "stream_options: expected `object`, got `str`"),
        ({"messages": [*ASKED, DEEP_CALL, RESULT]}, "arguments end in the middle"),
        ({"messages": ASKED, "response_format": {"type": "\ud800"}}, "response_format \ufffd is not supported"),
        ({"messages": ASKED, "response_format": {"type": "json_object"}}, "swiftagent[strict]"),
        ({"messages": ASKED, "logprobs": True}, "logprobs is not supported"),
        ({"messages": ASKED, "top_p": 0}, "top_p: expected `float` > 0.0"),
        ({"messages": ASKED, "seed": "x"}, "seed: expected `int | null`, got `str`"),
        ({"messages": ASKED, "tools": [{"type": "web_search"}]}, "tools[0]: a tool of type 'web_search'"),
        ({"messages": [*ASKED, RESULT]}, "tool result '3C' answers no call"),
        ([], "the request must be a JSON object"),
    ],
)
def test_bad_requests_are_told(serve: Callable[..., Served], body: Any, told: str):
    as_json = {"Content-Type": "application/json"}
    reply = httpx.post(f"{serve().url}/v1/chat/completions", content=json.dumps(body), headers=as_json)
    assert (reply.status_code, told in reply.json()["error"]["message"]) == (400, True)


def test_large_and_foreign_requests_are_refused(serve: Callable[..., Served]):
    url = f"{serve(largest=1000).url}/v1/chat/completions"
    assert httpx.post(url, json={"messages": "x" * 2000}).status_code == 413
    assert httpx.post(url, content="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert httpx.post(url, content="{", headers={"Content-Type": "application/json"}).status_code == 400


def test_an_answer_after_an_earlier_one(serve: Callable[..., Served]):
    served = serve("Final Answer: two")
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "b"},
    ]
    assert served.ask(history, tools=TOOLS).choices[0].message.content == "two"
    events = (Question("a"), Answer("one"), Question("b"))
    assert served.engine.prompts[0] == to_messages(render(Trajectory(events, (Tool("weather", "of a city", CITY),))))


def test_a_client_that_goes_away_frees_the_engine(serve: Callable[..., Served]):
    served = serve("Final Answer: " + "long " * 2000, "Final Answer: second")
    lock, generate = threading.Lock(), served.engine.generate

    def one_at_a_time(*args: Any, **settings: Any) -> Iterator[str]:
        with lock:
            for piece in generate(*args, **settings):
                time.sleep(0.005)
                yield piece

    served.engine.generate = one_at_a_time  # type: ignore[method-assign]
    body = {"messages": ASKED, "tools": TOOLS, "stream": True}
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body) as reply:
        next(reply.iter_lines())
    started = time.monotonic()
    assert served.ask(ASKED, tools=TOOLS, timeout=60).choices[0].message.content == "second"
    assert time.monotonic() - started < 12  # the abandoned answer alone would have taken 17


def test_a_page_that_gave_this_machine_its_own_name_is_refused(serve: Callable[..., Served]):
    served = serve("hello", hosts=("127.0.0.1", "localhost", "::1"))
    url, body = f"{served.url}/v1/chat/completions", {"messages": ASKED}
    for host, status in (
        ("evil.example:8000", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("evil.example#localhost", 403),
        ("", 403),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
    ):
        served.engine.texts = ["hello"]
        assert httpx.post(url, json=body, headers={"Host": host}).status_code == status, host
    assert httpx.get(f"{served.url}/v1/models", headers={"Host": "evil.example"}).status_code == 403
    keyed = serve("hello", hosts=("127.0.0.1",), key="sk-1")
    headers = {"Host": "proxy.example", "Authorization": "Bearer sk-1"}
    assert httpx.post(f"{keyed.url}/v1/chat/completions", json=body, headers=headers).status_code == 200


def test_a_client_that_stops_reading_holds_up_nobody():
    engine = threading.Lock()

    def events() -> Iterator[str]:
        with engine:
            yield from map(str, range(1000))

    async def reads_one_event() -> bool:
        stream = streamed(events())
        assert await anext(stream) == "0"
        free = await asyncio.to_thread(engine.acquire, timeout=10)
        await stream.aclose()
        return free

    assert asyncio.run(reads_one_event())


def test_more_clients_than_threads_get_their_answers_beside_a_stream(serve: Callable[..., Served]):
    served = serve(*["Final Answer: ok and more"] * 60)
    lock, generate = threading.Lock(), served.engine.generate

    def one_at_a_time(*args: Any, **settings: Any) -> Iterator[str]:
        with lock:
            for piece in generate(*args, **settings):
                time.sleep(0.01)
                yield piece

    served.engine.generate = one_at_a_time  # type: ignore[method-assign]
    url, body = f"{served.url}/v1/chat/completions", {"messages": ASKED, "tools": TOOLS}
    with ThreadPoolExecutor(50) as threads, httpx.Client(timeout=30, limits=httpx.Limits(max_connections=60)) as client:
        with client.stream("POST", url, json={**body, "stream": True}) as reply:
            lines = reply.iter_lines()
            next(lines)
            others = [threads.submit(client.post, url, json=body) for _ in range(50)]
            assert [*lines][-2] == "data: [DONE]"
        assert {other.result().status_code for other in others} == {200}
