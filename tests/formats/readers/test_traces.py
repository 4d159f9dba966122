"""Traces of model calls, in every convention: one conversation, told once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.trajectory.types import Answer, Call, Observation
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
    TOOL,
    TURNS,
    USER,
    read,
)


def value(given: Any) -> dict[str, Any]:
    """A value as OTLP JSON has it."""
    if isinstance(given, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": value(item)} for key, item in given.items()]}}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(item) for item in given]}}
    return {"intValue": str(given)} if isinstance(given, int) else {"stringValue": given}


def listed(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


def otlp(*spans: dict[str, Any]) -> dict[str, Any]:
    told = [
        {"traceId": "t", "spanId": str(number), "kind": 3, **span, "attributes": listed(span.get("attributes", {}))}
        for number, span in enumerate(spans)
    ]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": told}]}]}


def event(name: str, **attributes: Any) -> dict[str, Any]:
    return {"timeUnixNano": "1", "name": name, "attributes": listed(attributes)}


PARTS = [
    {"role": "user", "parts": [{"type": "text", "content": "Oslo?"}]},
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "a", "name": "weather", "arguments": GIVEN}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "a", "response": "3C"}]},
]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "It is 3C."}], "finish_reason": "stop"}]
FIRST = {"gen_ai.input.messages": json.dumps(PARTS[:1]), "gen_ai.output.messages": json.dumps(PARTS[1:2])}
LAST = {"gen_ai.input.messages": json.dumps(PARTS), "gen_ai.output.messages": json.dumps(ANSWERED)}
TOOL_SPAN = {"attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": "3C"}}
OPEN = {
    "openinference.span.kind": "LLM",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Oslo?",
    "llm.input_messages.1.message.role": "assistant",
    "llm.input_messages.1.message.tool_calls.0.tool_call.id": "a",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": GIVEN_TEXT,
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.tool_call_id": "a",
    "llm.input_messages.2.message.content": "3C",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.contents.0.message_content.type": "text",
    "llm.output_messages.0.message.contents.0.message_content.text": "It is 3C.",
    "llm.tools.0.tool.json_schema": json.dumps(TOOL),
    "output.value": "It is 3C.",
}
OPEN_CALL = {"tool_call.id": "a", "tool_call.function.name": "weather", "tool_call.function.arguments": GIVEN_TEXT}
FRAME = {
    "context.span_id": "s",
    "span_kind": "LLM",
    "attributes.llm.input_messages": [
        {"message.role": "user", "message.content": "Oslo?"},
        {"message.role": "assistant", "message.tool_calls": [OPEN_CALL]},
        {"message.role": "tool", "message.tool_call_id": "a", "message.content": "3C"},
    ],
    "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "It is 3C."}],
}
LOOP = {
    "llm.request.type": "chat",
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Oslo?",
    "gen_ai.prompt.1.role": "assistant",
    "gen_ai.prompt.1.tool_calls.0.name": "weather",
    "gen_ai.prompt.1.tool_calls.0.arguments": GIVEN_TEXT,
    "gen_ai.prompt.2.role": "tool",
    "gen_ai.prompt.2.content": "3C",
    "gen_ai.completion.0.content": "It is 3C.",
    "gen_ai.completion.0.finish_reason": "stop",
}
MESSAGES = [
    event("gen_ai.user.message", content="Oslo?"),
    event("gen_ai.assistant.message", tool_calls=json.dumps([MADE])),
    event("gen_ai.tool.message", id="a", content="3C"),
    event("gen_ai.choice", index=0, message=json.dumps(SAID)),
]
AZURE = [
    event("gen_ai.user.message", **{"gen_ai.event.content": json.dumps(USER)}),
    event("gen_ai.assistant.message", **{"gen_ai.event.content": json.dumps({"tool_calls": [MADE]})}),
    event("gen_ai.tool.message", **{"gen_ai.event.content": json.dumps({"id": "a", "content": "3C"})}),
    event("gen_ai.choice", **{"gen_ai.event.content": json.dumps({"message": {"content": "It is 3C."}})}),
]
LOGS = [
    {"traceId": "t", "spanId": "s", "eventName": "gen_ai.user.message", "body": value({"content": "Oslo?"})},
    {"traceId": "t", "spanId": "s", "eventName": "gen_ai.assistant.message", "body": value({"tool_calls": [MADE]})},
    {"traceId": "t", "spanId": "s", "eventName": "gen_ai.tool.message", "body": value({"id": "a", "content": "3C"})},
    {"traceId": "t", "spanId": "s", "eventName": "gen_ai.choice", "body": value({"index": 0, "message": SAID})},
]
LOGFIRE = [
    {"event.name": "gen_ai.user.message", **USER},
    {"event.name": "gen_ai.assistant.message", **CALL},
    {"event.name": "gen_ai.tool.message", "role": "tool", "id": "a", "content": "3C"},
    {"event.name": "gen_ai.choice", "index": 0, "message": SAID},
]
MLFLOW = {
    "mlflow.spanType": '"CHAT_MODEL"',
    "mlflow.spanInputs": json.dumps({"messages": TURNS[:3], "tools": [TOOL]}),
    "mlflow.spanOutputs": json.dumps({"choices": [{"message": SAID}]}),
}
VERCEL = {
    "ai.prompt.messages": json.dumps(
        [
            {"role": "user", "content": [{"type": "text", "text": "Oslo?"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool-call", "toolCallId": "a", "toolName": "weather", "args": GIVEN}],
            },
            {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "a", "result": "3C"}]},
        ]
    ),
    "ai.response.text": "It is 3C.",
}


@pytest.mark.parametrize(
    "row",
    [
        otlp({"attributes": FIRST}, TOOL_SPAN, {"attributes": LAST}),
        otlp({"attributes": LAST}, {"attributes": FIRST}),
        otlp({"attributes": {}, "events": [event("gen_ai.client.inference.operation.details", **LAST)]}),
        otlp({"events": MESSAGES}),
        otlp({"events": AZURE}),
        {"resourceLogs": [{"scopeLogs": [{"logRecords": LOGS}]}]},
        {"name": "chat", "attributes": {"events": json.dumps(LOGFIRE)}},
        {"name": "llm", "span_kind": "LLM", "context": {"trace_id": "t", "span_id": "s"}, "attributes": OPEN},
        {"name": "llm", "attributes": json.dumps(OPEN)},
        otlp({"attributes": OPEN}),
        FRAME,
        {"name": "openai.chat", "attributes": LOOP},
        LOOP,
        {"data": [{"traceID": "t", "spans": [{"tags": [{"key": key, "value": text} for key, text in LOOP.items()]}]}]},
        {"info": {}, "data": {"spans": [{"name": "agent", "attributes": {}}, {"name": "chat", "attributes": MLFLOW}]}},
        {"info": {}, "data": {"spans": [{"attributes": {"mlflow.chat.messages": json.dumps(TURNS)}}]}},
        {"name": "ai.generateText.doGenerate", "attributes": VERCEL},
    ],
    ids=lambda row: "-".join(row)[:40],
)
def test_a_trace_tells_its_conversation_once(row: dict[str, Any]) -> None:
    assert read([row], "traces") == [EVENTS]


def test_the_lines_of_one_trace_are_one_conversation_and_another_trace_is_another() -> None:
    def span(trace: str, attributes: dict[str, Any]) -> dict[str, Any]:
        return {"name": "chat", "kind": 3, "context": {"trace_id": trace, "span_id": "s"}, "attributes": attributes}

    assert read([span("t", FIRST), span("t", {"tool": "x"}), span("t", LAST), span("u", LOOP)]) == [EVENTS, EVENTS]


def test_lines_of_a_collector_are_read_together() -> None:
    assert read([otlp({"attributes": FIRST}), otlp({"attributes": LAST})], "traces") == [EVENTS]


def test_two_agents_of_one_trace_are_two_conversations() -> None:
    other = {**LOOP, "gen_ai.prompt.0.content": "Rome?"}
    assert [found[0].text for found in read([otlp({"attributes": LOOP}, {"attributes": other})])] == ["Oslo?", "Rome?"]


def test_parallel_calls_without_ids_and_a_trace_that_ends_on_a_call() -> None:
    asked = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Oslo?",
        "gen_ai.completion.0.role": "assistant",
    }
    calls = {
        f"gen_ai.completion.0.tool_calls.{number}.{key}": text
        for number, city in enumerate(("Oslo", "Rome"))
        for key, text in (("name", "weather"), ("arguments", json.dumps({"city": city})))
    }
    assert read([{"attributes": asked | calls}]) == [(ASKED, CALLED, Call("weather", {"city": "Rome"}, "c1"))]


def test_keys_with_dots_inside_arguments_stay_as_they_are() -> None:
    parts = [PARTS[0], {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": {"a.b": 1}}]}]
    (found,) = read([{"attributes": {"gen_ai.input.messages": parts[:1], "gen_ai.output.messages": parts[1:]}}])
    assert found[1] == Call("f", {"a.b": 1}, "c0")


@pytest.mark.parametrize(
    "row",
    [
        {"request_id": "r", "request_body": {"messages": TURNS[:3]}, "response_body": {"choices": [{"message": SAID}]}},
        {"request_body": json.dumps({"messages": TURNS[:3]}), "response_body": json.dumps({"choices": [SAID]})},
    ],
)
def test_a_log_of_helicone(row: dict[str, Any]) -> None:
    assert read([row], "exchange") == [EVENTS]


def test_the_schema_that_helicone_makes_of_a_request() -> None:
    row = {"request_body": "", "llmSchema": {"request": {"messages": TURNS[:3]}, "response": {"messages": [SAID]}}}
    assert read([row], "wrapped") == [EVENTS]


def test_a_failed_tool_is_a_result_and_never_trained() -> None:
    failed = [USER, CALL, {**RESULT, "content": "Error: no such city"}, SAID]
    (found,) = read([{"attributes": {"mlflow.chat.messages": failed}}])
    assert found[2:] == (Observation("Error: no such city", "c0"), Answer("It is 3C."))
