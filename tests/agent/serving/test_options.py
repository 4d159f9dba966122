"""Options of a request work, or are refused by name; errors are OpenAI's JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from scripted_engine import ScriptedEngine
from served import Served, serving

from swiftagent.agent.drive import RequestRefused
from swiftagent.agent.sampling import Sampling

openai = pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")
ASKED = [{"role": "user", "content": "?"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def test_sampling_reaches_the_engine(serve: Callable[..., Served]) -> None:
    served = serve("a", "b")
    reply = served.ask(ASKED, top_p=0.5, seed=7, temperature=0.3, max_completion_tokens=9, n=2)
    assert [(choice.index, choice.message.content) for choice in reply.choices] == [(0, "a"), (1, "b")]
    first, second = served.engine.settings
    assert (first["sampling"], second["sampling"]) == (Sampling(0.5, 7, (), 0.3), Sampling(0.5, 8, (), 0.3))
    assert (first["temperature"], first["max_tokens"]) == (0.3, 9)


def test_several_choices_are_streamed(serve: Callable[..., Served]) -> None:
    chunks = serve("one", "two").ask(ASKED, n=2, stream=True)
    texts = {0: "", 1: ""}
    for chunk in chunks:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {0: "one", 1: "two"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tools, text", [(None, "one two three"), (TOOLS, "Thought: two\nFinal Answer: one two three")])
def test_a_stop_word_cuts_the_answer_alone(serve: Callable[..., Served], tools: Any, text: str, stream: bool) -> None:
    more = {"tools": tools} if tools else {}
    reply = serve(text).ask(ASKED, stop="two", stream=stream, **more)
    if stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in reply) == "one "
        assert reply[-1].choices[0].finish_reason == "stop"
    else:
        assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("one ", "stop")


class FullEngine(ScriptedEngine):
    """Its context is full before it writes anything."""

    def generate(self, request: Any, sampling: Any, usage: Any) -> Iterator[str]:
        usage.prompt_tokens, usage.ended_by = 5000, "length"
        return
        yield


class RefusingEngine(ScriptedEngine):
    """Stands before a server that takes no such prompt."""

    def generate(self, request: Any, *settings: Any) -> Iterator[str]:
        raise RequestRefused("http://x/v1: HTTP 400: longer than the context")
        yield


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tools, engine", [([], FullEngine), (TOOLS, FullEngine), (TOOLS, RefusingEngine)])
def test_a_prompt_beyond_the_context(stream: bool, tools: list[Any], engine: Any) -> None:
    with serving(engine()) as served, pytest.raises(openai.BadRequestError) as refused:
        served.ask(ASKED, stream=stream, tools=tools)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")


def test_an_unknown_path_is_an_error_as_openai_writes_it(serve: Callable[..., Served]) -> None:
    served = serve()
    with served.client() as client, pytest.raises(openai.NotFoundError, match="/v1/embeddings is not served here"):
        client.embeddings.create(model="m", input="x")
    reply = httpx.get(f"{served.url}/v1/chat/completions")
    assert (reply.status_code, reply.json()["error"]["type"]) == (405, "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True])
def test_functions_are_answered_as_functions(serve: Callable[..., Served], stream: bool) -> None:
    served = serve("Thought: look\nAction: weather\nAction Input: {}\nObservation:")
    body = {"functions": [TOOLS[0]["function"]], "function_call": "auto"}
    reply = served.ask(ASKED, extra_body=body, stream=stream)
    if stream:
        [called] = [chunk.choices[0].delta.function_call for chunk in reply if chunk.choices[0].delta.function_call]
        assert (called.name, reply[-1].choices[0].finish_reason) == ("weather", "function_call")
    else:
        choice = reply.choices[0]
        assert (choice.message.function_call.name, choice.finish_reason) == ("weather", "function_call")


@pytest.mark.parametrize("tools", [[], TOOLS])
@pytest.mark.parametrize(
    "wanted", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}]
)
def test_response_format_without_the_extra_is_refused_by_name(
    serve: Callable[..., Served], wanted: Any, tools: list[Any]
) -> None:
    with pytest.raises(openai.BadRequestError, match=r"pip install 'swiftagent\[strict\]'") as refused:
        serve("{}").ask(ASKED, response_format=wanted, tools=tools)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "response_format")
