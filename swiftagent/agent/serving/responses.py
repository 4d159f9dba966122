"""OpenAI's responses: items in, items out, and the conversations of earlier responses in memory."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

from swiftagent.agent.serving.asked import Memory, ModelRequest, Refusal, fields_of, model_request
from swiftagent.agent.serving.reply import Answering, Served
from swiftagent.agent.serving.streams import Block, Reply, blocks
from swiftagent.formats.readers.responses import parse

_REFUSED = ("background", "conversation", "prompt", "top_logprobs", "max_tool_calls")
_Items = list[dict[str, Any]]
# What a response says of its request, where that does not say it; and what it always says.
_GIVEN: dict[str, Any] = {"parallel_tool_calls": True, "store": True, "text": {"format": {"type": "text"}}}
_GIVEN |= {"tool_choice": "auto", "tools": [], "metadata": {}}
_GIVEN |= dict.fromkeys(("instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p"))
_FIXED = {"object": "response", "error": None, "truncation": "disabled", "reasoning": {"effort": None, "summary": None}}


def _stored_item(stored: Memory, name: Any) -> dict[str, Any]:
    """An item that was handed out. Raises Refusal where it is not stored."""
    # A client names what it got last, mostly.
    found = (item for items in reversed(stored.values()) for item in items if item.get("id") == name)
    if item := next(found, None):
        return dict(item)
    raise Refusal(f"item {name!r} is not stored here; send the item itself", 404, "item_not_found", "input")


def read_request(body: Any, stored: Memory) -> tuple[ModelRequest, _Items]:
    """The request, and its items with those before them. Raises Refusal with what is wrong."""
    body = fields_of(body, *_REFUSED)
    given = body.get("input")
    if isinstance(given, str) and given:
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise Refusal("input must be a text or a list of items that is not empty", param="input")
    earlier = body.get("previous_response_id")
    before = [] if earlier is None else stored.get(str(earlier))
    if before is None:
        about = f"previous response {earlier!r} is not stored here; send its items as input"
        raise Refusal(about, 404, "previous_response_not_found", "previous_response_id")
    given = [_stored_item(stored, item.get("id")) if item.get("type") == "item_reference" else item for item in given]
    items = [*before, *given]
    row = {"input": [*map(readable, items)], "instructions": body.get("instructions"), "tools": body.get("tools", [])}
    return model_request(body, parse, row), items


def readable(item: dict[str, Any]) -> dict[str, Any]:
    """An item without fields that hold nothing."""
    return {name: value for name, value in item.items() if value not in (None, [])}


class ResponseReply(Reply):
    """The reply to one request as responses have it."""

    def __init__(self, served: Served, body: Any) -> None:
        self.asked, self.items = read_request(body, served.responses)
        self.body = fields_of(body)
        self.answering = Answering(served, self.asked)
        self.stored = served.responses
        self._head = {"id": f"resp_{secrets.token_hex(16)}", "created_at": int(time.time()), "model": served.name}
        self._output: _Items = []

    def whole(self) -> dict[str, Any]:
        return joined([*self.made()])

    def made(self) -> Iterator[dict[str, Any]]:
        for number, (kind, fields) in enumerate(self._unnumbered()):
            yield {"type": f"response.{kind}", "sequence_number": number, **fields}

    def failed(self, message: str) -> dict[str, Any]:
        error = {"code": "server_error", "message": message}
        return {"type": "response.failed", "response": {**self._response("failed"), "error": error}}

    def _unnumbered(self) -> Iterator[tuple[str, dict[str, Any]]]:
        steps = blocks(self.answering.deltas())
        yield "created", {"response": self._response("in_progress")}
        yield "in_progress", {"response": self._response("in_progress")}
        for step, block, piece in steps:
            yield from self._step(step, block, piece)
        if not self._output:
            nothing = Block("text", 0)
            yield from self._step("open", nothing, "")
            yield from self._step("close", nothing, "")
        if self.body.get("store") is not False:
            self.stored.remember(str(self._head["id"]), [*self.items, *self._output])
        status = "incomplete" if self.answering.finish == "length" else "completed"
        yield status, {"response": self._response(status)}

    def _step(self, step: str, block: Block, piece: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of one step of an output item; `_output` holds the items that are closed."""
        item, place = _item(block, "completed" if step == "close" else "in_progress"), {"output_index": block.number}
        inner = {"item_id": item["id"], **place, **({} if block.call else {"content_index": 0})}
        probable: dict[str, Any] = {"logprobs": []} if block.kind == "text" else {}
        event = {"text": "output_text", "reasoning": "reasoning_text", "call": "function_call_arguments"}[block.kind]
        if step == "open":
            yield "output_item.added", {**place, "item": item}
            if not block.call:
                yield "content_part.added", {**inner, "part": _part(block)}
        elif step == "grow":
            yield f"{event}.delta", {**inner, "delta": piece, **probable}
        else:
            whole = {"arguments": block.text, "name": block.call.tool} if block.call else {"text": block.text}
            yield f"{event}.done", {**inner, **whole, **probable}
            if not block.call:
                yield "content_part.done", {**inner, "part": _part(block)}
            self._output.append(item)
            yield "output_item.done", {**place, "item": item}

    def _response(self, status: str) -> dict[str, Any]:
        is_done = status in ("completed", "incomplete")
        return {
            **self._head,
            **_FIXED,
            **{name: self.body.get(name, default) for name, default in _GIVEN.items()},
            "status": status,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": self._output if is_done else [],
            "usage": self._usage() if is_done else None,
        }

    def _usage(self) -> dict[str, Any]:
        read, written = self.answering.prompt_tokens, self.answering.generated
        counts = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        cached = {"cached_tokens": 0, "cache_write_tokens": 0}
        return {**counts, "input_tokens_details": cached, "output_tokens_details": {"reasoning_tokens": 0}}


def joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response at the end of events; {} where it did not come to its end."""
    ends = ("response.completed", "response.incomplete")
    return next((event["response"] for event in reversed(events) if event["type"] in ends), {})


def _part(block: Block) -> dict[str, Any]:
    if block.kind == "reasoning":
        return {"type": "reasoning_text", "text": block.text}
    return {"type": "output_text", "text": block.text, "annotations": [], "logprobs": []}


def _item(block: Block, status: str) -> dict[str, Any]:
    """An output item as far as it is written: a message, reasoning or a call."""
    if call := block.call:
        item = {"type": "function_call", "call_id": call.id, "name": call.tool, "arguments": block.text}
        return {"id": f"fc_{block.id}", **item, "status": status}
    content = [_part(block)] if status == "completed" else []
    message: dict[str, Any] = {"id": f"msg_{block.id}", "type": "message", "role": "assistant"}
    own = message if block.kind == "text" else {"id": f"rs_{block.id}", "type": "reasoning", "summary": []}
    return {**own, "status": status, "content": content}
