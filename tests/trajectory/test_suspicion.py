"""Calls and results that stayed in a trained text: rejected by code, while texts that only speak of them stay."""

from __future__ import annotations

import pytest

from swiftagent.trajectory.suspicion import suspicion
from swiftagent.trajectory.types import Answer, Call, Event, Question, Thought, Tool

TOOL = Tool("tide", "", {"type": "object", "properties": {"port": {"type": "string"}}})


def code_of(*events: Event, tools: tuple[Tool, ...] = ()) -> str:
    found = suspicion((Question("?"), *events), tools)
    return found[0] if found else ""


@pytest.mark.parametrize(
    "text",
    [
        '<lookup port="Nes"/>x</lookup>\n<output>LOW</output>\nIt is low.',
        "<|begin_of_query|>tide<|end_of_query|>\n<|begin_of_documents|>LOW<|end_of_documents|>",
        'Tool: tide\nTool Input: {"port": "Nes"}\nTool Output: LOW\nIt is low.',
        '调用工具：tide\n参数：{"port": "Nes"}\n返回结果：LOW',
    ],
)
def test_a_result_behind_a_call_is_never_trained(text: str) -> None:
    assert code_of(Answer(text)) == "unread-result"


@pytest.mark.parametrize(
    "text",
    [
        '<call>tide(port="Nes")</call>',
        '```tool\ntide({"port": "Nes"})\n```',
        'I look. {"name": "tide", "arguments": {"port": "Nes"}}',
        "[[tide{port: Nes}]]",
    ],
)
def test_a_declared_tool_with_arguments_is_a_call(text: str) -> None:
    assert code_of(Answer(text), tools=(TOOL,)) == "unread-call"
    assert code_of(Thought(text, said=True), tools=(TOOL,)) == "unread-call"


@pytest.mark.parametrize(
    "text",
    [
        "The tide tool takes a port.",
        "Result: a dict is printed.",
        "Call it so:\n```html\n<b>x</b>\n<output>3</output>\n```",
        "Decision: mend it.\nAction: Ms Orr calls.\nObservation: the budget holds.",
    ],
)
def test_a_text_that_speaks_of_such_things_stays(text: str) -> None:
    assert code_of(Answer(text)) == ""


def test_a_row_whose_calls_were_read_may_quote_one_and_what_is_masked_is_not_looked_at() -> None:
    quote = Answer('I wrote <tool_call>{"name": "tide", "arguments": {"port": "Nes"}}</tool_call>.')
    assert code_of(Call("tide", {"port": "Nes"}, "c0"), quote, tools=(TOOL,)) == ""
    assert code_of(Answer('<call>tide(port="Nes")</call>', trained=False), tools=(TOOL,)) == ""
