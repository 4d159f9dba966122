"""OpenAI's responses: items in, items out, and the conversations of earlier responses in memory."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

from swiftagent.agent.serving.asked import Memory, ModelRequest, fields_of, model_request
from swiftagent.agent.serving.conversation import Refusal, declared_tools
from swiftagent.agent.serving.reply import Answering
from swiftagent.agent.serving.streams import Reply, begun
from swiftagent.formats.readers.responses import parse
from swiftagent.trajectory.types import Call

_REFUSED = ("background", "conversation", "prompt", "top_logprobs", "max_tool_calls")
_Items = list[dict[str, Any]]


def _item(stored: Memory, name: Any) -> dict[str, Any]:
    """An item that was handed out. Raises Refusal where it is not stored."""
    # A client names what it got last, mostly.
    for items in stored.newest():
        for item in items:
            if item.get("id") == name:
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
    before = [] if earlier is None else stored.of(str(earlier))
    if before is None:
        about = f"previous response {earlier!r} is not stored here; send its items as input"
        raise Refusal(about, 404, "previous_response_not_found", "previous_response_id")
    given = [_item(stored, item.get("id")) if item.get("type") == "item_reference" else item for item in given]
    items = [*before, *given]
    tools, text = declared_tools(body), body.get("text")
    row = {"input": [*map(readable, items)], "instructions": body.get("instructions"), "tools": body.get("tools", [])}
    form = text.get("format") if isinstance(text, dict) else None
    return model_request(body, parse, row, tools, form, "text.format"), items


def readable(item: dict[str, Any]) -> dict[str, Any]:
    """An item without fields that hold nothing."""
    return {name: value for name, value in item.items() if value not in (None, [])}


class ResponseReply(Reply):
    """The reply to one request as responses have it."""

    def __init__(self, model: str, body: dict[str, Any], items: _Items, answering: Answering, stored: Memory) -> None:
        self.body = fields_of(body)
        self.items = items
        self.answering = answering
        self.stored = stored
        self._head = {"id": f"resp_{secrets.token_hex(16)}", "created_at": int(time.time()), "model": model}
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
        deltas = begun(self.answering.deltas())
        yield "created", {"response": self._response("in_progress")}
        yield "in_progress", {"response": self._response("in_progress")}
        yield from self._items(deltas)
        if self.body.get("store") is not False:
            self.stored.remember(str(self._head["id"]), [*self.items, *self._output])
        status = "incomplete" if self.answering.finish == "length" else "completed"
        yield status, {"response": self._response(status)}

    def _items(self, deltas: Iterator[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events of the output items as they come; afterwards `_output` holds the items."""
        item: _OpenItem | None = None
        for delta in deltas:
            kind = "reasoning" if delta.reasoning else "message" if delta.content else ""
            if item is not None and kind != item.kind:
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

    def _response(self, status: str) -> dict[str, Any]:
        body = self.body
        is_done = status in ("completed", "incomplete")
        given = ("instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p")
        return {
            **self._head,
            **{name: body.get(name) for name in given},
            "object": "response",
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": self._output if is_done else [],
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "reasoning": {"effort": None, "summary": None},
            "store": body.get("store", True),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": body.get("tools") or [],
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


def joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response at the end of events; {} where it did not come to its end."""
    ends = ("response.completed", "response.incomplete")
    return next((event["response"] for event in reversed(events) if event["type"] in ends), {})


class _OpenItem:
    """An output item that is being written: reasoning or a message."""

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        self.text = ""
        self._is_message = kind == "message"
        self._part = "output_text" if self._is_message else "reasoning_text"
        self._probable: dict[str, Any] = {"logprobs": []} if self._is_message else {}
        self._id = f"{'msg' if self._is_message else 'rs'}_{secrets.token_hex(16)}"
        self._place = {"output_index": index}
        self._inner = {"item_id": self._id, "output_index": index, "content_index": 0}

    def open(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "output_item.added", {**self._place, "item": {**self._item("in_progress"), "content": []}}
        yield "content_part.added", {**self._inner, "part": self._content()}

    def grow(self, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
        self.text += text
        yield f"{self._part}.delta", {**self._inner, "delta": text, **self._probable}

    def close(self, output: _Items) -> Iterator[tuple[str, dict[str, Any]]]:
        item = self._item("completed")
        output.append(item)
        yield f"{self._part}.done", {**self._inner, "text": self.text, **self._probable}
        yield "content_part.done", {**self._inner, "part": self._content()}
        yield "output_item.done", {**self._place, "item": item}

    def _content(self) -> dict[str, Any]:
        own: dict[str, Any] = {"annotations": [], "logprobs": []} if self._is_message else {}
        return {"type": self._part, "text": self.text, **own}

    def _item(self, status: str) -> dict[str, Any]:
        own: dict[str, Any] = {"role": "assistant"} if self._is_message else {"summary": []}
        return {"id": self._id, "type": self.kind, "status": status, "content": [self._content()], **own}


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
    yield "output_item.added", {**place, "item": {**item, "arguments": "", "status": "in_progress"}}
    yield "function_call_arguments.delta", {**inner, "delta": arguments}
    yield "function_call_arguments.done", {**inner, "arguments": arguments, "name": call.tool}
    yield "output_item.done", {**place, "item": item}
