"""OpenAI's responses through the official client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from served import Served

openai = pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "name": "weather", "description": "of a city", "parameters": SCHEMA}]
LOOK = 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:'


def test_a_loop_of_tools_with_the_earlier_response_in_memory(serve: Callable[..., Served]) -> None:
    ending = "Thought: I now know the final answer\nFinal Answer: 3C."
    served = serve(LOOK, ending, "Final Answer: yes", "Final Answer: no")
    with served.client() as client:
        first = client.responses.create(model="m", input="Oslo?", instructions="Be short.", tools=TOOLS)
        reasoning, call = first.output
        assert (reasoning.content[0].text, call.name, json.loads(call.arguments)) == (
            "look",
            "weather",
            {"city": "Oslo"},
        )
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "3C"}
        again = {"model": "m", "instructions": "Be short.", "tools": TOOLS}
        second = client.responses.create(input=[result], previous_response_id=first.id, **again)
        assert (second.output_text, second.status, second.usage.output_tokens > 0) == ("3C.", "completed", True)
        # The same without memory.
        items = [{"role": "user", "content": "Oslo?"}, *(item.model_dump() for item in first.output), result]
        client.responses.create(input=items, **again)
        # The thought named alone, as the AI SDK does it.
        items[1] = {"type": "item_reference", "id": reasoning.id}
        client.responses.create(input=items, **again)
        with pytest.raises(openai.NotFoundError, match="is not stored here"):
            client.responses.create(input=[{"type": "item_reference", "id": "rs_0"}], **again)
    assert served.engine.prompts[1] == served.engine.prompts[2] == served.engine.prompts[3]
    assert served.engine.prompts[1][-1]["content"] == " 3C\n"


def test_streamed_text(serve: Callable[..., Served]) -> None:
    with (
        serve("<think>\nhm\n</think>\n\nHello you").client() as client,
        client.responses.stream(model="m", input="?") as stream,
    ):
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-1] == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Hello you"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert ([item.type for item in final.output], final.output_text) == (["reasoning", "message"], "Hello you")


def test_streamed_calls(serve: Callable[..., Served]) -> None:
    with serve(LOOK).client() as client, client.responses.stream(model="m", input="?", tools=TOOLS) as stream:
        events = list(stream)
        call = stream.get_final_response().output[-1]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Oslo"})
    assert "response.function_call_arguments.done" in [event.type for event in events]


def test_a_response_that_is_cut_is_incomplete(serve: Callable[..., Served]) -> None:
    with serve("Hello you there", cut=True).client() as client:
        reply = client.responses.create(model="m", input="?", max_output_tokens=3)
    assert (reply.status, reply.incomplete_details.reason, reply.output_text) == (
        "incomplete",
        "max_output_tokens",
        "Hello you",
    )


@pytest.mark.parametrize(
    "body, told",
    [
        ({"input": []}, "input must be a text or a list"),
        ({"input": "x", "previous_response_id": "resp_0"}, "is not stored here"),
        ({"input": "x", "background": True}, "background is not supported"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "'web_search' is not supported"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "3"}]}, "answers no call"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_requests(serve: Callable[..., Served], body: dict[str, Any], told: str, stream: bool) -> None:
    with serve().client() as client, pytest.raises(openai.APIStatusError, match=told):
        client.responses.create(model="m", stream=stream, **body)
