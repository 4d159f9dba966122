"""Anthropic's messages: content blocks in, content blocks out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Iterator
from typing import Any

from swiftagent.agent.serving.asked import (
    Memory,
    ModelRequest,
    Refusal,
    sampling_fields,
    stop_words,
    whole_number,
    without_nulls,
)
from swiftagent.agent.serving.chat import shape_of
from swiftagent.agent.serving.conversation import declared_tools, messages_of, read_conversation
from swiftagent.agent.serving.reply import Answering, Delta
from swiftagent.errors import SwiftAgentError
from swiftagent.formats.readers.anthropic import parse
from swiftagent.trajectory.types import Tool

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def read_request(body: Any, thoughts: Memory) -> ModelRequest:
    """Raises Refusal with what is wrong with the request."""
    body = without_nulls(body)
    if "max_tokens" not in body:
        raise Refusal("max_tokens is missing", param="max_tokens")
    if body.get("thread"):
        # By this code Anthropic's own tool runner sends the whole conversation instead.
        raise Refusal("threads are not held here; send all messages", 400, "thread_unsupported_request", "thread")
    tools = declared_tools(_own_tools(body.get("tools")))
    choice, form = body.get("tool_choice", {}), body.get("output_config")
    forced = _forced(choice, tools)
    row = {
        "messages": [_with_thought(message, thoughts) for message in messages_of(body)],
        "tools": body.get("tools") or [],
    }
    if body.get("system"):
        row["system"] = body["system"]
    return ModelRequest(
        read_conversation(parse, row, forced),
        tools,
        forced,
        not (isinstance(choice, dict) and choice.get("disable_parallel_tool_use")),
        bool(body.get("stream")),
        max_tokens=whole_number(body, "max_tokens"),
        stop=stop_words(body.get("stop_sequences"), "stop_sequences"),
        shape=shape_of(form.get("format") if isinstance(form, dict) else None, "output_config.format"),
        **sampling_fields({name: body[name] for name in ("temperature", "top_p") if name in body}),
    )


def _own_tools(tools: Any) -> Any:
    """Only tools that the client runs can be declared: Anthropic's own have a type and no schema."""
    for number, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and "input_schema" not in tool:
            kind = tool.get("type", "")
            raise Refusal(
                f"tools[{number}]: a tool of type {kind!r} without input_schema is not supported", param="tools"
            )
    return (
        [{**tool, "type": "custom"} for tool in tools]
        if isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)
        else tools
    )


def _blocks(messages: list[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        yield from (block for block in content if isinstance(block, dict)) if isinstance(content, list) else ()


def _forced(choice: Any, tools: tuple[Tool, ...]) -> str:
    kind = choice.get("type", "auto") if isinstance(choice, dict) else choice
    if kind in ("auto", "none"):
        return "" if kind == "auto" else "none"
    if kind == "any" and tools:
        return "*"
    if kind == "tool" and any(tool.name == choice.get("name") for tool in tools):
        return str(choice["name"])
    raise Refusal(f"tool_choice {json.dumps(choice, default=str)[:100]} names no declared tool", param="tool_choice")


def _with_thought(message: Any, thoughts: Memory) -> Any:
    """A message, its first call behind what was thought before it where the client left that out."""
    blocks = list(_blocks([message]))
    call = next((block for block in blocks if block.get("type") == "tool_use"), None)
    if call is None or any(block.get("type") == "thinking" for block in blocks):
        return message
    thought = thoughts.of(str(call.get("id")))
    return {**message, "content": [{"type": "thinking", "thinking": thought}, *blocks]} if thought else message


class MessageReply:
    """The reply to one request as messages have it."""

    def __init__(self, model: str, answering: Answering) -> None:
        self.answering = answering
        self.model = model
        self.id = f"msg_{secrets.token_hex(12)}"

    def whole(self) -> dict[str, Any]:
        """The reply as one object."""
        said = self.answering.run()
        parts = (
            Delta(reasoning=said.reasoning),
            Delta(content=said.content),
            *(Delta(call=call) for call in said.calls),
        )
        blocks = [{**block, **_filled(part)} for part in parts if (block := _block_of(part)[0])]
        return self._message(blocks, self._reason(), said.generated)

    def events(self) -> Generator[str, None, None]:
        """The reply as server-sent events."""
        made = self._made()
        try:
            # What is wrong with the request shows itself before anything is sent.
            first = next(made, None)
            yield _event("message_start", {"message": self._message([], None, 0)})
            if first is not None:
                yield _event(*first)
            for event in made:
                yield _event(*event)
        except SwiftAgentError as error:
            yield _event("error", {"error": {"type": "api_error", "message": str(error)}})
            return
        usage = {"input_tokens": self.answering.prompt_tokens, "output_tokens": self.answering.generated}
        yield _event("message_delta", {"delta": self._reason(), "usage": usage})
        yield _event("message_stop", {})

    def _made(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events of the blocks as they come."""
        number, last = -1, ""
        for delta in self.answering.deltas():
            block, piece = _block_of(delta)
            if not block:
                continue
            if block["type"] == "tool_use" or block["type"] != last:
                if last:
                    yield "content_block_stop", {"index": number}
                number, last = number + 1, block["type"]
                yield "content_block_start", {"index": number, "content_block": block}
            yield "content_block_delta", {"index": number, "delta": piece}
        if last:
            yield "content_block_stop", {"index": number}

    def _reason(self) -> dict[str, Any]:
        word = self.answering.stop_word
        return {
            "stop_reason": "stop_sequence" if word else _REASONS[self.answering.finish],
            "stop_sequence": word or None,
        }

    def _message(self, blocks: list[dict[str, Any]], reason: dict[str, Any] | None, written: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": blocks,
            **(reason or {"stop_reason": None, "stop_sequence": None}),
            "usage": {"input_tokens": self.answering.prompt_tokens, "output_tokens": written},
        }


def _block_of(delta: Delta) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the empty block that a piece of a reply belongs to, its delta); empty where it only ends the reply."""
    if delta.content:
        return {"type": "text", "text": ""}, {"type": "text_delta", "text": delta.content}
    if delta.reasoning:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        return block, {"type": "thinking_delta", "thinking": delta.reasoning}
    if call := delta.call:
        used: dict[str, Any] = {"type": "tool_use", "id": call.id, "name": call.tool, "input": {}}
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        return used, {"type": "input_json_delta", "partial_json": arguments}
    return {}, {}


def _filled(part: Delta) -> dict[str, Any]:
    """What its block holds where the reply is whole."""
    if part.call:
        return {"input": part.call.arguments}
    return {"text": part.content} if part.content else {"thinking": part.reasoning}


def _event(kind: str, fields: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n"
