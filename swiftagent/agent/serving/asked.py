"""A request as the loop needs it, whatever interface it came by; its messages as the trajectory of training.

The readers of data read them and the check of data puts them in order, so a prompt that is served is a prefix of a row
that is trained.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.formats.reading.tools import read_tools
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Tool, Trajectory
from swiftagent.trajectory.wellformed import Policy, check

REMEMBERED_CALLS = 10_000
REMEMBERED_RESPONSES = 1_000
MOST_CHOICES = 16
# A client may hand over a conversation whose calls were made with other tools, and texts are not trained here.
_POLICY = Policy(on={"undeclared-tool": "keep", "unread-call": "keep", "unread-result": "keep"})
_Most = Annotated[int, msgspec.Meta(ge=1)]


class Refusal(Exception):
    """A request that is not answered. status: HTTP's. code and param: what OpenAI's error JSON calls so."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


class Sampled(msgspec.Struct, frozen=True):
    """How a reply is to be written, in the field names of all interfaces; each sends its own."""

    stream: bool = False
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)] = 1
    max_completion_tokens: _Most | None = None
    max_tokens: _Most | None = None
    max_output_tokens: _Most | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: int | None = None
    stop: str | list[str] = []
    stop_sequences: list[str] = []
    stream_options: dict[str, Any] = {}
    parallel_tool_calls: bool = True

    @property
    def most(self) -> int | None:
        """Tokens of the reply at most."""
        return self.max_completion_tokens or self.max_tokens or self.max_output_tokens

    @property
    def stops(self) -> list[str]:
        own = [self.stop] if isinstance(self.stop, str) else self.stop
        return [text for text in (*own, *self.stop_sequences) if text]


class ModelRequest(msgspec.Struct, frozen=True):
    """One request. declared: the tools that may be called.

    forced: "" (free), "*" (some call), a tool's name, or "none" (no call). shape: a JSON Schema of the answer, {} for
    any JSON object, None for text.
    """

    conversation: Trajectory
    sampled: Sampled
    declared: tuple[Tool, ...] = ()
    forced: str = ""
    parallel: bool = True
    strict: bool = True
    shape: dict[str, Any] | None = None

    @property
    def may_call(self) -> bool:
        return bool(self.declared) and self.forced != "none"


class Memory(OrderedDict[str, Any]):
    """The newest `most` values by name: what was thought before a call, by its id; the items of a response."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def remember(self, name: str, value: Any) -> None:
        self[name] = value
        if len(self) > self._most:
            self.popitem(last=False)


def fields_of(body: Any, *refused: str) -> dict[str, Any]:
    """The fields of a request that are given; null is absent. Raises Refusal where it is not an object, or asks for
    one of `refused`."""
    if not isinstance(body, dict):
        raise Refusal("the request must be a JSON object")
    for name in refused:
        if body.get(name):
            raise Refusal(f"{name} is not supported by this server; leave it out", 400, "unsupported_parameter", name)
    return {name: value for name, value in body.items() if value is not None}


def model_request(body: dict[str, Any], parse: Callable[[Any], Trajectory], row: dict[str, Any]) -> ModelRequest:
    """The fields that all interfaces share, read; each has its own names for some. row: messages and tools as `parse`
    reads them. Raises Refusal for what is wrong."""
    try:
        sampled = msgspec.convert(body, Sampled)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).partition(" - at `$.")
        name = re.split(r"\W", place)[0]
        raise Refusal(f"{name}: {fact[0].lower()}{fact[1:]}", param=name) from None
    tools, choice = declared_tools(body), body.get("tool_choice", body.get("function_call"))
    forced = _forced(choice, tools)
    # One grammar holds for all calls of a reply, so one tool that is called freely frees all.
    given = body.get("tools", body.get("functions", ()))
    strict = not any((tool.get("function") or tool).get("strict") is False for tool in given)
    alone = isinstance(choice, dict) and choice.get("disable_parallel_tool_use")
    parallel = sampled.parallel_tool_calls and not alone and "functions" not in body
    return ModelRequest(read_conversation(parse, row, forced), sampled, tools, forced, parallel, strict, _shape(body))


def _forced(choice: Any, tools: tuple[Tool, ...]) -> str:
    match choice:
        case None | "auto" | {"type": "auto"}:
            return ""
        case "none" | {"type": "none"}:
            return "none"
        case "required" | {"type": "any"} if tools:
            return "*"
        case {"function": {"name": str(name)}} | {"name": str(name)} if any(tool.name == name for tool in tools):
            return name
    raise Refusal(f"tool_choice {json.dumps(choice, default=str)[:100]} names no declared tool", param="tool_choice")


def _shape(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON Schema of the answer, as `response_format` or in the `format` of the other interfaces; None for text."""
    for name in ("text", "output_config", "response_format"):
        held = body.get(name)
        wanted = held.get("format") if name != "response_format" and isinstance(held, dict) else held
        if not isinstance(wanted, dict):
            continue
        kind = wanted.get("type", "text")
        if kind == "json_object":
            return {"type": "object"}
        if kind != "text":
            inner = wanted.get("json_schema", wanted)
            schema = inner.get("schema") if isinstance(inner, dict) else None
            if kind == "json_schema" and isinstance(schema, dict):
                return schema
            name += "" if wanted is held else ".format"
            raise Refusal(f"{name} {kind} is not supported; text, json_object and json_schema are", param=name)
    return None


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
