"""A reply as the events of a stream, which make up the whole reply where none is wanted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any, Protocol

import msgspec

from swiftagent.agent.serving.asked import ModelRequest
from swiftagent.agent.serving.reply import Delta
from swiftagent.errors import SwiftAgentError
from swiftagent.trajectory.types import Call

# Fields of a streamed message that come in pieces.
_IN_PIECES = ("content", "reasoning_content", "reasoning", "arguments", "text", "thinking", "partial_json")


class Block(msgspec.Struct):
    """Neighbouring pieces of one kind: "text", "reasoning" or "call" (`text` is its arguments as JSON)."""

    kind: str
    number: int
    call: Call | None = None
    text: str = ""
    id: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))


def blocks(deltas: Iterator[Delta]) -> Iterator[tuple[str, Block, str]]:
    """What happens to the blocks of a reply: each opens, grows by pieces and closes.

    What is wrong with the request is raised by the call itself, before anything is sent.
    """
    first = next(deltas, None)
    return _blocks(chain([first] if first else [], deltas))


def _blocks(deltas: Iterator[Delta]) -> Iterator[tuple[str, Block, str]]:
    block = Block("", -1)
    for delta in deltas:
        kind = "text" if delta.content else "reasoning" if delta.reasoning else "call" if delta.call else ""
        is_new = kind != block.kind or kind == "call"
        if block.kind and is_new:
            yield "close", block, ""
        if is_new:
            block = Block(kind, block.number + bool(kind), delta.call)
        if kind:
            arguments = json.dumps(delta.call.arguments, ensure_ascii=False) if delta.call else ""
            piece = delta.content or delta.reasoning or arguments
            if is_new:
                yield "open", block, ""
            block.text += piece
            yield "grow", block, piece


class Reply(Protocol):
    """A reply in one of the interfaces, made of a request's body. end: what ends a stream."""

    asked: ModelRequest
    end: str = ""

    def whole(self) -> dict[str, Any]:
        """The reply as one object."""

    def made(self) -> Iterator[dict[str, Any]]:
        """The events as they come, as objects, each with its `type` where the interface names it. What is wrong with
        the request is raised before the first."""

    def failed(self, message: str) -> dict[str, Any]:
        """The event that says so where the model fails in the middle."""


def events_of(reply: Reply) -> Generator[str, None, None]:
    """The reply as server-sent events."""
    try:
        for event in reply.made():
            yield _sent(event)
    except SwiftAgentError as error:
        # The status was sent with the first event.
        yield _sent(reply.failed(str(error)))
        return
    if reply.end:
        yield f"data: {reply.end}\n\n"


def _sent(event: dict[str, Any]) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n"


def grow(held: dict[str, Any], more: dict[str, Any]) -> None:
    """Add a piece of a message to what came before it."""
    for name, value in more.items():
        if isinstance(value, dict):
            grow(held.setdefault(name, {}), value)
        elif name in _IN_PIECES and held.get(name):
            held[name] += value or ""
        elif value is not None:
            held[name] = value
