"""Calls and results that stayed in a trained text: rejected by code, while texts that only speak of them stay."""

from __future__ import annotations

import pytest

from swiftagent.trajectory.suspicion import suspicion
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought, Tool

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


@pytest.mark.parametrize(
    "text",
    [
        "<use tool='tide'><arg name='port'>Nes</arg></use>",
        "<call>tide</call><with>{}</with>",
        "[CALL: tide | port=Nes]",
        "$ tide --port Nes",
        "uses: tide\nport: Nes",
        '{"do": {"what": "tide", "with": {"port": "Nes"}}}',
        '{"tool": "tide"}',
    ],
)
def test_a_declared_tool_with_its_parameters_is_a_call_in_any_notation(text: str) -> None:
    assert code_of(Answer(text), tools=(TOOL,)) == "unread-call"


@pytest.mark.parametrize(
    "text",
    [
        "The tide is low. Our port: Nes.",
        '{"subject": "the tide tables", "port": "Nes"}',
        "I can look up the tide of a port.",
        "Low tide | port: Nes",
    ],
)
def test_an_answer_that_holds_the_words_of_a_tool_is_an_answer(text: str) -> None:
    assert code_of(Answer(text), tools=(TOOL,)) == ""


def test_reasoning_may_speak_of_a_tool_and_its_parameters() -> None:
    thought = "Shall I use <tide>? It would need\nport: Nes"
    assert code_of(Thought(thought), Answer("It is low."), tools=(TOOL,)) == ""


@pytest.mark.parametrize("given", ["LOW", ""])
def test_an_answer_that_repeats_the_observation_as_one_is_not_trained(given: str) -> None:
    before = (Call("tide", {"port": "Nes"}, "c0"), Observation(given, "c0"))
    assert code_of(*before, Answer("Observation: LOW\nIt is low."), tools=(TOOL,)) == "unread-result"
    assert code_of(*before, Answer("It is low."), tools=(TOOL,)) == ""


def test_turns_of_a_tool_inside_one_text() -> None:
    assert code_of(Answer("tide Nes\nTool: LOW\nAssistant: It is low.")) == "unread-result"
    assert code_of(Answer("Two ways:\nTool: a hammer\nPlace: the shed")) == ""
