"""Messages as clients send them are the prompt that training makes of them, or are refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.agent.serving.asked import Memory, Refusal
from swiftagent.agent.serving.chat import read_request
from swiftagent.convert.reading import read_trajectories
from swiftagent.io.jsonl import Row

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "of a city", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]
ASKED = {"role": "user", "content": "Oslo?"}


def call(arguments: Any = '{"city": "Oslo"}', id: str = "1", **more: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": id, "type": "function", "function": function}],
        **more,
    }


def result(text: Any = "3C", id: str = "1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


ENCODED = json.dumps(json.dumps({"city": "Oslo"}))
TWO = {"role": "assistant", "tool_calls": [*call(id="")["tool_calls"], *call('{"city": "Rome"}', "")["tool_calls"]]}
SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "text between a call and its result": [ASKED, call(), {"role": "assistant", "content": "One moment."}, result()],
    "arguments encoded twice": [ASKED, call(ENCODED), result()],
    "arguments as an object": [ASKED, call({"city": "Oslo"}), result()],
    "arguments with a trailing comma": [ASKED, call('{"city": "Oslo",}'), result()],
    "no arguments": [ASKED, call(""), result()],
    "two results with empty ids": [ASKED, TWO, result("3C", ""), result("9C", "")],
    "text parts": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    "parts in a result": [ASKED, call(), result([{"type": "text", "text": "3"}, {"type": "text", "text": "C"}])],
    "a late system message": [ASKED, {"role": "system", "content": "Be short."}],
    "two system messages": [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, ASKED],
    "two questions": [ASKED, {"role": "user", "content": "And Rome?"}],
    "a call without a result": [ASKED, call(), {"role": "user", "content": "well?"}],
    "reasoning and text": [ASKED, call(content="Let me look.", reasoning_content="hm"), result()],
    "an empty answer": [ASKED, {"role": "assistant", "content": ""}, {"role": "user", "content": "well?"}],
    "function_call": [
        ASKED,
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": "3C"},
    ],
}


@pytest.mark.parametrize("field", ["tools", "functions"])
@pytest.mark.parametrize("about", SITUATIONS)
def test_odd_messages_come_out_as_in_training(about: str, field: str) -> None:
    messages = SITUATIONS[about]
    declared = {field: TOOLS if field == "tools" else [FUNCTION]}
    asked = read_request({"messages": messages, **declared}, Memory(9))
    row = {"messages": [*messages, {"role": "assistant", "content": "3C."}], **declared}
    [trained] = read_trajectories([Row(row, "x:1")])
    assert asked.conversation.events == trained.events[:-1]
    assert asked.conversation.tools == trained.tools


@pytest.mark.parametrize(
    "messages, code, told",
    [
        ([ASKED, result()], "orphan-observation", "answers no call"),
        ([ASKED, call('{"city": "Os'), result()], "cut-arguments", "end in the middle"),
        ([ASKED, call("[1]"), result()], "broken-call", "not an object"),
        ([call(), result()], "no-question", "user"),
        ([ASKED, {"role": "assistant", "tool_calls": [{"id": "1"}]}, result()], "broken-call", "call"),
        ([ASKED, "hi"], "bad-message", "message 1 is a str"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], None, "images"),
        ([ASKED, {"role": "assistant", "content": "x"}], None, "must end on a user or tool message"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason(messages: list[Any], code: str | None, told: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_request({"messages": messages, "tools": TOOLS}, Memory(9))
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert told in str(refused.value)


def test_null_is_absent() -> None:
    names = ("tools", "tool_choice", "n", "stop", "max_tokens", "temperature", "top_p", "seed", "logprobs", "functions")
    asked = read_request({"messages": [ASKED], **dict.fromkeys(names), "max_completion_tokens": 7}, Memory(9))
    assert (asked.sampled.most, asked.sampled.n, asked.sampled.stops, asked.may_call) == (7, 1, [], False)


def test_calls_of_tools_that_are_no_longer_declared_are_kept() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    asked = read_request({"messages": [ASKED, call(), result()], "tools": [other]}, Memory(9))
    assert [tool.name for tool in asked.conversation.tools] == ["other"]
    assert len(asked.conversation.events) == 3
