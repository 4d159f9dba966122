"""A request as the loop needs it, whatever interface it came by."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec

from swiftagent.agent.serving.conversation import Refusal, declared_tools, read_conversation
from swiftagent.trajectory.types import Tool, Trajectory

REMEMBERED_CALLS = 10_000
REMEMBERED_RESPONSES = 1_000
MOST_CHOICES = 16
_Most = Annotated[int, msgspec.Meta(ge=1)]


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


class Memory:
    """The newest `most` values by name: what was thought before a call, by its id; the items of a response."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_name: OrderedDict[str, Any] = OrderedDict()

    def remember(self, name: str, value: Any) -> None:
        self._by_name[name] = value
        if len(self._by_name) > self._most:
            self._by_name.popitem(last=False)

    def newest(self) -> Iterator[Any]:
        return reversed(self._by_name.values())

    def of(self, name: str) -> Any:
        return self._by_name.get(name)


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
