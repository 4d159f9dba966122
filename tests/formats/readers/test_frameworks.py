"""Conversations as agent frameworks, graders and data sets of one's own keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought
from tests.support.weather import (
    ASKED,
    CALL,
    CALLED,
    EVENTS,
    GIVEN,
    GIVEN_TEXT,
    MADE,
    RESULT,
    SAID,
    SCHEMA,
    TOOL,
    TURNS,
    USER,
    read,
)


def llama(role: str, *blocks: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"role": role, "additional_kwargs": beside, "blocks": list(blocks)}


def block(text: str) -> dict[str, Any]:
    return {"block_type": "text", "text": text}


LLAMA_CALL = {"block_type": "tool_call", "tool_call_id": "a", "tool_name": "weather", "tool_kwargs": GIVEN}
LLAMA_END = [llama("tool", block("3C"), tool_call_id="a", name="weather"), llama("assistant", block("It is 3C."))]
HAYSTACK_CALL = {"tool_name": "weather", "arguments": GIVEN, "id": "a"}


def haystack(mark: str) -> list[dict[str, Any]]:
    parts: list[tuple[str, dict[str, Any]]] = [
        ("user", {"text": "Oslo?"}),
        ("assistant", {"tool_call": HAYSTACK_CALL}),
        ("tool", {"tool_call_result": {"result": "3C", "origin": HAYSTACK_CALL, "error": False}}),
        ("assistant", {"text": "It is 3C."}),
    ]
    return [
        {f"{mark}role": role, f"{mark}meta": {}, f"{mark}name": None, f"{mark}content": [part]} for role, part in parts
    ]


def kernel(role: str, kind: str, **told: Any) -> dict[str, Any]:
    return {"role": role, "content_type": "message", "items": [{"content_type": kind, **told}]}


def sharp(role: str, kind: str, **told: Any) -> dict[str, Any]:
    return {"Role": {"Label": role}, "Items": [{"$type": kind, **told}]}


def fastgpt(*values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"obj": "Human", "value": [{"type": "text", "text": {"content": "Oslo?"}}]},
        {"obj": "AI", "value": list(values)},
    ]


FASTGPT_TOOL = {"id": "a", "toolName": "Weather", "functionName": "weather", "params": GIVEN_TEXT, "response": "3C"}
FASTGPT_SAID = {"text": {"content": "It is 3C."}}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [llama("user", block("Oslo?")), llama("assistant", LLAMA_CALL), *LLAMA_END]},
        {"messages": [llama("user", block("Oslo?")), llama("assistant", LLAMA_CALL, tool_calls=[MADE]), *LLAMA_END]},
        {"messages": [llama("user", block("Oslo?")), llama("assistant", tool_calls=[MADE]), *LLAMA_END]},
        {"messages": haystack("")},
        {"messages": haystack("_")},
        {
            "messages": [
                kernel("user", "text", text="Oslo?"),
                kernel("assistant", "function_call", id="a", name="weather", arguments=GIVEN_TEXT),
                kernel("tool", "function_result", id="a", name="weather", result="3C"),
                kernel("assistant", "text", text="It is 3C."),
            ]
        },
        {
            "Messages": [
                sharp("user", "TextContent", Text="Oslo?"),
                sharp("assistant", "FunctionCallContent", Id="a", FunctionName="weather", Arguments=GIVEN),
                sharp("tool", "FunctionResultContent", CallId="a", FunctionName="weather", Result="3C"),
                sharp("assistant", "TextContent", Text="It is 3C."),
            ]
        },
        {"histories": fastgpt({"type": "tool", "tools": [FASTGPT_TOOL]}, {"type": "text", **FASTGPT_SAID})},
        {"histories": fastgpt({"tools": [FASTGPT_TOOL]}, FASTGPT_SAID)},
    ],
    ids=[
        "llama",
        "llama twice",
        "llama aside",
        "haystack",
        "haystack 2.9",
        "kernel",
        "kernel C#",
        "fastgpt",
        "fastgpt 4.14",
    ],
)
def test_turns_of_a_framework(row: dict[str, Any]) -> None:
    assert read([row], "typed-parts") == [EVENTS]


def test_parallel_calls_text_and_reasoning_of_a_framework() -> None:
    thinking = {"block_type": "thinking", "content": "Hm."}
    second = {**LLAMA_CALL, "tool_call_id": "b", "tool_kwargs": {"city": "Rome"}}
    turns = [
        *(llama("user", block("Oslo?")), llama("assistant", thinking, block("I look."), LLAMA_CALL, second)),
        *(llama("tool", block("20C"), tool_call_id="b"), llama("tool", block("error: none"), tool_call_id="a")),
    ]
    (found,) = read([{"messages": turns}])
    assert found == (
        *(ASKED, Thought("Hm."), Thought("I look.", said=True), CALLED, Call("weather", {"city": "Rome"}, "c1")),
    )
    (found,) = read([{"messages": [*turns, llama("assistant", block("It is 3C."))]}])
    assert found[-3:] == (Observation("20C", "c1"), Observation("error: none", "c0"), Answer("It is 3C."))


def test_a_plugin_of_semantic_kernel_is_part_of_the_name() -> None:
    called = sharp(
        "assistant", "FunctionCallContent", Id="a", PluginName="Town", FunctionName="weather", Arguments=GIVEN
    )
    (found,) = read([{"Messages": [sharp("user", "TextContent", Text="Oslo?"), called]}])
    assert found == (ASKED, Call("Town-weather", GIVEN, "c0"))


MISTRAL = [
    {"object": "entry", "type": "function.call", "tool_call_id": "a", "name": "weather", "arguments": GIVEN_TEXT},
    {"object": "entry", "type": "function.result", "tool_call_id": "a", "result": "3C"},
    {
        "type": "message.output",
        "content": [{"type": "text", "text": "It is 3C."}, {"type": "tool_reference", "tool": "w"}],
    },
]
MISTRAL_ASKED = {"object": "entry", "type": "message.input", "role": "user", "content": "Oslo?"}


@pytest.mark.parametrize(
    "row",
    [
        {"object": "conversation.history", "conversation_id": "c", "entries": [MISTRAL_ASKED, *MISTRAL]},
        {"object": "conversation.response", "inputs": "Oslo?", "outputs": MISTRAL},
        {"inputs": [MISTRAL_ASKED], "outputs": MISTRAL},
    ],
)
def test_entries_of_mistral(row: dict[str, Any]) -> None:
    assert read([row], "mistral-entries") == [EVENTS]


def test_what_a_connector_of_mistral_found_is_a_result() -> None:
    ran = {
        "type": "tool.execution",
        "id": "x",
        "name": "web_search",
        "arguments": '{"query": "Oslo"}',
        "info": {"n": 1},
    }
    (found,) = read([{"entries": [MISTRAL_ASKED, ran, MISTRAL[2]]}])
    assert found[1:3] == (Call("web_search", {"query": "Oslo"}, "c0"), Observation('{"n": 1}', "c0"))


@pytest.mark.parametrize(
    ("info", "made"),
    [
        (
            {"code": "print(1)", "code_output": "1\n"},
            (Call("python", {"code": "print(1)"}, "c0"), Observation("1\n", "c0")),
        ),
        (None, (Call("python", {}, "c0", False), Observation("", "c0"))),
    ],
)
def test_code_of_a_connector_is_its_argument_and_a_call_of_unknown_arguments_is_context(info: Any, made: Any) -> None:
    ran = {"type": "tool.execution", "name": "python", "object": "entry", **({"info": info} if info else {})}
    (found,) = read([{"entries": [MISTRAL_ASKED, ran, MISTRAL[2]]}])
    assert found[1:3] == made


TEXTS = {"role": "user", "content": [{"text": "Oslo?"}]}
QWEN = [
    *(TEXTS, {"role": "assistant", "content": "", "reasoning_content": "", "function_call": MADE["function"]}),
    {"role": "function", "name": "weather", "content": [{"text": "3C"}]},
    SAID,
]
SMOL_CALL = (
    "Calling tools:\n[{'id': 'a', 'type': 'function', 'function': {'name': 'weather', 'arguments': {'city': 'Oslo'}}}]"
)
SMOL = [
    {"role": "tool-call", "content": [{"type": "text", "text": SMOL_CALL}]},
    {"role": "tool-response", "content": [{"type": "text", "text": "Observation:\n3C"}]},
]
DEFINED = {"name": "weather", "description": "d", "parameters": SCHEMA}
TEXT_CALL = f"tool_call: weather\narguments: {GIVEN_TEXT}"
JSON_CALL = {"name": "weather", "arguments": GIVEN}


@pytest.mark.parametrize(
    ("row", "format"),
    [
        ({"messages": QWEN}, "openai"),
        (
            {"prompt": [USER], "completion": TURNS[1:], "answer": "3C", "reward": 1.0, "tool_defs": [DEFINED]},
            "exchange",
        ),
        ({"prompt": [USER], "completion": TURNS[1:], "info": json.dumps({"oai_tools": [TOOL]})}, "exchange"),
        (
            {"item": {"messages": TURNS[:3]}, "sample": {"choices": [{"message": SAID}], "output_text": "It is 3C."}},
            "exchange",
        ),
        ({"item": {"input": TURNS[:3]}, "sample": {"output_text": "It is 3C."}}, "exchange"),
        ({"simulations": [{"id": "s", "messages": [USER, CALL, RESULT, SAID]}], "tasks": []}, "wrapped"),
        ({"question": json.dumps(TURNS[:3]), "answer": "It is 3C."}, "turns-aside"),
        ({"question": "Oslo?", "messages": [*SMOL, SAID]}, "openai"),
        ({"question": "Oslo?", "agent_memory": SMOL, "answer": "It is 3C."}, "turns-aside"),
        (
            {"prompt": "Oslo?", "tool_name": "weather", "tool_input": GIVEN, "tool_output": "3C", "reply": "It is 3C."},
            "scattered",
        ),
        (
            {
                "query": "Oslo?",
                "function_name": "weather",
                "arguments": GIVEN_TEXT,
                "result": "3C",
                "answer": "It is 3C.",
            },
            "scattered",
        ),
        (
            {
                "query": "Oslo?",
                "toolCalls": [JSON_CALL],
                "toolResponses": ["3C"],
                "finalAnswer": "",
                "answer": "It is 3C.",
            },
            "scattered",
        ),
        (
            {"conversations": [USER, {"role": "assistant", "content": f"{TEXT_CALL}\n\nResult: 3C\n\nIt is 3C."}]},
            "hermes",
        ),
        (
            {
                "conversations": [
                    *(USER, {"role": "assistant", "content": TEXT_CALL}),
                    *({"role": "user", "content": "Result: 3C"}, SAID),
                ]
            },
            "hermes",
        ),
    ],
)
def test_rows_of_graders_and_of_ones_own(row: dict[str, Any], format: str) -> None:
    assert read([row], format) == [EVENTS]


def test_a_question_as_a_list_of_one_turn() -> None:
    assert read([{"question": json.dumps([USER]), "answer": "Cold."}]) == [(ASKED, Answer("Cold."))]


def test_several_calls_in_one_text_of_toolset_with_their_results() -> None:
    said = (
        'I look.\n\ntool_call: weather\narguments: {\n  "city": "Oslo"\n}\n\nResult: {"c": {"t": 3}}\n\nAnd again.\n\n'
        'tool_call: weather\narguments: {"city": "Rome"}\n\nResult: {"error": "none"}\n\nIt is 3C.'
    )
    (found,) = read([{"conversations": [USER, {"role": "assistant", "content": said}], "label": True}])
    assert found == (
        *(Question("Oslo?"), Thought("I look.", said=True), CALLED, Observation('{"c": {"t": 3}}', "c0")),
        *(Thought("And again.", said=True), Call("weather", {"city": "Rome"}, "c1")),
        *(Observation('{"error": "none"}', "c1"), Answer("It is 3C.")),
    )
