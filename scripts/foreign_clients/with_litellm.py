"""litellm: OpenAI's chat through its own types, and a loop by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import features
import litellm
from features import MODEL, Reply, Server


def complete(server: Server, messages: list[Any], **more: Any) -> Any:
    base, key = f"{server.url}/v1", server.key
    return litellm.completion(f"openai/{MODEL}", messages, api_base=base, api_key=key, max_retries=0, **more)


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    more = {"tools": features.openai_tools(tools), "tool_choice": features.openai_choice(choice)} if tools else {}
    reply = complete(server, [{"role": "user", "content": question}], stream=stream, **more)
    if not stream:
        return features.openai_reply(reply.choices[0].message)
    pieces = list(reply)
    whole: Any = litellm.stream_chunk_builder(pieces)
    return features.openai_reply(
        whole.choices[0].message, sum(bool(piece.choices[0].delta.content) for piece in pieces)
    )


if __name__ == "__main__":
    features.report("litellm", ask, partial(features.openai_shaped, complete), partial(features.openai_loop, complete))
