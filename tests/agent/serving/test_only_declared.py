"""Only what was declared is called, and no label of ReAct reaches a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from served import Served

pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
ASKED = [{"role": "user", "content": "Oslo?"}]
CALL = "Thought: look\nAction: weather\nAction Input: {}\nObservation: 3C\nThought: ok\nFinal Answer: 3C"
HISTORY = [
    *ASKED,
    {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": "3C"},
]


@pytest.mark.parametrize(
    "more",
    [{}, {"tools": TOOLS, "tool_choice": "none"}, {"extra_body": {"functions": []}}, {"tools": []}],
    ids=["no tools", "none", "functions", "empty"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_without_a_tool_nothing_is_called_and_no_label_is_shown(
    serve: Callable[..., Served], more: dict[str, Any], stream: bool
) -> None:
    served = serve(CALL, " It is cold.\nObservation: evil\nAction: x")
    reply = served.ask(ASKED, stream=stream, **more)
    assert text_and_calls(reply, stream) == ("It is cold.", 0, "stop")
    assert len(served.engine.prompts) == 2
    assert served.engine.prompts[1][-1] == {
        "role": "assistant",
        "content": "Thought: I now know the final answer\nFinal Answer:",
    }


def test_after_calls_none_asks_for_the_answer_at_once(serve: Callable[..., Served]) -> None:
    served = serve(" It is 3C.\nAction: weather\nAction Input: {}")
    reply = served.ask(HISTORY, tools=TOOLS, tool_choice="none")
    assert text_and_calls(reply, False) == ("It is 3C.", 0, "stop")
    assert served.engine.prompts[0][-1]["content"].endswith("Final Answer:")


@pytest.mark.parametrize("native", [False, True])
def test_a_native_call_that_nobody_declared_is_not_shown(serve: Callable[..., Served], native: bool) -> None:
    served = serve('<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>', "I cannot look.", native=native)
    assert text_and_calls(served.ask(ASKED), False) == ("I cannot look.", 0, "stop")


@pytest.mark.parametrize(
    "text, tokens, content, thought",
    [
        ("Thought: look there", 1, "", None),
        ("Thought: look there", 5, "", "look t"),
        ("Thought: look\nAction: weather\nAction Input: {}", 6, "", "look"),
        ("Thought: look\nAction: weather\nAction Input: {}\nObs", 16, "", "look"),
        ("Thought: I now know the final answer\nFinal Answer: one two", 18, "one", None),
        ("just some text", 3, "just some", None),
        ("Final", 1, "", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_cut_by_length_ends_so_and_shows_no_debris(
    serve: Callable[..., Served], text: str, tokens: int, content: str, thought: str | None, stream: bool
) -> None:
    reply = serve(text, cut=True).ask(ASKED, tools=TOOLS, max_tokens=tokens, stream=stream)
    assert text_and_calls(reply, stream) == (content, 0, "length")
    if not stream:
        assert getattr(reply.choices[0].message, "reasoning_content", None) == thought
        assert reply.usage.completion_tokens == tokens


def test_a_label_that_is_cut_in_plain_chat_is_not_shown(serve: Callable[..., Served]) -> None:
    reply = serve("Hello.\nObservation: x", cut=True).ask(ASKED, max_tokens=4)
    assert text_and_calls(reply, False) == ("Hello.", 0, "length")


def text_and_calls(reply: Any, stream: bool) -> tuple[str, int, str]:
    """(content, number of calls, finish reason) of a reply, whole or streamed."""
    if not stream:
        choice = reply.choices[0]
        return choice.message.content or "", len(choice.message.tool_calls or ()), choice.finish_reason
    deltas = [chunk.choices[0].delta for chunk in reply]
    calls = sum(len(delta.tool_calls or ()) for delta in deltas)
    return "".join(delta.content or "" for delta in deltas), calls, reply[-1].choices[0].finish_reason
