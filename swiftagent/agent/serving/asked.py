"""A request as the loop needs it, whatever interface it came by."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import msgspec

from swiftagent.trajectory.types import Tool, Trajectory

REMEMBERED_CALLS = 10_000
REMEMBERED_RESPONSES = 1_000
MOST_CHOICES = 16


class Refusal(Exception):
    """A request that is not answered. status: HTTP's. code and param: what OpenAI's error JSON calls so."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


class ModelRequest(msgspec.Struct, frozen=True):
    """One request. declared: the tools that may be called.

    forced: "" (free), "*" (some call), a tool's name, or "none" (no call). shape: a JSON Schema of the answer, {} for
    any JSON object, None for text.
    """

    conversation: Trajectory
    declared: tuple[Tool, ...] = ()
    forced: str = ""
    parallel: bool = True
    stream: bool = False
    choices: int = 1
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    counts_usage: bool = False
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

    def of(self, name: str, otherwise: Any = None) -> Any:
        return self._by_name.get(name, otherwise)


def without_nulls(body: Any) -> dict[str, Any]:
    """The fields of a request that are given; null is absent. Raises Refusal where it is not an object."""
    if not isinstance(body, dict):
        raise Refusal("the request must be a JSON object")
    return {name: value for name, value in body.items() if value is not None}


def refuse(body: dict[str, Any], names: tuple[str, ...]) -> None:
    """Raises Refusal for the first of these fields that asks for something."""
    for name in names:
        if body.get(name):
            raise Refusal(f"{name} is not supported by this server; leave it out", 400, "unsupported_parameter", name)


def whole_number(body: dict[str, Any], *names: str, most: float = math.inf) -> int | None:
    """The first of these fields that is given. Raises Refusal where it is not a whole number above 0."""
    for name in names:
        if name in body:
            value = body[name]
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                upto = "" if most == math.inf else f" and at most {most}"
                raise Refusal(f"{name} must be a whole number above 0{upto}", param=name)
            return value
    return None


def number(body: dict[str, Any], name: str, most: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= most:
        raise Refusal(f"{name} must be between 0 and {most:g}", param=name)
    return float(value)


def sampling_fields(body: dict[str, Any]) -> dict[str, Any]:
    """temperature, top_p and seed as fields of ModelRequest."""
    seed = body.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise Refusal("seed must be a whole number", param="seed")
    top_p = number(body, "top_p", 1)
    if top_p == 0:
        raise Refusal("top_p must be above 0", param="top_p")
    return {"temperature": number(body, "temperature", 2), "top_p": 1.0 if top_p is None else top_p, "seed": seed}


def stop_words(given: Any, name: str = "stop") -> tuple[str, ...]:
    stop = [given] if isinstance(given, str) else given or []
    if not isinstance(stop, list) or not all(isinstance(text, str) for text in stop):
        raise Refusal(f"{name} must be a text or a list of texts", param=name)
    return tuple(text for text in stop if text)
