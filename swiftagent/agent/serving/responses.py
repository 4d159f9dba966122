"""OpenAI's responses: items in, items out, and the conversations of earlier responses in memory."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator, Iterator
from typing import Any

from swiftagent.agent.serving.asked import (
    Memory,
    ModelRequest,
    Refusal,
    refuse,
    sampling_fields,
    whole_number,
    without_nulls,
)
from swiftagent.agent.serving.chat import forced_of, shape_of
from swiftagent.agent.serving.conversation import declared_tools, read_conversation
from swiftagent.agent.serving.reply import Answering
from swiftagent.errors import SwiftAgentError
from swiftagent.formats.readers.responses import parse
from swiftagent.trajectory.types import Call

_REFUSED = ("background", "conversation", "prompt", "top_logprobs", "max_tool_calls")
_Items = list[dict[str, Any]]


def _item(stored: Memory, name: Any) -> dict[str, Any]:
    """An item that was handed out. Raises Refusal where it is not stored."""
    for items in stored.newest():
        for item in items:
            if item.get("id") == name:
                return dict(item)
    raise Refusal(f"item {name!r} is not stored here; send the item itself", 404, "item_not_found", "input")


def read_request(body: Any, stored: Memory) -> tuple[ModelRequest, _Items]:
    """The request, and its items with those before them. Raises Refusal with what is wrong."""
    body = without_nulls(body)
    refuse(body, _REFUSED)
    given = body.get("input")
    if isinstance(given, str) and given:
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise Refusal("input must be a text or a list of items that is not empty", param="input")
    earlier = body.get("previous_response_id")
    before = [] if earlier is None else stored.of(str(earlier))
    if before is None:
        about = f"previous response {earlier!r} is not stored here; send its items as input"
        raise Refusal(about, 404, "previous_response_not_found", "previous_response_id")
    given = [_item(stored, item.get("id")) if item.get("type") == "item_reference" else item for item in given]
    items = [*before, *given]
    tools = declared_tools(body.get("tools"))
    forced = forced_of(body.get("tool_choice"), tools)
    row = {"input": [readable(item) for item in items], "instructions": body.get("instructions")}
    text = body.get("text")
    asked = ModelRequest(
        read_conversation(parse, {**row, "tools": body.get("tools") or []}, forced),
        tools,
        forced,
        body.get("parallel_tool_calls") is not False,
        bool(body.get("stream")),
        max_tokens=whole_number(body, "max_output_tokens"),
        strict=not any(tool.get("strict") is False for tool in body.get("tools", ())),
        shape=shape_of(text.get("format") if isinstance(text, dict) else None, "text.format"),
        **sampling_fields(body),
    )
    return asked, items


def readable(item: dict[str, Any]) -> dict[str, Any]:
    """An item without fields that hold nothing."""
    return {name: value for name, value in item.items() if value not in (None, [])}


class ResponseReply:
    """The reply to one request as responses have it."""

    def __init__(self, model: str, body: dict[str, Any], items: _Items, answering: Answering, stored: Memory) -> None:
        self.body = body
        self.items = items
        self.answering = answering
        self.stored = stored
        self.id = f"resp_{secrets.token_hex(16)}"
        self.created = int(time.time())
        self.model = model
        self._output: _Items = []
        self._number = 0

    def whole(self) -> dict[str, Any]:
        """The reply as one object."""
        for _ in self._made():
            pass
        return self._response(self._status())

    def events(self) -> Generator[str, None, None]:
        """The reply as server-sent events."""
        made = self._made()
        try:
            # What is wrong with the request shows itself before anything is sent.
            first = next(made)
            yield self._event("response.created", {"response": self._response("in_progress")})
            yield self._event("response.in_progress", {"response": self._response("in_progress")})
            yield self._event(*first)
            for event in made:
                yield self._event(*event)
        except SwiftAgentError as error:
            failed = {**self._response("failed"), "error": {"code": "server_error", "message": str(error)}}
            yield self._event("response.failed", {"response": failed})
            return
        status = self._status()
        yield self._event(f"response.{status}", {"response": self._response(status)})

    def _made(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events of the output items as they come; afterwards `_output` holds the items."""
        item: _OpenItem | None = None
        for delta in self.answering.deltas():
            kind = "reasoning" if delta.reasoning else "message" if delta.content else ""
            if item is not None and (kind or delta.call or delta.finish) and kind != item.kind:
                yield from item.close(self._output)
                item = None
            if kind and item is None:
                item = _OpenItem(kind, len(self._output))
                yield from item.open()
            if item is not None:
                yield from item.grow(delta.reasoning or delta.content)
            if delta.call:
                yield from _called(delta.call, self._output)
        if not self._output:
            item = _OpenItem("message", 0)
            yield from item.open()
            yield from item.close(self._output)
        if self.body.get("store") is not False:
            self.stored.remember(self.id, [*self.items, *self._output])

    def _status(self) -> str:
        return "incomplete" if self.answering.finish == "length" else "completed"

    def _response(self, status: str) -> dict[str, Any]:
        body = self.body
        is_done = status in ("completed", "incomplete")
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": self.model,
            "output": self._output if is_done else [],
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "previous_response_id": body.get("previous_response_id"),
            "reasoning": {"effort": None, "summary": None},
            "store": body.get("store") is not False,
            "temperature": body.get("temperature"),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": body.get("tools") or [],
            "top_p": body.get("top_p"),
            "truncation": "disabled",
            "usage": self._usage() if is_done else None,
            "metadata": body.get("metadata") or {},
        }

    def _usage(self) -> dict[str, Any]:
        read, written = self.answering.prompt_tokens, self.answering.generated
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }

    def _event(self, kind: str, fields: dict[str, Any]) -> str:
        value = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"


class _OpenItem:
    """An output item that is being written: reasoning or a message."""

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        self.text = ""
        self._is_message = kind == "message"
        self._part = "output_text" if self._is_message else "reasoning_text"
        self._id = f"{'msg' if self._is_message else 'rs'}_{secrets.token_hex(16)}"
        self._place = {"output_index": index}
        self._inner = {"item_id": self._id, "output_index": index, "content_index": 0}

    def open(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "response.output_item.added", {**self._place, "item": {**self._item("in_progress"), "content": []}}
        yield "response.content_part.added", {**self._inner, "part": self._content("")}

    def grow(self, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
        self.text += text
        more: dict[str, Any] = {"logprobs": []} if self._is_message else {}
        yield f"response.{self._part}.delta", {**self._inner, "delta": text, **more}

    def close(self, output: _Items) -> Iterator[tuple[str, dict[str, Any]]]:
        more: dict[str, Any] = {"logprobs": []} if self._is_message else {}
        item = self._item("completed")
        output.append(item)
        yield f"response.{self._part}.done", {**self._inner, "text": self.text, **more}
        yield "response.content_part.done", {**self._inner, "part": self._content(self.text)}
        yield "response.output_item.done", {**self._place, "item": item}

    def _content(self, text: str) -> dict[str, Any]:
        return {"type": self._part, "text": text, **({"annotations": [], "logprobs": []} if self._is_message else {})}

    def _item(self, status: str) -> dict[str, Any]:
        own: dict[str, Any] = {"role": "assistant"} if self._is_message else {"summary": []}
        return {"id": self._id, "type": self.kind, "status": status, "content": [self._content(self.text)], **own}


def _called(call: Call, output: _Items) -> Iterator[tuple[str, dict[str, Any]]]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    item = {
        "id": f"fc_{secrets.token_hex(16)}",
        "type": "function_call",
        "call_id": call.id,
        "name": call.tool,
        "arguments": arguments,
        "status": "completed",
    }
    place = {"output_index": len(output)}
    inner = {"item_id": item["id"], **place}
    output.append(item)
    yield "response.output_item.added", {**place, "item": {**item, "arguments": "", "status": "in_progress"}}
    yield "response.function_call_arguments.delta", {**inner, "delta": arguments}
    yield "response.function_call_arguments.done", {**inner, "arguments": arguments, "name": call.tool}
    yield "response.output_item.done", {**place, "item": item}
