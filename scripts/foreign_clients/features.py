"""What every client is asked for, against servers whose answers are known. Standard library alone.

A client's file hands three functions to `report`:
ask(server, question, tools, choice, stream)   -> Reply; tools are names in TOOLS, choice as OpenAI has it
shaped(server, question)                       -> dict that fits SHAPE
loop(server, question)                         -> Reply of the client's own loop over the tools of ALARM
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Server(NamedTuple):
    """An address without /v1. react and native: scripted, in both grammars; model: a tuned model."""

    url: str
    key: str = "none"


class Reply(NamedTuple):
    """text: of the answer. calls: (tool, arguments). pieces: in how many the text or the calls came."""

    text: str = ""
    calls: list[tuple[str, dict[str, Any]]] = []
    pieces: int = 0


MODEL = "my-agent"
SHAPE = {
    "type": "object",
    "properties": {"place": {"type": "string", "maxLength": 20}, "on_fire": {"type": "boolean"}},
    "required": ["place", "on_fire"],
    "additionalProperties": False,
}
CALLED: list[tuple[str, dict[str, Any]]] = []


def weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: its name
    """
    CALLED.append(("weather", {"city": city}))
    return "3C"


def clock() -> str:
    """The time."""
    CALLED.append(("clock", {}))
    return "12:00"


def fire_recognition(image: str) -> str:
    """Recognise fire in an image.

    Args:
        image: image file
    """
    CALLED.append(("fire_recognition", {"image": image}))
    return '{"fire": true, "place": "hall 4"}'


def fire_alert(place: str) -> str:
    """Sound the fire alarm.

    Args:
        place: where
    """
    CALLED.append(("fire_alert", {"place": place}))
    return '{"alarm": "on"}'


def call_fireman(place: str) -> str:
    """Call the fire brigade.

    Args:
        place: where
    """
    CALLED.append(("call_fireman", {"place": place}))
    return '{"minutes": 10}'


TOOLS: dict[str, Callable[..., str]] = {"weather": weather, "clock": clock}
ALARM: dict[str, Callable[..., str]] = {
    "fire_recognition": fire_recognition,
    "fire_alert": fire_alert,
    "call_fireman": call_fireman,
}


def schema_of(function: Callable[..., str]) -> dict[str, Any]:
    """The parameters as JSON Schema, for clients that take no functions."""
    notes = [line.strip().split(": ") for line in (function.__doc__ or "").partition("Args:")[2].splitlines()]
    fields = {note[0]: {"type": "string", "description": note[1]} for note in notes if len(note) == 2}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def about(function: Callable[..., str]) -> str:
    return (function.__doc__ or "").splitlines()[0]


def openai_tools(tools: dict[str, Callable[..., str]]) -> list[dict[str, Any]]:
    return [
        {"type": "function", "function": {"name": name, "description": about(f), "parameters": schema_of(f)}}
        for name, f in tools.items()
    ]


def openai_choice(choice: str) -> Any:
    """auto, none, required, or a tool's name."""
    return choice if choice in ("auto", "none", "required") else {"type": "function", "function": {"name": choice}}


def openai_reply(message: Any, pieces: int = 0) -> Reply:
    """A message of OpenAI's types."""
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    return Reply(message.content or "", calls, pieces)


def openai_shaped(complete: Callable[..., Any], server: Server, question: str) -> Any:
    """complete(server, messages, **more): what chat.completions.create gives."""
    form = {"type": "json_schema", "json_schema": {"name": "fire", "schema": SHAPE, "strict": True}}
    reply = complete(server, [{"role": "user", "content": question}], response_format=form)
    return json.loads(reply.choices[0].message.content or "")


def openai_loop(complete: Callable[..., Any], server: Server, question: str) -> Reply:
    messages: list[Any] = [{"role": "user", "content": question}]
    for _ in range(6):
        message = complete(server, messages, tools=openai_tools(ALARM)).choices[0].message
        if not message.tool_calls:
            return Reply(message.content or "", list(CALLED))
        messages.append(message)
        for call in message.tool_calls:
            result = ALARM[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    raise AssertionError("no end after 6 steps")


def expect(got: Any, wanted: Any) -> None:
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}")


OSLO = [("weather", {"city": "Oslo"})]
BOTH = [*OSLO, ("weather", {"city": "Rome"})]
FIRE = "Is there a fire in the picture yard_17.png? Please do whatever is right."


def report(package: str, ask: Any, shaped: Any, loop: Any) -> None:
    """Try every feature and print one JSON object: {"version": ..., "features": {name: "" or what went wrong}}."""
    react, native, model = (Server(url) for url in sys.argv[1:4])

    def asked(server: Server, question: str, choice: str = "auto", stream: bool = False) -> Reply:
        CALLED.clear()
        reply: Reply = ask(server, question, TOOLS, choice, stream)
        return reply

    def stream() -> None:
        reply = ask(react, "Say hello.", {}, "auto", True)
        expect((reply.text, reply.pieces > 1), ("Hello there.", True))

    def errors() -> None:
        for server, streams, word in (
            (react, False, "context"),
            (react, True, "context"),
            (Server(react.url, "wrong"), False, "key"),
        ):
            try:
                reply = asked(server, "Too long.", stream=streams)
            except Exception as error:
                expect((word in str(error), word), (True, word))
            else:
                raise AssertionError(f"no error, but {reply}")

    def whole_loop() -> None:
        CALLED.clear()
        reply = loop(model, FIRE)
        names = [name for name, _ in reply.calls]
        expect((names, "hall 4" in reply.text), (list(ALARM), True))

    def structured() -> None:
        value = shaped(model, "Say where it burns as JSON.")
        expect({name: type(part).__name__ for name, part in value.items()}, {"place": "str", "on_fire": "bool"})

    def called(server: Server, question: str, wanted: Any, choice: str = "auto") -> None:
        for streams in (False, True):
            expect(asked(server, question, choice, streams).calls, wanted)

    def none() -> None:
        reply = asked(react, "Is it warm in Oslo?", "none")
        expect((reply.text, reply.calls), ("Nothing is called.", []))

    features: dict[str, Callable[[], None]] = {
        "chat": lambda: expect(ask(react, "Say hello.", {}, "auto", False).text, "Hello there."),
        "stream": stream,
        "one call": lambda: called(react, "Is it warm in Oslo?", OSLO),
        "parallel calls": lambda: called(native, "Oslo or Rome?", BOTH),
        "loop to its end": whole_loop,
        "auto": lambda: called(react, "Is it warm in Oslo?", OSLO, "auto"),
        "none": none,
        "required": lambda: called(react, "Is it warm in Oslo?", OSLO, "required"),
        "named": lambda: called(react, "What time is it?", [("clock", {})], "clock"),
        "structured": structured,
        "errors": errors,
    }
    found = {name: _problem(feature) for name, feature in features.items()}
    print(json.dumps({"version": importlib.metadata.version(package), "features": found}))


def _problem(feature: Callable[[], None]) -> str:
    try:
        feature()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
