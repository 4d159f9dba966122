"""Calls, results and reasoning that stand as tags inside an assistant text."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.fast import read_fast
from swiftagent.convert.reading import Ledger, Policy, read_trajectories, recognise
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought

TOOLS = [
    {"name": "get_w", "description": "d", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
]


def row_of(text: str) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": text}]}


def said(row: Any) -> tuple[Event, ...]:
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    return found.events[1:]


PRINTED = "```python\nprint(2 + 2)\n```\n```output\n4\n```"


def test_what_code_printed_is_a_result() -> None:
    assert said(row_of(f"I compute.\n{PRINTED}\nIt is 4.")) == (
        *(Thought("I compute.", said=True), Call("python", {"code": "print(2 + 2)"}, "c0"), Observation("4", "c0")),
        Answer("It is 4."),
    )


def test_what_code_printed_is_a_result_in_alpaca_too() -> None:
    row = {"instruction": "q", "input": "", "output": f"{PRINTED}\nIt is 4."}
    assert said(row) == (Call("python", {"code": "print(2 + 2)"}, "c0"), Observation("4", "c0"), Answer("It is 4."))


def test_what_a_search_found_is_a_result() -> None:
    text = (
        "<think>a</think>\n<search>capital</search>\n<information>Oslo "
        "is</information>\n<think>b</think>\n<answer>Oslo</answer>"
    )
    assert said(row_of(text)) == (
        *(
            Thought("a"),
            Call("search", {"query": "capital"}, "c0"),
            Observation("Oslo is", "c0"),
            Thought("b"),
            Answer("Oslo"),
        ),
    )


def test_what_an_interpreter_gave_is_a_result() -> None:
    text = "<code>\n```python\nprint(1)\n```\n</code>\n<interpreter>\n1\n</interpreter>\nOne."
    assert said(row_of(text)) == (Call("python", {"code": "print(1)"}, "c0"), Observation("1", "c0"), Answer("One."))


@pytest.mark.parametrize(
    "text", ["Run it:\n```python\nprint(1)\n```\nIt prints:\n```\n1\n```", "Use <code>a</code> and <b>b</b>"]
)
def test_code_without_what_it_gave_is_an_answer(text: str) -> None:
    assert said(row_of(text)) == (Answer(text),)


@pytest.mark.parametrize(
    "text",
    [
        '<function=get_w>{"city": "Oslo"}</function>',
        '<|python_tag|>{"name": "get_w", "parameters": {"city": "Oslo"}}<|eom_id|>',
        '<|tool_call|>[{"name": "get_w", "arguments": {"city": "Oslo"}}]<|/tool_call|>',
        '<TOOLCALL>[{"name": "get_w", "arguments": {"city": "Oslo"}}]</TOOLCALL>',
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_w\n"
        '```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_w<｜tool▁sep｜>{"city": '
        '"Oslo"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    ],
)
def test_the_call_of_each_model_family(text: str) -> None:
    assert said({**row_of(text), "tools": TOOLS}) == (Call("get_w", {"city": "Oslo"}, "c0"),)


def test_reasoning_in_open_thoughts_marks() -> None:
    text = "<|begin_of_thought|>\n\na\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nb\n\n<|end_of_solution|>"
    assert said(row_of(text)) == (Thought("a"), Answer("b"))


@pytest.mark.parametrize(
    "text", [f"{PRINTED}\n4", "<search>a</search><result>b</result>c", '<TOOLCALL>[{"name": "f"}]</TOOLCALL>']
)
def test_none_of_it_goes_the_quick_way(text: str) -> None:
    assert read_fast(row_of(text), "") is None
    assert recognise(row_of(text)) == "hermes"


def test_json_that_is_mended_inside_a_tag_is_counted() -> None:
    ask = {"role": "user", "content": "Oslo?"}
    for body, code in (
        ('{name: "w", arguments: {city: "Oslo"}}', "mended-json"),
        ("{'name': 'w', 'arguments': {'city': 'Oslo'}}", "python-repr"),
    ):
        answer = {"role": "assistant", "content": f"<tool_call>\n{body}\n</tool_call>"}
        ledger = Ledger()
        (found,) = read_trajectories([Row({"messages": [ask, answer]}, "x:1")], ledger=ledger)
        assert found.events[1] == Call("w", {"city": "Oslo"}, "c0") and ledger.repairs[code] == 1


def test_reasoning_of_minicpm_stands_before_answers_too() -> None:
    ask = {"from": "human", "value": "500 USD?"}
    answer = {"from": "gpt", "value": "<|thought_start|>\nNo tool is needed.\n<|thought_end|>\n425 EUR"}
    (found,) = read_trajectories([Row({"conversations": [ask, answer]}, "x:1")])
    assert found.events[1:] == (Thought("No tool is needed."), Answer("425 EUR"))


@pytest.mark.parametrize(
    "text",
    [
        '<function name="get_w">{"city": "Rom"}</function>',
        '<invoke name="get_w">{"city": "Rom"}</invoke>',
        '<thought>look</thought><action>get_w</action>\n<action_input>{"city": "Rom"}</action_input>',
        '**Action:** get_w\n**Action Input:** {"city": "Rom"}',
    ],
)
def test_arguments_as_json_in_tags_of_xml_and_bold_labels(text: str) -> None:
    row = {"conversations": [*row_of(text)["conversations"], {"from": "tool", "value": "3C"}], "tools": TOOLS}
    calls = [event for event in said(row) if isinstance(event, Call)]
    assert [(call.tool, call.arguments) for call in calls] == [("get_w", {"city": "Rom"})]


def test_arguments_that_cannot_be_read_are_not_lost() -> None:
    ledger = Ledger()
    row = row_of("<function=get_w>city is Rom</function>")
    assert list(read_trajectories([Row(row, "x:1")], Policy(), ledger)) == []
    assert ledger.reasons == {"broken-call": 1}


def test_a_result_inside_tags_of_steps_is_a_result() -> None:
    text = (
        '<thought>look</thought>\n<action>get_w</action>\n<action_input>{"city": "Rom"}</action_input>\n'
        "<observation>3C</observation>\n<answer>It is 3C.</answer>"
    )
    assert [type(event) for event in said(row_of(text))] == [Thought, Call, Observation, Answer]
