"""The same conversation as Gemini, Bedrock, OpenAI's Responses, LangChain and others spell it."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = Tool("weather", "d", SCHEMA)
EVENTS = (
    *(System("Be brief."), Question("Oslo?"), Thought("I look."), Call("weather", {"city": "Oslo"}, "c0")),
    *(Observation("3C", "c0"), Answer("It is 3C.")),
)
GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Oslo?"}]},
        {
            "role": "model",
            "parts": [
                {"text": "I look.", "thought": True},
                {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
            ],
        },
        {"role": "function", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "3C"}}}]},
        {"role": "model", "parts": [{"text": "It is 3C."}]},
    ],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "d",
                    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
                }
            ]
        }
    ],
}
BEDROCK = {
    "schemaVersion": "bedrock-conversation-2024",
    "system": [{"text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"text": "Oslo?"}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "I look."}}},
                {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Oslo"}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "3C"}], "status": "success"}}],
        },
        {"role": "assistant", "content": [{"text": "It is 3C."}]},
    ],
    "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "description": "d", "inputSchema": {"json": SCHEMA}}}]},
}
RESPONSES = {
    "instructions": "Be brief.",
    "input": "Oslo?",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "k", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"type": "function_call_output", "call_id": "k", "output": "3C"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is 3C."}]},
    ],
    "tools": [{"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA}],
}
LANGCHAIN = {
    "messages": [
        {"type": "system", "data": {"content": "Be brief."}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "HumanMessage"], "kwargs": {"content": "Oslo?"}},
        {
            "type": "ai",
            "content": "",
            "additional_kwargs": {"reasoning_content": "I look."},
            "tool_calls": [{"name": "weather", "args": {"city": "Oslo"}, "id": "1", "type": "tool_call"}],
        },
        {"type": "tool", "content": "3C", "tool_call_id": "1"},
        {"type": "AIMessage", "content": "It is 3C."},
    ],
    "tools": [{"name": "weather", "description": "d", "parameters": SCHEMA}],
}


@pytest.mark.parametrize(
    ("format", "row"), [("gemini", GEMINI), ("bedrock", BEDROCK), ("responses", RESPONSES), ("langchain", LANGCHAIN)]
)
def test_each_says_the_same(format: str, row: dict[str, Any]) -> None:
    ledger = Ledger()
    (found,) = read_trajectories([Row(row, "x:1")], Policy(), ledger)
    assert found == Trajectory(EVENTS, (TOOL,)) and list(ledger.formats) == [format]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "User", "content": "Hi"}, {"role": "Chatbot", "content": "Hello."}]},
        {"chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello."}]},
        {
            "trajectory": [
                {"role": "user", "text": "Hi", "mask": False},
                {"role": "ai", "text": "Hello.", "mask": False},
            ]
        },
    ],
)
def test_turns_whose_roles_and_texts_are_spelled_otherwise(row: dict[str, Any]) -> None:
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    assert found.events == (Question("Hi"), Answer("Hello."))


def test_a_system_turn_whose_text_stands_under_system_prompt() -> None:
    turns = [{"role": "system", "text": None, "system_prompt": "SETTING"}, {"role": "user", "text": "Hi"}]
    (found,) = read_trajectories([Row({"trajectory": [*turns, {"role": "ai", "text": "Hello."}]}, "x:1")], Policy())
    assert found.events == (System("SETTING"), Question("Hi"), Answer("Hello."))


def test_the_analysis_channel_is_thought() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "channel": "analysis", "content": "A greeting."}]
    row = {"messages": [*turns, {"role": "assistant", "channel": "final", "content": "Hello."}]}
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    assert found.events == (Question("Hi"), Thought("A greeting."), Answer("Hello."))
