"""Anthropic's messages: content blocks in, content blocks out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

from swiftagent.agent.serving.asked import Memory, ModelRequest, Refusal, fields_of, messages_of, model_request
from swiftagent.agent.serving.reply import Answering, Served
from swiftagent.agent.serving.streams import Block, Reply, blocks, grow
from swiftagent.formats.readers.anthropic import parse

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def read_request(body: Any, thoughts: Memory) -> ModelRequest:
    """Raises Refusal with what is wrong with the request."""
    body = fields_of(body)
    if "max_tokens" not in body:
        raise Refusal("max_tokens is missing", param="max_tokens")
    if body.get("thread"):
        # By this code Anthropic's own tool runner sends the whole conversation instead.
        raise Refusal("threads are not held here; send all messages", 400, "thread_unsupported_request", "thread")
    messages = [_with_thought(message, thoughts) for message in messages_of(body)]
    system = {"system": body["system"]} if body.get("system") else {}
    return model_request(body, parse, {"messages": messages, "tools": body.get("tools", []), **system})


def _with_thought(message: Any, thoughts: Memory) -> Any:
    """A message, its first call behind what was thought before it where the client left that out."""
    content = message.get("content") if isinstance(message, dict) else None
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    call = next((block for block in blocks if block.get("type") == "tool_use"), None)
    if call is None or any(block.get("type") == "thinking" for block in blocks):
        return message
    thought = thoughts.get(str(call.get("id")))
    return {**message, "content": [{"type": "thinking", "thinking": thought}, *blocks]} if thought else message


class MessageReply(Reply):
    """The reply to one request as messages have it."""

    def __init__(self, served: Served, body: Any) -> None:
        self.asked = read_request(body, served.thoughts)
        self.answering = Answering(served, self.asked)
        name = f"msg_{secrets.token_hex(12)}"
        self._head = {"id": name, "type": "message", "role": "assistant", "model": served.name}

    def whole(self) -> dict[str, Any]:
        return joined([*self.made()])

    def made(self) -> Iterator[dict[str, Any]]:
        steps = blocks(self.answering.deltas())
        nothing: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
        yield {"type": "message_start", "message": {**self._head, **nothing, "usage": self._usage()}}
        for step, block, piece in steps:
            if step == "open":
                yield {"type": "content_block_start", "index": block.number, "content_block": _empty(block)}
            elif step == "grow":
                delta = {"type": _TYPES[block.kind], _FIELDS[block.kind]: piece}
                yield {"type": "content_block_delta", "index": block.number, "delta": delta}
            else:
                yield {"type": "content_block_stop", "index": block.number}
        word = self.answering.stop_word
        reason = "stop_sequence" if word else _REASONS[self.answering.finish]
        reasons = {"stop_reason": reason, "stop_sequence": word or None}
        yield {"type": "message_delta", "delta": reasons, "usage": self._usage()}
        yield {"type": "message_stop"}

    def failed(self, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "api_error", "message": message}}

    def _usage(self) -> dict[str, int]:
        return {"input_tokens": self.answering.prompt_tokens, "output_tokens": self.answering.generated}


# By the kind of a block: the type of its pieces, and the field of a piece.
_TYPES = {"text": "text_delta", "reasoning": "thinking_delta", "call": "input_json_delta"}
_FIELDS = {"text": "text", "reasoning": "thinking", "call": "partial_json"}


def _empty(block: Block) -> dict[str, Any]:
    if call := block.call:
        return {"type": "tool_use", "id": call.id, "name": call.tool, "input": {}}
    is_text = block.kind == "text"
    return {"type": "text", "text": ""} if is_text else {"type": "thinking", "thinking": "", "signature": ""}


def joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that events make up."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = {**event["message"]}
            case "content_block_start":
                blocks[event["index"]] = event["content_block"]
            case "content_block_delta":
                grow(blocks[event["index"]], {**event["delta"], "type": None})
            case "message_delta":
                message.update({**event["delta"], "usage": {**message.get("usage", {}), **event.get("usage", {})}})
    for block in blocks.values():
        if "partial_json" in block:
            block["input"] = json.loads(block.pop("partial_json") or "{}")
    return {**message, "content": list(blocks.values())}
