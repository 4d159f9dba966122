"""Anthropic's messages through the official client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from served import Served

anthropic = pytest.importorskip("anthropic", reason="the anthropic client is not installed (pip install anthropic)")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"name": "weather", "description": "of a city", "input_schema": SCHEMA}]
LOOK = 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:'
DONE = "Thought: I now know the final answer\nFinal Answer: It is 3C."
ASKED = {"role": "user", "content": "Oslo?"}


@pytest.mark.parametrize("sends_thinking", [True, False])
def test_a_loop_of_tools(serve: Callable[..., Served], sends_thinking: bool) -> None:
    served = serve(LOOK, DONE)
    with served.anthropic() as client:
        settings: dict[str, Any] = {"model": "m", "max_tokens": 500, "system": "Be short.", "tools": TOOLS}
        first = client.messages.create(messages=[ASKED], **settings)
        thinking, call = first.content
        assert (thinking.thinking, call.name, call.input, first.stop_reason) == (
            "look",
            "weather",
            {"city": "Oslo"},
            "tool_use",
        )
        said = [block.model_dump() for block in first.content if sends_thinking or block.type != "thinking"]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "3C"}]}
        history = [ASKED, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
        second = client.messages.create(messages=history, **settings)
    assert (second.content[0].text, second.stop_reason) == ("It is 3C.", "end_turn")
    assert second.usage.output_tokens > 0
    assert [message["content"] for message in served.engine.prompts[1][2:]] == [
        'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:',
        " 3C\n",
    ]


def test_the_clients_own_runner_of_tools(serve: Callable[..., Served]) -> None:
    @anthropic.beta_tool
    def weather(city: str) -> str:
        """of a city"""
        return "3C"

    with serve(LOOK, DONE).anthropic() as client:
        runner = client.beta.messages.tool_runner(model="m", max_tokens=500, messages=[ASKED], tools=[weather])
        assert runner.until_done().content[0].text == "It is 3C."


def test_an_answer_of_a_given_shape(serve: Callable[..., Served]) -> None:
    form: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    served = serve('{"city": "Oslo"}', strict=True)
    with served.anthropic() as client:
        reply = client.messages.create(model="m", max_tokens=50, messages=[ASKED], output_config=form)
    assert reply.content[0].text == '{"city": "Oslo"}'
    assert served.engine.settings[0]["sampling"].forms[0].is_last


def test_streamed_blocks(serve: Callable[..., Served]) -> None:
    settings: dict[str, Any] = {"model": "m", "max_tokens": 500, "messages": [ASKED], "tools": TOOLS}
    served = serve(LOOK, DONE)
    with served.anthropic() as client:
        with client.messages.stream(**settings) as stream:
            kinds = [event.type for event in stream]
            called = stream.get_final_message()
        with client.messages.stream(**settings) as stream:
            text = "".join(stream.text_stream)
            answered = stream.get_final_message()
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert [block.type for block in called.content] == ["thinking", "tool_use"]
    assert (called.content[1].input, called.stop_reason) == ({"city": "Oslo"}, "tool_use")
    assert (text, answered.stop_reason, answered.usage.output_tokens > 0) == ("It is 3C.", "end_turn", True)


def test_parallel_native_calls(serve: Callable[..., Served]) -> None:
    one = '<tool_call>\n{"name": "weather", "arguments": {"city": "%s"}}\n</tool_call>'
    with serve(f"Both.\n{one % 'Oslo'}\n{one % 'Rome'}", native=True).anthropic() as client:
        reply = client.messages.create(model="m", max_tokens=500, messages=[ASKED], tools=TOOLS)
    assert [block.type for block in reply.content] == ["text", "tool_use", "tool_use"]
    assert [block.input for block in reply.content[1:]] == [{"city": "Oslo"}, {"city": "Rome"}]


def test_choices_stop_words_and_limits(serve: Callable[..., Served]) -> None:
    settings: dict[str, Any] = {"model": "m", "messages": [ASKED], "max_tokens": 3}
    served = serve("one two three", "Hello you there", ' {"city": "Rome"}\nObservation:', cut=True)
    with served.anthropic() as client:
        stopped = client.messages.create(**{**settings, "max_tokens": 50}, stop_sequences=["two"])
        assert (stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence) == ("one ", "stop_sequence", "two")
        cut = client.messages.create(**settings)
        assert (cut.content[0].text, cut.stop_reason) == ("Hello you", "max_tokens")
        choice: Any = {"type": "tool", "name": "weather"}
        called = client.messages.create(**{**settings, "max_tokens": 50}, tools=TOOLS, tool_choice=choice)
    assert called.content[0].input == {"city": "Rome"}


@pytest.mark.parametrize(
    "body, told",
    [
        ({"messages": []}, "messages must be a list that is not empty"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "is not supported"),
        ({"tool_choice": {"type": "any"}}, "names no declared tool"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]}]},
            "answers no call",
        ),
    ],
)
def test_wrong_requests(serve: Callable[..., Served], body: dict[str, Any], told: str) -> None:
    with serve().anthropic() as client, pytest.raises(anthropic.BadRequestError, match=told) as refused:
        client.messages.create(**{"model": "m", "max_tokens": 5, "messages": [ASKED], **body})
    assert refused.value.body["type"] == "error"
