"""The core type: a conversation with tools as typed events, independent of any format."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, Union

import msgspec

Json = Any  # a JSON value: None, bool, int, float, str, list or dict of them
Make = TypeVar("Make", bound=Callable[..., Any])
_MOST_REMEMBERED = 2048  # prompts of 20 KB each take 40 MB


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A declared tool. `parameters` is a JSON Schema of type object; {} means that nothing is known of them."""

    name: str
    description: str = ""
    parameters: dict[str, Json] = {}


class System(msgspec.Struct, frozen=True, tag=True, gc=False):
    text: str


class Question(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What the user says."""

    text: str


class Thought(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What the model thinks before it acts or answers. `said`: text shown to the user beside a call."""

    text: str
    said: bool = False
    trained: bool = True


class Call(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A tool call. `arguments` is a JSON value, nearly always an object; `id` ties it to its Observation."""

    tool: str
    arguments: Json
    id: str = ""
    trained: bool = True


class Observation(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What a tool answered. It is never trained."""

    text: str
    call_id: str = ""


class Answer(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What the model says to the user; it ends the turn."""

    text: str
    trained: bool = True


Event = Union[System, Question, Thought, Call, Observation, Answer]  # noqa: UP007 (msgspec reads it at run time)


class Trajectory(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A conversation. Only `events` and `tools` take part in equality.

    Calls of one step stand together, before their results. `repairs` names what a reader had to mend, for the ledger.
    """

    events: tuple[Event, ...]
    tools: tuple[Tool, ...] = ()
    id: str = ""
    source: str = ""
    channel: str = "agent"
    repairs: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trajectory):
            return NotImplemented
        return self.events == other.events and self.tools == other.tools

    @property
    def is_agentic(self) -> bool:
        """Whether it is written with ReAct words; a row without tools and calls is plain chat."""
        if self.tools:
            return True
        for event in self.events:  # noqa: SIM110 (`any` over a generator takes twice as long, and every row is asked)
            if type(event) is Call:
                return True
        return False


class Span(msgspec.Struct, frozen=True, gc=False):
    """A piece of text that knows whether it is trained.

    role: system, user or assistant. kind: system, question, thought, call, observation or answer.
    weight: its share in the loss; 0 is not trained.
    """

    role: str
    text: str
    weight: float = 1.0
    kind: str = "answer"

    @property
    def trained(self) -> bool:
        return self.weight != 0


def by_identity(make: Make) -> Make:
    """The function, remembering what it made of an object by the object's identity: readers give rows of one prompt or
    tool the same object."""
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    @wraps(make)
    def remembered(thing: Any, *more: Any) -> Any:
        key = (id(thing), *more)
        found = known.get(key)
        # What is remembered keeps its object, so its identity is not given to another one.
        if found is None:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            found = known[key] = thing, make(thing, *more)
        return found[1]

    return remembered  # type: ignore[return-value]


def with_trained(event: Event, trained: bool) -> Event:
    """The event with its mark; events that are never trained stay as they are."""
    if isinstance(event, (Thought, Call, Answer)):
        return msgspec.structs.replace(event, trained=trained)
    return event
