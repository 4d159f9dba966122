"""OpenAI's chat completions: requests as `ModelRequest`, and what the loop does as replies.

A client that knows nothing of ReAct sends `messages` and `tools` and gets `tool_calls`. The thought of a call goes out
as reasoning_content; clients that send it back, or the call's id, get the very prompt that the model was trained on.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

from swiftagent.agent.serving.asked import Memory, ModelRequest, fields_of, messages_of, model_request
from swiftagent.agent.serving.reply import Answering, Served
from swiftagent.agent.serving.streams import Reply, grow
from swiftagent.formats.readers.openai import parse
from swiftagent.trajectory.types import Call

_REFUSED: tuple[str, ...] = ("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty")
_REFUSED += ("audio", "prediction", "web_search_options")
_EMPTY: dict[str, Any] = {"role": "assistant", "content": ""}


def read_request(body: Any, thoughts: Memory) -> ModelRequest:
    """Raises Refusal with what is wrong with the request."""
    body = fields_of(body, *_REFUSED)
    messages = [_with_thought(message, thoughts) for message in messages_of(body)]
    row = {"messages": messages, "tools": body.get("tools", body.get("functions", []))}
    return model_request(body, parse, row)


def _with_thought(message: Any, thoughts: Memory) -> Any:
    """A message, its first call behind what was thought before it where the client left that out."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    first = calls[0] if isinstance(calls, list) and calls else None
    thought = thoughts.get(str(first.get("id"))) if isinstance(first, dict) else ""
    return {**message, "reasoning_content": thought} if thought else message


class ChatReply(Reply):
    """The reply to one request as chat completions have it."""

    end = "[DONE]"

    def __init__(self, served: Served, body: Any) -> None:
        self.asked = read_request(body, served.thoughts)
        self.choices = [Answering(served, self.asked, number) for number in range(self.asked.sampled.n)]
        # The client speaks of functions, not tools.
        self.legacy = "functions" in body
        self._head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": served.name}

    def whole(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion", **joined([*self.made()]), "usage": self._usage()}

    def made(self) -> Iterator[dict[str, Any]]:
        for choice in self.choices:
            calls = 0
            for number, delta in enumerate(choice.deltas()):
                if not number:
                    # Clients join the pieces of content, and beside calls there is none.
                    yield self._chunk(choice, {"role": "assistant", "content": None if delta.call else ""})
                fields = {"reasoning_content": delta.reasoning, "content": delta.content}
                piece: dict[str, Any] = {name: text for name, text in fields.items() if text}
                if delta.call:
                    piece = self._called(delta.call, calls)
                    calls += 1
                yield self._chunk(choice, piece, delta.finish)
        if self.asked.sampled.stream_options.get("include_usage"):
            yield {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage()}

    def failed(self, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "server_error"}}

    def _called(self, call: Call, index: int) -> dict[str, Any]:
        function = {"name": call.tool, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
        if self.legacy:
            return {"function_call": function}
        return {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}

    def _chunk(self, choice: Answering, delta: dict[str, Any], finish: str = "") -> dict[str, Any]:
        if self.legacy and finish == "tool_calls":
            finish = "function_call"
        one = {"index": choice.number, "delta": delta, "finish_reason": finish or None, "logprobs": None}
        return {**self._head, "object": "chat.completion.chunk", "choices": [one]}

    def _usage(self) -> dict[str, int]:
        prompt = max(choice.prompt_tokens for choice in self.choices)
        generated = sum(choice.generated for choice in self.choices)
        return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}


def joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The choices that chunks make up, and the model that they name."""
    choices: dict[int, dict[str, Any]] = {}
    for piece in (choice for event in events for choice in event.get("choices") or ()):
        at = piece["index"]
        choice = choices.setdefault(at, {"index": at, "message": {**_EMPTY}, "finish_reason": None, "logprobs": None})
        message, delta = choice["message"], dict(piece.get("delta") or {})
        for call in delta.pop("tool_calls", None) or ():
            calls = message.setdefault("tool_calls", [])
            calls += [{}] * (call.get("index", 0) == len(calls))
            grow(calls[call.get("index", 0)], {name: value for name, value in call.items() if name != "index"})
        grow(message, delta)
        if ids := piece.get("token_ids"):
            choice["token_ids"] = choice.get("token_ids", []) + ids
        choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
    for choice in choices.values():
        if "tool_calls" in choice["message"] or "function_call" in choice["message"]:
            choice["message"]["content"] = choice["message"]["content"] or None
    return {"choices": list(choices.values()), "model": events[0].get("model") if events else ""}
