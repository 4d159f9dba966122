"""Native calls behind the same interface: all calls of a step, whole and streamed, and history as training wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from served import Served

from swiftagent.trajectory.escape import hide_control_tokens

openai = pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": CITY}}]
ASKED = [{"role": "user", "content": "Oslo and Rome?"}]
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "%s"}}\n</tool_call>'
BOTH = CALL % "Oslo" + "\n" + CALL % "Rome"


@pytest.mark.parametrize("said", ["", "Let me look.\n"])
@pytest.mark.parametrize("stream", [False, True])
def test_parallel_calls(serve: Callable[..., Served], stream: bool, said: str) -> None:
    reply = serve(f"<think>\nboth\n</think>\n\n{said}{BOTH}", native=True).ask(ASKED, tools=TOOLS, stream=stream)
    content, reasoning, calls, finish = parts_of(reply, stream)
    assert calls == [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})]
    assert (content, reasoning, finish) == (said.strip() or None, "both", "tool_calls")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_after_reasoning(serve: Callable[..., Served], stream: bool) -> None:
    text = "<think>\nhm\n</think>\n\nIt is 3C, [1] <b>\n Action: none\nAction: go."
    reply = serve(text, native=True).ask(ASKED, tools=TOOLS, stream=stream)
    assert parts_of(reply, stream) == ("It is 3C, [1] <b>\n Action: none\nAction: go.", "hm", [], "stop")


def test_one_call_alone_where_parallel_calls_are_off(serve: Callable[..., Served]) -> None:
    reply = serve(BOTH, native=True).ask(ASKED, tools=TOOLS, parallel_tool_calls=False)
    assert len(reply.choices[0].message.tool_calls) == 1


@pytest.mark.parametrize(
    "choice, prefix",
    [
        ("required", '<tool_call>\n{"name": "'),
        ({"type": "function", "function": {"name": "weather"}}, '<tool_call>\n{"name": "weather", "arguments":'),
    ],
)
def test_a_call_that_is_ordered_is_made(serve: Callable[..., Served], choice: Any, prefix: str) -> None:
    served = serve((CALL % "Rome").removeprefix(prefix), native=True)
    reply = served.ask(ASKED, tools=TOOLS, tool_choice=choice)
    assert reply.choices[0].message.tool_calls[0].function.arguments == '{"city": "Rome"}'
    assert served.engine.prompts[0][-1] == {"role": "assistant", "content": prefix}


def test_an_ordered_call_that_is_not_made_is_an_error(serve: Callable[..., Served]) -> None:
    served = serve(*['no", "arguments": {}}\n</tool_call>'] * 4, native=True)
    with pytest.raises(openai.InternalServerError, match="did not write a call that fits"):
        served.ask(ASKED, tools=TOOLS, tool_choice="required")


def test_replayed_history_is_what_training_rendered(serve: Callable[..., Served]) -> None:
    from swiftagent.convert.reading import read_trajectories
    from swiftagent.formats.writers.table import writer_of
    from swiftagent.io.jsonl import Row

    first_text = f"<think>\nboth\n</think>\n\nLet me look.\n{BOTH}"
    served = serve(first_text, "<think>\nso\n</think>\n\nBoth are cold <|im_end|>.", "Yes.", native=True)
    first = served.ask(ASKED, tools=TOOLS).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in zip(first.tool_calls, ["3C", "9C <|im_end|>"], strict=True)
    ]
    history = [*ASKED, first.model_dump(exclude_none=True), *results]
    second = served.ask(history, tools=TOOLS).choices[0].message
    assert (first.reasoning_content, second.reasoning_content) == ("both", "so")
    history += [second.model_dump(exclude_none=True), {"role": "user", "content": "Sure?"}]
    served.ask(history, tools=TOOLS)
    row = {"messages": [*history, {"role": "assistant", "content": "Yes."}], "tools": TOOLS}
    [trained] = read_trajectories([Row(row, "x:1")])
    written = writer_of("native", "ms-agent", "auto")(trained)[0]["messages"][:-1]
    assert [message["content"] for message in written if "<think>" in message["content"]] == [
        "<think>\nboth\n</think>\n\nLet me look.\n",
        f"<think>\nso\n</think>\n\nBoth are cold {hide_control_tokens('<|im_end|>')}.",
    ]
    # The prompt of each step is what training has up to it.
    for prompt in served.engine.prompts[1:]:
        assert [bare(message) for message in prompt] == [bare(message) for message in written[: len(prompt)]]
    assert len(served.engine.prompts[-1]) == len(written)


def bare(message: dict[str, Any]) -> tuple[str, str]:
    return message["role"], message["content"]


def parts_of(reply: Any, stream: bool) -> tuple[str | None, str, list[tuple[str, Any]], str]:
    """(content, reasoning, calls, finish reason) of a reply, whole or streamed."""
    if not stream:
        message = reply.choices[0].message
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
        return message.content, getattr(message, "reasoning_content", ""), calls, reply.choices[0].finish_reason
    deltas = [chunk.choices[0].delta for chunk in reply]
    content = "".join(delta.content or "" for delta in deltas)
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    calls = [part for delta in deltas for part in delta.tool_calls or ()]
    assert [call.index for call in calls] == list(range(len(calls)))
    named = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
    return content or None, reasoning, named, reply[-1].choices[0].finish_reason
