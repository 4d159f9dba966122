"""Rows of dialects that no sample shows, written after what is met in the wild."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought

CITY = (
    "{'name': 'get_w', 'description': 'd', 'parameters': {'type': 'object', 'properties': {'c': {'type': 'string'}}}}"
)


def read(row: Any, format: str) -> tuple[Event, ...]:
    ledger = Ledger()
    rejected: list[Any] = []
    found = list(read_trajectories([Row(row, "x:1")], Policy(), ledger, rejected.append))
    assert not rejected and list(ledger.formats) == [format] and ledger.balanced
    return found[0].events


def turns(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in pairs]}


def test_toolllama() -> None:
    row = turns(
        (
            "system",
            f"You are AutoGPT. You have access to the following APIs: [{CITY}, "
            f"{{'name': 'Finish', 'description': ''}}]",
        ),
        ("user", "Oslo?"),
        ("assistant", '\nThought: I look\nAction: get_w\nAction Input: {\n  "c": "Oslo"\n}'),
        ("function", '{"t": 3}'),
        (
            "assistant",
            'Thought: done\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "3C"}',
        ),
    )
    assert read(row, "react")[1:] == (
        *(Question("Oslo?"), Thought("I look"), Call("get_w", {"c": "Oslo"}, "c0"), Observation('{"t": 3}', "c0")),
        *(Thought("done"), Answer("3C")),
    )


def test_the_older_ms_agent_form() -> None:
    row = turns(
        (
            "system",
            '按照<|startofthink|>格式。\n\n1. {"name": "draw", "description": "画图", "parameters": [{"name": '
            '"text"}]}\n\n'
            '2. {"name": "tts", "parameters": []}',
        ),
        ("user", "画一只猫"),
        (
            "assistant",
            '好的。<|startofthink|>```JSON\n{"api_name": "draw", "parameters": {"text": "猫"}}\n```<|endofthink|>\n\n'
            '<|startofexec|>```JSON\n{"result": "a.png"}\n```<|endofexec|>\n画好了。',
        ),
    )
    assert read(row, "hermes") == (
        *(Question("画一只猫"), Thought("好的。", said=True), Call("draw", {"text": "猫"}, "c0")),
        *(Observation('{"result": "a.png"}', "c0"), Answer("画好了。")),
    )


def test_xml_calls_of_qwen_coder() -> None:
    call = "<tool_call>\n<function=get_w>\n<parameter=city>\nOslo\n</parameter>\n"
    call += "<parameter=n>\n3\n</parameter>\n</function>\n</tool_call>"
    row = turns(
        ("user", "x"),
        ("gpt", f"<think>hm</think>\nok\n{call}"),
        ("user", "<tool_response>\n3C\n</tool_response>"),
        ("gpt", "3C."),
    )
    assert read(row, "hermes") == (
        *(Question("x"), Thought("hm"), Thought("ok", said=True), Call("get_w", {"city": "Oslo", "n": 3}, "c0")),
        *(Observation("3C", "c0"), Answer("3C.")),
    )


def test_reasoning_that_speaks_of_tags_is_reasoning() -> None:
    row = turns(
        ("user", "x"),
        ("gpt", '<think>a <tool_call> would do</think><tool_call>{"name": "f", "arguments": {}}</tool_call>'),
    )
    assert read(row, "hermes") == (Question("x"), Thought("a <tool_call> would do"), Call("f", {}, "c0"))


def test_a_chinese_prompt_in_the_first_user_turn() -> None:
    prompt = (
        '尽你所能回答以下问题。你拥有如下工具：\n\nsearch: 搜索 Parameters: [{"name": "q", "required": true}]\n\n'
        "请按以下格式回答：\n\n"
        "Thought: 想\nAction: 工具，[search]之一\nFinal Answer: 答\n\nBegin!\n\nQuestion: 谁是周杰伦"
    )
    said = 'Thought: 搜\nAction: search\nAction Input: {"q": "周杰伦"}\n'
    said += "Observation: 歌手\nThought: I now know the final answer\nFinal Answer: 歌手"
    assert read(turns(("user", prompt), ("assistant", said)), "ms-agent") == (
        *(
            Question("谁是周杰伦"),
            Thought("搜"),
            Call("search", {"q": "周杰伦"}, "c0"),
            Observation("歌手", "c0"),
            Answer("歌手"),
        ),
    )


def test_numbered_keywords_and_results_in_user_turns() -> None:
    row = turns(
        ("user", "Q"),
        ("gpt", "Thought 1: a\nAction 1: Search[Oslo]"),
        ("user", "Observation 1: city"),
        ("gpt", "Thought 2: b\nAction 2: Finish[yes]"),
    )
    assert read(row, "react") == (
        *(Question("Q"), Thought("a"), Call("Search", {"input": "Oslo"}, "c0"), Observation("city", "c0")),
        *(Thought("b"), Answer("yes")),
    )


def test_a_room_answers_in_user_turns_without_a_label() -> None:
    row = turns(
        ("human", "task"),
        ("gpt", "THOUGHT: go\n ACTION: go to desk 1"),
        ("human", "You are at desk 1."),
        ("gpt", "THOUGHT: done"),
    )
    assert read(row, "agent-instruct") == (
        *(
            Question("task"),
            Thought("go"),
            Call("act", {"input": "go to desk 1"}, "c0"),
            Observation("You are at desk 1.", "c0"),
        ),
        Answer("done"),
    )


def test_a_stringified_python_list_of_turns() -> None:
    row = {
        "conversations": str(
            [{"from": "system", "value": "s"}, {"from": "user", "value": "it's"}, {"from": "assistant", "value": "ok"}]
        )
    }
    assert read(row, "sharegpt") == (System("s"), Question("it's"), Answer("ok"))


@pytest.mark.parametrize(
    "text",
    ["In Action: we trust", "Thought: experiments are fun", "Use <b>bold</b> [TODO]", "[1] a source", '{"a": 1}'],
)
def test_chat_that_looks_a_little_like_calls_is_chat(text: str) -> None:
    assert read(turns(("user", "x"), ("gpt", text)), "sharegpt") == (Question("x"), Answer(text))
