"""Runs as frameworks log them: OpenHands, ATIF, ADK, UI messages, spans, exports, threads, files of turns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought

CALL = Call("weather", {"city": "Oslo"}, "c0")
EVENTS = (Question("Oslo?"), CALL, Observation("3C", "c0"), Answer("It is 3C."))


def read(rows: list[Any], format: str = "") -> list[tuple[Event, ...]]:
    ledger = Ledger()
    found = list(read_trajectories([Row(row, f"x:{line}") for line, row in enumerate(rows, 1)], Policy(), ledger))
    assert ledger.balanced and (not format or list(ledger.formats) == [format])
    return [trajectory.events for trajectory in found]


USER: dict[str, Any] = {"role": "user", "content": "Oslo?"}
SAID: dict[str, Any] = {"role": "assistant", "content": "It is 3C."}
MADE = {"id": "t", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
MODEL = {"role": "assistant", "content": None, "tool_calls": [MADE]}
TURNS = [USER, MODEL, {"role": "tool", "tool_call_id": "t", "content": "3C"}, SAID]
INVOKED = {"toolCallId": "t", "toolName": "weather", "args": {"city": "Oslo"}, "state": "result", "result": "3C"}


def asked(**parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", **parts}]}


UI = {
    "tool-NAME": [
        {"type": "step-start"},
        {
            "type": "tool-weather",
            "toolCallId": "t",
            "state": "output-available",
            "input": {"city": "Oslo"},
            "output": "3C",
        },
        {"type": "text", "text": "It is 3C."},
    ],
    "tool-invocation": [{"type": "tool-invocation", "toolInvocation": INVOKED}, {"type": "text", "text": "It is 3C."}],
    "dynamic-tool": [
        {"type": "dynamic-tool", "toolName": "weather", "toolCallId": "t", "input": {"city": "Oslo"}, "output": "3C"},
        {"type": "text", "text": "It is 3C."},
    ],
}


@pytest.mark.parametrize("parts", UI.values(), ids=UI)
def test_ui_messages_of_the_ai_sdk(parts: list[Any]) -> None:
    assert read([{"messages": [asked(text="Oslo?"), {"role": "assistant", "parts": parts}]}], "typed-parts") == [EVENTS]


def test_invocations_beside_the_content() -> None:
    assert read([{"messages": [USER, {**SAID, "toolInvocations": [INVOKED]}]}], "typed-parts") == [EVENTS]


@pytest.mark.parametrize("given", ["input", "args"])
def test_model_messages_of_the_ai_sdk(given: str) -> None:
    result = {"output": {"type": "text", "value": "3C"}} if given == "input" else {"result": "3C"}
    call = {"type": "tool-call", "toolCallId": "t", "toolName": "weather", given: {"city": "Oslo"}}
    told = {"type": "tool-result", "toolCallId": "t", "toolName": "weather", **result}
    turns = [USER, {"role": "assistant", "content": [call]}, {"role": "tool", "content": [told]}, SAID]
    assert read([{"messages": turns}], "openai") == [EVENTS]


PYDANTIC = [
    {"kind": "request", "instructions": "Be brief.", "parts": [{"part_kind": "user-prompt", "content": "Oslo?"}]},
    {
        "kind": "response",
        "parts": [
            {"part_kind": "thinking", "content": "hm"},
            {"part_kind": "tool-call", "tool_name": "weather", "args": '{"city": "Oslo"}', "tool_call_id": "t"},
        ],
    },
    {
        "kind": "request",
        "instructions": "Be brief.",
        "parts": [{"part_kind": "tool-return", "tool_name": "weather", "content": "3C", "tool_call_id": "t"}],
    },
    {"kind": "response", "parts": [{"part_kind": "text", "content": "It is 3C."}]},
]


@pytest.mark.parametrize("rows", [PYDANTIC, [{"messages": PYDANTIC}]], ids=["a file of messages", "a row"])
def test_messages_of_pydantic_ai(rows: list[Any]) -> None:
    assert read(rows, "typed-parts") == [(System("Be brief."), EVENTS[0], Thought("hm"), *EVENTS[1:])]


def test_a_span_of_opentelemetry() -> None:
    called = {"type": "tool_call", "id": "t", "name": "weather", "arguments": {"city": "Oslo"}}
    row = {
        "gen_ai.input.messages": [
            asked(content="Oslo?"),
            {"role": "assistant", "parts": [called]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t", "response": "3C"}]},
        ],
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "It is 3C."}]}]',
    }
    assert read([row]) == read([{"name": "chat", "attributes": row}], "traces") == [EVENTS]


def test_events_of_openhands() -> None:
    told = {
        "function_name": "weather",
        "tool_call_id": "t",
        "model_response": {"id": "r", "choices": [{"message": {"content": "I look.", "tool_calls": [MADE]}}]},
    }
    events = [
        {"timestamp": "1", "source": "agent", "action": "system", "args": {"content": "Be brief.", "tools": []}},
        {"timestamp": "1", "source": "user", "action": "message", "args": {"content": "Oslo?"}},
        {"timestamp": "1", "source": "environment", "observation": "recall", "content": "nothing"},
        {"timestamp": "2", "source": "agent", "action": "call_tool_mcp", "args": {}, "tool_call_metadata": told},
        {"timestamp": "2", "source": "agent", "observation": "mcp", "content": "3C", "tool_call_metadata": told},
        {"timestamp": "3", "source": "agent", "action": "finish", "args": {"final_thought": "It is 3C."}},
    ]
    expected = [(System("Be brief."), EVENTS[0], Thought("I look.", said=True), *EVENTS[1:])]
    assert read(events, "openhands") == read([{"history": events}], "openhands") == expected


def test_old_events_of_openhands_name_no_source() -> None:
    events = [
        {"content": "List", "action": "message"},
        {"command": "ls", "thought": "I look.", "action": "run"},
        {"content": "a.py", "observation": "run"},
        {"content": "There is a.py.", "action": "message"},
    ]
    call = Call("bash", {"command": "ls"}, "c0")
    assert read([{"issue": {}, "history": events}], "openhands") == [
        (Question("List"), Thought("I look.", said=True), call, Observation("a.py", "c0"), Answer("There is a.py."))
    ]


def test_the_terminal_answers_an_agent_that_has_no_tools() -> None:
    steps = [
        {"source": "user", "message": "List"},
        {"source": "agent", "message": "ls", "observation": {"results": [{"content": "a.py"}]}},
        {"source": "agent", "message": "a.py"},
    ]
    row = {"schema_version": "ATIF-v1.6", "steps": steps}
    assert read([row], "atif") == [(Question("List"), Answer("ls"), Question("a.py"), Answer("a.py"))]


def test_evaluation_cases_of_adk() -> None:
    turn = {
        "user_content": {"role": "user", "parts": [{"text": "Oslo?"}]},
        "intermediate_data": {
            "tool_uses": [{"id": "t", "name": "weather", "args": {"city": "Oslo"}}],
            "tool_responses": [{"id": "t", "name": "weather", "response": {"result": "3C"}}],
        },
        "final_response": {"role": "model", "parts": [{"text": "It is 3C."}]},
    }
    case = {"eval_id": "e", "conversation": [turn]}
    assert read([case], "adk") == read([{"eval_set_id": "s", "eval_cases": [case]}], "wrapped") == [EVENTS]


def test_a_chat_exported_from_chatgpt_is_the_branch_that_was_kept() -> None:
    def node(parent: str | None, role: str, text: str, **more: Any) -> dict[str, Any]:
        content = {"content_type": "text", "parts": [text]}
        return {"parent": parent, "message": {"author": {"role": role, "name": "python"}, "content": content, **more}}

    mapping = {
        "root": {"parent": None, "message": None},
        "ctx": {
            "parent": "root",
            "message": {
                "author": {"role": "user"},
                "content": {
                    "content_type": "user_editable_context",
                    "user_profile": "",
                    "user_instructions": "Be brief.",
                },
            },
        },
        "a": node("ctx", "user", "Oslo?"),
        "b": node("a", "assistant", "No idea."),
        "c": node("a", "assistant", "print(3)", recipient="python"),
        "d": node("c", "tool", "3C"),
        "e": node("d", "assistant", "It is 3C.", recipient="all"),
    }
    call = Call("python", {"input": "print(3)"}, "c0")
    assert read([{"title": "t", "current_node": "e", "mapping": mapping}], "chat-export") == [
        (System("Be brief."), EVENTS[0], call, *EVENTS[2:])
    ]


def test_a_chat_exported_from_claude_holds_what_was_attached() -> None:
    asked = {"sender": "human", "text": "Oslo?", "content": [], "attachments": [{"extracted_content": "a table"}]}
    answered = {"sender": "assistant", "text": "", "content": [{"type": "text", "text": "It is 3C."}]}
    assert read([{"uuid": "u", "chat_messages": [asked, answered]}], "chat-export") == [
        (Question("Oslo?\na table"), Answer("It is 3C."))
    ]


def test_a_chat_of_claude_with_branches_is_the_one_that_was_shown() -> None:
    def said(name: str, before: str, sender: str, text: str) -> dict[str, Any]:
        return {"uuid": name, "parent_message_uuid": before, "sender": sender, "text": text, "content": []}

    told = [
        said("a", "0", "human", "Oslo?"),
        said("b", "a", "assistant", "No idea."),
        said("c", "a", "assistant", "It is 3C."),
    ]
    row = {"uuid": "u", "current_leaf_message_uuid": "c", "chat_messages": told}
    assert read([row], "chat-export") == [(EVENTS[0], EVENTS[-1])]


LANGCHAIN = [
    {"type": "human", "data": {"content": "Oslo?"}},
    {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "weather", "args": {"city": "Oslo"}, "id": "t"}]}},
    {"type": "tool", "data": {"content": "3C", "tool_call_id": "t"}},
    {"type": "ai", "data": {"content": "It is 3C."}},
]


@pytest.mark.parametrize("rows", [TURNS, LANGCHAIN], ids=["openai", "langchain"])
def test_a_file_whose_rows_are_turns_is_one_conversation(rows: list[Any]) -> None:
    assert read(rows) == [EVENTS]


def test_turns_of_two_sessions_are_two_conversations() -> None:
    rows = [{**turn, "session_id": name} for name in ("a", "b") for turn in TURNS]
    assert read(rows) == [EVENTS, EVENTS]


@pytest.mark.parametrize("kind", [{"a": 1}, ["TextMessage"], 5, None])
def test_a_row_whose_type_is_no_word_is_rejected_and_not_crashed_on(kind: Any) -> None:
    rows = [
        {"type": kind, "source": kind, "content": "Oslo?"},
        {"role": kind, "kind": kind, "parts": [], "content": ""},
    ]
    assert read(rows) == []
    assert read([{"messages": [{"kind": kind, "parts": [{"part_kind": kind}]}, {"type": kind, "content": kind}]}]) == []


@pytest.mark.parametrize("beside", [{"parent_id": "1"}, {"output": "x"}])
def test_a_row_that_is_more_than_a_turn_stays_alone(beside: dict[str, str]) -> None:
    assert read([{**USER, **beside}, {**SAID, **beside}]) == []


@pytest.mark.parametrize(
    "row",
    [
        {"values": {"messages": TURNS}, "next": []},
        {"conversation": {"messages": TURNS}},
        {"custom_id": "1", "body": {"messages": TURNS}},
        {"version": 2, "eval": {}, "samples": [{"id": 1, "messages": TURNS}]},
        {"id": 1, "chat": {"messages": TURNS}},
    ],
)
def test_a_conversation_inside_an_object(row: dict[str, Any]) -> None:
    assert read([row], "wrapped") == [EVENTS]


BLOCKS = [
    {
        "role": "assistant",
        "content": [{"type": "tool_call", "tool_call_id": "t", "name": "weather", "arguments": {"city": "Oslo"}}],
    },
    {"role": "tool", "tool_call_id": "t", "content": [{"type": "tool_result", "tool_result": "3C"}]},
    SAID,
]


@pytest.mark.parametrize(
    "row",
    [
        {"query": [USER], "response": BLOCKS, "tool_definitions": []},
        {"query": "Oslo?", "response": BLOCKS, "tool_definitions": [{"name": "weather"}]},
        {"inputs": {"messages": TURNS[:3]}, "outputs": {"choices": [{"message": SAID}]}},
        {"inputs": {"messages": TURNS[:1]}, "outputs": {"messages": TURNS}},
        {"inputs": {"messages": [LANGCHAIN[:3]]}, "outputs": {"generations": [[{"message": LANGCHAIN[3]}]]}},
        {"request": {"body": {"messages": TURNS[:3]}}, "response": {"body": {"choices": [{"message": SAID}]}}},
    ],
)
def test_what_was_sent_and_what_came_back(row: dict[str, Any]) -> None:
    assert read([row], "exchange") == [EVENTS]


def test_what_was_sent_may_stand_as_json_text() -> None:
    row = {
        "type": "GENERATION",
        "input": '[{"role": "user", "content": "Oslo?"}]',
        "output": '{"role": "assistant", "content": "Yes."}',
    }
    assert read([row], "exchange") == [(Question("Oslo?"), Answer("Yes."))]


def test_a_thread_told_newest_first_is_read_oldest_first() -> None:
    def said(role: str, text: str, at: int) -> dict[str, Any]:
        return {
            "role": role,
            "created_at": at,
            "content": [{"type": "text", "text": {"value": text, "annotations": []}}],
        }

    thread = [said("assistant", "It is 3C.", 2), said("user", "Oslo?", 1)]
    assert read([{"messages": thread}]) == [(Question("Oslo?"), Answer("It is 3C."))]


def observation(kind: str, sent: Any, given: Any) -> dict[str, Any]:
    return {"type": kind, "input": json.dumps(sent), "output": given if isinstance(given, str) else json.dumps(given)}


def test_a_trace_of_langfuse_tells_every_conversation_once() -> None:
    told = [
        observation("GENERATION", TURNS[:3], SAID),
        observation("GENERATION", TURNS[:1], MODEL),
        observation("SPAN", {"city": "Oslo"}, "3C"),
        observation("GENERATION", TURNS[2:3], SAID),
        observation("GENERATION", [{"role": "user", "content": "Bye"}], "Bye."),
    ]
    assert read([{"trace": {"id": "t"}, "observations": told}], "langfuse") == [
        EVENTS,
        (Question("Bye"), Answer("Bye.")),
    ]


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SENT = {"role": "user", "content": "Oslo?"}
ITEM = {"type": "function_call", "call_id": "t", "name": "weather", "arguments": '{"city": "Oslo"}'}
GIVEN = {"type": "function_call_output", "call_id": "t", "output": "3C"}
DIALECTS: dict[str, tuple[Any, Any]] = {
    "langchain": (
        [
            SENT,
            {"role": "assistant", "content": "", "additional_kwargs": {"tool_calls": [MADE]}},
            {"role": "tool", "content": "3C", "tool_call_id": "t"},
            {"role": "tool", "content": WEATHER},
        ],
        SAID,
    ),
    "responses": (
        [SENT, ITEM, GIVEN],
        {"object": "response", "tools": [WEATHER["function"]], "output": [{"type": "message", **SAID}]},
    ),
    "gemini": (
        {
            "config": {"tools": [{"function_declarations": [WEATHER["function"]]}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Oslo?"}]},
                {"role": "model", "parts": [{"function_call": {"name": "weather", "args": {"city": "Oslo"}}}]},
                {"role": "user", "parts": [{"function_response": {"name": "weather", "response": {"result": "3C"}}}]},
            ],
        },
        {"content": {"role": "model", "parts": [{"text": "It is 3C."}]}},
    ),
    "parts": (
        [
            asked(content="Oslo?"),
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "id": "t", "name": "weather", "arguments": {"city": "Oslo"}},
                    {"type": "TextReasoningContent", "content": {"text": "", "protectedData": "x"}},
                ],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t", "response": "3C"}]},
        ],
        [{"role": "assistant", "parts": [{"type": "text", "content": "It is 3C."}]}],
    ),
}


@pytest.mark.parametrize(("sent", "given"), DIALECTS.values(), ids=DIALECTS)
def test_what_was_sent_in_the_dialect_of_a_framework(sent: Any, given: Any) -> None:
    (found,) = read_trajectories([Row(observation("GENERATION", sent, given), "x:1")], Policy())
    assert found.events == EVENTS and [tool.name for tool in found.tools] == ["weather"]


def test_a_call_in_a_span_of_the_ai_sdk() -> None:
    row = observation("GENERATION", [SENT], [{"toolCallId": "t", "toolName": "weather", "input": '{"city": "Oslo"}'}])
    assert read([row], "exchange") == [EVENTS[:2]]


def test_calls_and_results_as_mcp_has_them() -> None:
    request = {"method": "tools/call", "params": {"name": "weather", "arguments": {"city": "Oslo"}}}
    turns = [
        USER,
        {"role": "assistant", "content": [], "tool_calls": {"t": request}},
        {"role": "user", "content": [], "tool_results": {"t": {"content": [{"type": "text", "text": "3C"}]}}},
        SAID,
    ]
    assert read([{"messages": turns}], "openai") == [EVENTS]


def test_the_plan_of_cohere_is_a_thought() -> None:
    turns = [USER, {"role": "assistant", "tool_plan": "I look.", "tool_calls": [MADE]}, TURNS[2], SAID]
    assert read([{"messages": turns}], "openai") == [(EVENTS[0], Thought("I look."), *EVENTS[1:])]


def autogen(kind: str, source: str, content: Any) -> dict[str, Any]:
    return {"type": kind, "source": source, "content": content, "models_usage": None}


def test_a_run_of_autogen() -> None:
    called = [{"id": "t", "name": "weather", "arguments": '{"city": "Oslo"}'}]
    told = [
        autogen("TextMessage", "user", "Oslo?"),
        autogen("ThoughtEvent", "a", "I look."),
        autogen("ToolCallRequestEvent", "a", called),
        autogen(
            "ToolCallExecutionEvent", "a", [{"call_id": "t", "name": "weather", "content": "3C", "is_error": False}]
        ),
        autogen("ToolCallSummaryMessage", "a", "3C"),
        autogen("TextMessage", "a", "It is 3C."),
    ]
    expected = [(EVENTS[0], Thought("I look."), *EVENTS[1:])]
    assert read(told, "autogen") == read([{"messages": told, "stop_reason": None}], "autogen") == expected
    assert read([{"inner_messages": told[:5], "chat_message": told[5]}], "autogen") == expected


def test_the_numbered_steps_of_dspy() -> None:
    steps = {"thought_0": "I look.", "tool_name_0": "tide", "tool_args_0": {"port": "Nes"}, "observation_0": "LOW 4"}
    last = {"thought_1": "Known.", "tool_name_1": "finish", "tool_args_1": {}, "observation_1": "Completed."}
    row = {"question": "Tide?", "trajectory": steps | last, "answer": "It is low."}
    (events,) = read([row])
    assert [type(event) for event in events] == [Question, Thought, Call, Observation, Thought, Answer]
