"""Spellings of rows that are met in public files beside the ones that the samples show."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory

GREETING = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
TOOL = (
    '{"name": "get_w", "description": "d", "parameters": {"type": "object", "properties": {"city": {"type": '
    '"string"}}}}'
)


def trajectory(row: Any, format: str) -> Trajectory:
    ledger = Ledger()
    (found,) = read_trajectories([Row(row, "x:1")], Policy(), ledger)
    assert list(ledger.formats) == [format] and ledger.balanced
    return found


def read(row: Any, format: str) -> tuple[Event, ...]:
    return trajectory(row, format).events


CALL = Call("get_w", {"city": "Oslo"}, "c0")


@pytest.mark.parametrize(
    "row",
    [
        [{"api": "get_w", "parameters": {"city": "Oslo"}}, "Oslo?"],
        [[{"api": "get_w", "parameters": {"city": "Oslo"}, "responses": ["API_call_0"]}], "Oslo?"],
    ],
)
def test_seal_tools_as_calls_and_question(row: Any) -> None:
    assert read(row, "seal-tools") == (Question("Oslo?"), CALL)


def test_seal_tools_as_chat() -> None:
    tools = (
        "[{'api_name': 'get_w', 'api_description': 'd', 'parameters': {'city': {'type': 'str', 'description': ''}}}]"
    )
    asked = f'Choose apis.\n\nInput:\napi_list = {tools}\ntask_instruction = "Oslo?"\nOutput:\n'
    called = "[{'api': 'get_w', 'parameters': {'city': 'Oslo'}, 'responses': ['API_call_0']}]"
    found = trajectory(
        {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": called}]}, "seal-tools"
    )
    assert found.events == (Question("Oslo?"), CALL) and [tool.name for tool in found.tools] == ["get_w"]


LISTED = (
    "You help.\n\n**Available Tools**\nUse these:\n1. Name: get_w\nDescription: d\nParameters: {'city': "
    "{'type': 'str'}}"
)
LISTED += "\n\n**Steps**"
SHORT = LISTED.replace("Name: get_w\nDescription: d", "get_w: d")


@pytest.mark.parametrize("system", [LISTED, SHORT])
def test_toolrl_with_its_gold_calls(system: str) -> None:
    row = {
        "system": system,
        "user": "<user>Oslo?</user>",
        "answer": [{"name": "get_w", "parameters": {"city": "Oslo"}}],
    }
    found = trajectory(row, "toolrl")
    assert found.events == (System("You help."), Question("Oslo?"), CALL)
    assert [(tool.name, tool.description, list(tool.parameters["properties"])) for tool in found.tools] == [
        ("get_w", "d", ["city"])
    ]


def test_toolrl_as_verl_keeps_it() -> None:
    said = '<think> I look. </think>\n<tool_call>\n{"name": "get_w", "parameters": {"city": "Oslo"}}\n</tool_call>'
    row = {
        "data_source": "rlla",
        "prompt": [{"role": "system", "content": LISTED}, {"role": "user", "content": "<user>Oslo?</user>"}],
        "reward_model": {"ground_truth": said},
        "extra_info": {"instruction": LISTED, "input": "<user>Oslo?</user>", "output": said},
    }
    assert read(row, "toolrl") == (System("You help."), Question("Oslo?"), Thought("I look."), CALL)


def test_glaive_on_one_line() -> None:
    row = {
        "system": f"You are helpful with access to the following functions. Use them if required -\n{TOOL}",
        "chat": 'USER: Oslo? ASSISTANT: <functioncall> {"name": "get_w", "arguments": \'{"city": "Oslo"}\'} '
        "<|endoftext|> "
        "FUNCTION RESPONSE: 3C ASSISTANT: It is 3C. <|endoftext|>",
    }
    assert read(row, "glaive")[-4:] == (Question("Oslo?"), CALL, Observation("3C", "c0"), Answer("It is 3C."))


def test_toolalpaca_may_ask_the_user() -> None:
    row = {
        "Name": "W",
        "Function_Description": {"get_w": "d"},
        "Instructions": ["Weather?"],
        "Golden_Answers": [[{"Action": "getDetails", "Action_Input": '{"Question": "Where?"}'}]],
    }
    found = trajectory(row, "toolalpaca")
    assert found.events[1] == Call("getDetails", {"Question": "Where?"}, "c0")
    assert [tool.name for tool in found.tools] == ["get_w", "getDetails"]


@pytest.mark.parametrize(
    ("row", "events"),
    [
        (
            {"instruction": "Sum up", "context": "A text.", "response": "Text."},
            (Question("Sum up\nA text."), Answer("Text.")),
        ),
        ({"Question": "a", "Complex_CoT": "b", "Response": "c"}, (Question("a"), Thought("b"), Answer("c"))),
        (
            {"question": "a", "solution": "gold", "thinking_trajectories": ["b"], "attempt": "c"},
            (Question("a"), Thought("b"), Answer("c")),
        ),
    ],
)
def test_questions_and_answers(row: dict[str, Any], events: tuple[Event, ...]) -> None:
    assert read(row, "alpaca") == events


def test_question_and_answer_by_turns() -> None:
    assert read({"id": "0", "data": ["Hi", "Hello.", "Bye", "Bye."]}, "conversation-pair") == (
        *(Question("Hi"), Answer("Hello."), Question("Bye"), Answer("Bye.")),
    )


@pytest.mark.parametrize(
    "beside", [{"system_prompt": "Be brief."}, {"chat_template_kwargs": {"custom_instructions": "Be brief."}}]
)
def test_a_system_text_beside_the_turns(beside: dict[str, Any]) -> None:
    assert read({"messages": GREETING, **beside}, "openai") == (System("Be brief."), Question("Hi"), Answer("Hello."))


def test_a_system_text_that_stands_in_the_turns_too_is_told_once() -> None:
    row = {"system": "Be brief.", "messages": [{"role": "system", "content": "Be brief."}, *GREETING]}
    assert read(row, "openai") == (System("Be brief."), Question("Hi"), Answer("Hello."))


def test_a_system_text_beside_react_turns() -> None:
    said = "Thought: a\nAction: f\nAction Input: {}\nObservation: 3\nThought: b\nFinal Answer: 3"
    row = {"system": "Be brief.", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": said}]}
    assert read(row, "react")[:2] == (System("Be brief."), Question("Hi"))


@pytest.mark.parametrize(
    "beside",
    [
        {"metadata": f'{{"tools": [{TOOL}]}}'},
        {"metadata": {"tools": [TOOL]}},
        {"chat_template_kwargs": {"xml_tools": [TOOL]}},
    ],
)
def test_tools_told_beside_the_row(beside: dict[str, Any]) -> None:
    called = '<tool_call>{"name": "get_w", "arguments": {"city": "Oslo"}}</tool_call>'
    row = {"messages": [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": called}], **beside}
    found = trajectory(row, "hermes")
    assert found.events == (Question("Oslo?"), CALL) and found.tools[0].parameters["properties"] == {
        "city": {"type": "string"}
    }


def test_a_call_that_names_an_endpoint() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Oslo?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"endpoint": "get_w", "arguments": {"city": "Oslo"}}],
            },
            {"role": "tool", "content": {"c": 3}},
            {"role": "assistant", "content": "It is 3C."},
        ]
    }
    assert read(row, "openai") == (Question("Oslo?"), CALL, Observation('{"c": 3}', "c0"), Answer("It is 3C."))


def test_pictures_that_are_left_out_are_counted() -> None:
    row = {"messages": [{"role": "user", "content": "<image>Who?"}, GREETING[1]], "images": ["a.jpg"]}
    assert trajectory(row, "openai").repairs == ("media-left-out",)


def test_a_turn_that_is_a_call() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Oslo?"},
            {"role": "assistant_toolcall", "name": "get_w", "arguments": {"city": "Oslo"}},
            {"role": "toolresult", "name": "get_w", "content": {"c": 3}},
            {"role": "assistant", "content": "It is 3C."},
        ]
    }
    assert read(row, "openai") == (Question("Oslo?"), CALL, Observation('{"c": 3}', "c0"), Answer("It is 3C."))


def test_a_system_text_that_the_user_says_again_is_told() -> None:
    assert read({"system": "Hi", "messages": GREETING}, "openai") == (System("Hi"), Question("Hi"), Answer("Hello."))
