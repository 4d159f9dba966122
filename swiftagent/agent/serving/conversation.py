"""Messages of a request as the trajectory that training would make of them.

The readers of data read them and the check of data puts them in order, so a prompt that is served is a prefix of a row
that is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.formats.reading.tools import read_tools
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Tool, Trajectory
from swiftagent.trajectory.wellformed import Policy, check

# A client may hand over a conversation whose calls were made with other tools, and texts are not trained here.
_POLICY = Policy(on={"undeclared-tool": "keep", "unread-call": "keep", "unread-result": "keep"})


class Refusal(Exception):
    """A request that is not answered. status: HTTP's. code and param: what OpenAI's error JSON calls so."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


def read_conversation(parse: Callable[[Any], Trajectory], row: dict[str, Any], forced: str = "") -> Trajectory:
    """The conversation up to what the model writes next. Raises Refusal with the reason of the ledger.

    Where no call may follow (`forced` is none) and none stands in it, it is plain chat; after calls the prompt must
    stay the one of those steps.
    """
    try:
        read = parse(row)
        if "media-left-out" in read.repairs:
            raise Refusal("content must be a text or a list of text parts: images, audio and files are not read here")
        said = [event for event in read.events if not isinstance(event, System)]
        if not said or not isinstance(said[-1], (Question, Observation)):
            raise Refusal("messages must end on a user or tool message")
        # The check puts whole rows in order, and a row ends on an answer.
        whole = check(msgspec.structs.replace(read, events=(*read.events, Answer("."))), _POLICY)
    except RowError as error:
        raise Refusal(error.message, code=error.code, param="messages") from None
    except (RecursionError, TypeError, AttributeError) as error:
        raise Refusal(f"messages cannot be read: {error}", param="messages") from None
    is_chat = forced == "none" and not any(isinstance(event, Call) for event in whole.events)
    return msgspec.structs.replace(whole, events=whole.events[:-1], tools=() if is_chat else whole.tools)


def messages_of(body: dict[str, Any]) -> list[Any]:
    """Raises Refusal where a body has none."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("messages must be a list that is not empty", param="messages")
    return messages


def read_reply(parse: Callable[[Any], Trajectory], row: dict[str, Any]) -> tuple[Event, ...]:
    """What is said in the reply that ends a row, behind its one question."""
    return check(parse(row), _POLICY).events[1:]


def declared_tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    """Raises Refusal for what is not a list of functions that the client runs."""
    name = "tools" if "tools" in body else "functions"
    given = body.get(name, [])
    if not isinstance(given, list):
        raise Refusal(f"{name} must be a list", param=name)
    for number, tool in enumerate(given):
        kind = tool.get("type", "function") if isinstance(tool, dict) else ""
        # Anthropic's own tools have a type and no schema.
        has_schema = isinstance(tool, dict) and "input_schema" in tool
        if not has_schema and kind not in ("function", "custom", "object"):
            raise Refusal(f"{name}[{number}]: a tool of type {kind!r} is not supported; only functions are", param=name)
    try:
        return read_tools(given)[0]
    except RowError as error:
        raise Refusal(f"{name}: {error.message}", code=error.code, param=name) from None
