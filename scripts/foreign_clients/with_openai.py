"""The openai package: chat completions, and a loop by hand."""

from __future__ import annotations

import json
from typing import Any

import features
import openai
from features import ALARM, MODEL, SHAPE, Reply, Server


def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0)


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    more = {"tools": features.openai_tools(tools), "tool_choice": features.openai_choice(choice)} if tools else {}
    asked = {"model": MODEL, "messages": [{"role": "user", "content": question}], **more}
    if stream:
        with client(server).chat.completions.stream(**asked) as events:
            pieces = sum(event.type == "content.delta" for event in events)
            return reply_of(events.get_final_completion().choices[0].message, pieces)
    return reply_of(client(server).chat.completions.create(**asked).choices[0].message)


def reply_of(message: Any, pieces: int = 0) -> Reply:
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    return Reply(message.content or "", calls, pieces)


def shaped(server: Server, question: str) -> Any:
    form: Any = {"type": "json_schema", "json_schema": {"name": "fire", "schema": SHAPE, "strict": True}}
    messages: Any = [{"role": "user", "content": question}]
    reply = client(server).chat.completions.create(model=MODEL, messages=messages, response_format=form)
    return json.loads(reply.choices[0].message.content or "")


def loop(server: Server, question: str) -> Reply:
    messages: list[Any] = [{"role": "user", "content": question}]
    tools: Any = features.openai_tools(ALARM)
    for _ in range(6):
        message = client(server).chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
        if not message.tool_calls:
            return Reply(message.content or "", list(features.CALLED))
        messages.append(message)
        for call in message.tool_calls:
            result = ALARM[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    raise AssertionError("no end after 6 steps")


if __name__ == "__main__":
    features.report("openai", ask, shaped, loop)
