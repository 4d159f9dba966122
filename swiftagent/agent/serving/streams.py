"""A reply as the events of a stream, which make up the whole reply where none is wanted."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

from swiftagent.agent.serving.reply import Delta
from swiftagent.errors import SwiftAgentError

# Fields of a streamed message that come in pieces.
_IN_PIECES = ("content", "reasoning_content", "reasoning", "arguments", "text", "thinking", "partial_json")


class Reply:
    """A reply in one of the interfaces: its events as objects, each with its `type` where the interface names it."""

    # What ends a stream.
    end = ""

    def whole(self) -> dict[str, Any]:
        """The reply as one object."""
        raise NotImplementedError

    def made(self) -> Iterator[dict[str, Any]]:
        """The events as they come. What is wrong with the request is raised before the first."""
        raise NotImplementedError

    def failed(self, message: str) -> dict[str, Any]:
        """The event that says so where the model fails in the middle."""
        raise NotImplementedError

    def events(self) -> Generator[str, None, None]:
        """The reply as server-sent events."""
        try:
            for event in self.made():
                yield _sent(event)
        except SwiftAgentError as error:
            # The status was sent with the first event.
            yield _sent(self.failed(str(error)))
            return
        if self.end:
            yield f"data: {self.end}\n\n"


def _sent(event: dict[str, Any]) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n"


def begun(deltas: Iterator[Delta]) -> Iterator[Delta]:
    """The same pieces, the first of which has been waited for: what is wrong with the request is raised here."""
    first = next(deltas, None)
    return chain([first] if first else [], deltas)


def grow(held: dict[str, Any], more: dict[str, Any]) -> None:
    """Add a piece of a message to what came before it."""
    for name, value in more.items():
        if isinstance(value, dict):
            grow(held.setdefault(name, {}), value)
        elif name in _IN_PIECES and held.get(name):
            held[name] += value or ""
        elif value is not None:
            held[name] = value
