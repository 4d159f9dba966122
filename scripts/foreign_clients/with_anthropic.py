"""The anthropic package: messages, and its own tool runner."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import features
from anthropic import beta_tool
from features import ALARM, MODEL, SHAPE, Reply, Server

LIMIT: dict[str, Any] = {"model": MODEL, "max_tokens": 300}


def client(server: Server) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0)


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    asked: dict[str, Any] = {**LIMIT, "messages": [{"role": "user", "content": question}]}
    if tools:
        known = {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}}
        declared = [
            {"name": name, "description": features.about(tool), "input_schema": features.schema_of(tool)}
            for name, tool in tools.items()
        ]
        asked |= {"tools": declared, "tool_choice": known.get(choice, {"type": "tool", "name": choice})}
    if stream:
        with client(server).messages.stream(**asked) as events:
            pieces = sum(event.type == "text" for event in events)
            return reply_of(events.get_final_message(), pieces)
    return reply_of(client(server).messages.create(**asked))


def reply_of(message: Any, pieces: int = 0) -> Reply:
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = [(block.name, dict(block.input)) for block in message.content if block.type == "tool_use"]
    return Reply(text, calls, pieces)


def shaped(server: Server, question: str) -> Any:
    form: Any = {"format": {"type": "json_schema", "schema": SHAPE}}
    messages: Any = [{"role": "user", "content": question}]
    reply = client(server).messages.create(**LIMIT, messages=messages, output_config=form)
    return json.loads(reply_of(reply).text)


def loop(server: Server, question: str) -> Reply:
    tools = [beta_tool(tool) for tool in ALARM.values()]
    messages: Any = [{"role": "user", "content": question}]
    last = client(server).beta.messages.tool_runner(**LIMIT, messages=messages, tools=tools).until_done()
    return Reply(reply_of(last).text, list(features.CALLED))


if __name__ == "__main__":
    features.report("anthropic", ask, shaped, loop)
