"""The openai package: chat completions, and a loop by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import features
import openai
from features import MODEL, Reply, Server


def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0)


def complete(server: Server, messages: list[Any], **more: Any) -> Any:
    return client(server).chat.completions.create(model=MODEL, messages=messages, **more)


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    more = {"tools": features.openai_tools(tools), "tool_choice": features.openai_choice(choice)} if tools else {}
    messages: list[Any] = [{"role": "user", "content": question}]
    if not stream:
        return features.openai_reply(complete(server, messages, **more).choices[0].message)
    with client(server).chat.completions.stream(model=MODEL, messages=messages, **more) as events:
        pieces = sum(event.type == "content.delta" for event in events)
        return features.openai_reply(events.get_final_completion().choices[0].message, pieces)


if __name__ == "__main__":
    features.report("openai", ask, partial(features.openai_shaped, complete), partial(features.openai_loop, complete))
