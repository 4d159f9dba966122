"""litellm: OpenAI's chat through its own types, and a loop by hand."""

from __future__ import annotations

import json
from typing import Any

import features
import litellm
from features import ALARM, MODEL, SHAPE, Reply, Server


def complete(server: Server, messages: list[Any], **more: Any) -> Any:
    base, key = f"{server.url}/v1", server.key
    return litellm.completion(f"openai/{MODEL}", messages, api_base=base, api_key=key, max_retries=0, **more)


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    more = {"tools": features.openai_tools(tools), "tool_choice": features.openai_choice(choice)} if tools else {}
    reply = complete(server, [{"role": "user", "content": question}], stream=stream, **more)
    if not stream:
        return reply_of(reply.choices[0].message)
    pieces = list(reply)
    whole: Any = litellm.stream_chunk_builder(pieces)
    return reply_of(whole.choices[0].message, sum(bool(piece.choices[0].delta.content) for piece in pieces))


def reply_of(message: Any, pieces: int = 0) -> Reply:
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    return Reply(message.content or "", calls, pieces)


def shaped(server: Server, question: str) -> Any:
    form = {"type": "json_schema", "json_schema": {"name": "fire", "schema": SHAPE, "strict": True}}
    reply = complete(server, [{"role": "user", "content": question}], response_format=form)
    return json.loads(reply.choices[0].message.content)


def loop(server: Server, question: str) -> Reply:
    messages: list[Any] = [{"role": "user", "content": question}]
    for _ in range(6):
        message = complete(server, messages, tools=features.openai_tools(ALARM)).choices[0].message
        if not message.tool_calls:
            return Reply(message.content, list(features.CALLED))
        messages.append(message)
        for call in message.tool_calls:
            result = ALARM[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    raise AssertionError("no end after 6 steps")


if __name__ == "__main__":
    features.report("litellm", ask, shaped, loop)
