"""One request to a chat API and its response, as logs and trainers keep them: the turns apart from the answer to
them."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers import gemini, langchain, responses, typed_parts
from swiftagent.formats.reading.delegate import are_turns, read_turns
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Answer, Call, Thought, Trajectory

ABOUT = (
    "a request and its response: {request, response}, {input: {messages}, output}, {prompt: [turns], "
    "completion: [turns]}"
)
SAMPLE = {
    "request": {"model": "m", "messages": [{"role": "user", "content": "Oslo?"}]},
    "response": {"choices": [{"message": {"role": "assistant", "content": "The capital of Norway."}}]},
}
_ASKED = ("request", "input", "prompt", "query", "inputs", "responses_create_params", "request_body", "item")
_ANSWERED = ("response", "output", "completion", "choices", "outputs", "sampled", "response_body", "sample")
# Beside `messages` that end before the model speaks, these hold what it said.
_BESIDE_MESSAGES = ("response", "completion", "choices", "output", "chosen_response", "answer")

# What a JSON text holds that is more than a result or an answer in JSON.
_TOLD = re.compile(r'"(?:role|toolCallId)"|"type"\s*:\s*"function_call"')

KEYS = frozenset((*_ASKED, "messages"))


def looks_like(row: Any) -> bool:
    return type(row) is dict and _asked(row) is not None and _answered(row) is not None


def _asked_in_messages(row: dict[str, Any]) -> dict[str, Any] | None:
    """Messages that end before the model speaks, beside what it said; tools may stand under model_parameters."""
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns or not any(row.get(key) for key in _BESIDE_MESSAGES):
        return None
    last = turns[-1]
    if not are_turns([last]) or last.get("role") in ("assistant", "tool_call"):
        return None
    inner = row.get("model_parameters")
    return {**(inner if isinstance(inner, dict) else {}), **row, "messages": turns}


def _asked(row: dict[str, Any]) -> dict[str, Any] | None:
    """What was sent: an object with messages."""
    if (found := _asked_in_messages(row)) is not None:
        return found
    for key in _ASKED:
        value = _inner(row.get(key))
        turns = _turns(value)
        if turns is not None:
            return {**row, "messages": turns}
        for name in ("messages", "contents", "input") if isinstance(value, dict) else ():
            turns = _turns(value.get(name))
            if turns is not None:
                config = value.get("config")  # of Google's client: tools and system text
                return {**(config if isinstance(config, dict) else {}), **value, "messages": turns}
        if isinstance(value, str) and key == "query" and "tool_definitions" in row:  # Azure's evaluations
            return {**row, "messages": [{"role": "user", "content": value}]}
    return None


def _inner(value: Any) -> Any:
    """What stands as JSON text (Langfuse), or in the body of an HTTP request or response, as a value."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{") and _TOLD.search(value):
        try:
            value, _ = read_loose(value)
        except RowError:
            return value
    for key in ("body", "__data__"):
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    return value


def _turns(value: Any) -> list[Any] | None:
    """Turns with roles, of any dialect, and the items of Responses that stand between them; those of LangChain are read
    so."""
    if isinstance(value, list) and langchain.looks_like(value):
        inner = value[0] if isinstance(value[0], list) else value
        return [langchain.turn_of(message) for message in inner]
    if not isinstance(value, list) or not value:
        return None
    return list(value) if all(are_turns([turn]) or responses.is_item(turn) for turn in value) else None


def _answered(row: dict[str, Any]) -> list[Any] | None:
    """The turns of the answer."""
    value = _inner(next((row[key] for key in (*_ANSWERED, "chosen_response", "answer") if row.get(key)), None))
    if isinstance(value, dict) and isinstance(value.get("output_text"), str) and not value.get("output"):
        value = value["output_text"] if not value.get("choices") else value  # of OpenAI's evals
    for key in ("choices", "candidates", "generations", "messages", "output"):
        if isinstance(value, dict) and (isinstance(value.get(key), list) or (key == "output" and key in value)):
            value = value[key]
    while (
        isinstance(value, list) and len(value) >= 1 and isinstance(value[0], (list, str))
    ):  # of several answers the first
        value = value[0]
    if isinstance(value, list) and all(
        isinstance(item, dict) and "toolCallId" in item for item in value
    ):  # Vercel's spans
        value = {"role": "assistant", "content": [{"type": "tool-call", **item} for item in value]}
    for key in ("message", "content"):
        if isinstance(value, list) and value and isinstance(value[0], dict) and isinstance(value[0].get(key), dict):
            value = value[0][key]
    for key in ("message", "content"):
        if isinstance(value, dict) and "role" not in value and isinstance(value.get(key), dict):
            value = value[key]
    if isinstance(value, str):
        value = {"role": "assistant", "content": value}
    return _turns(value if isinstance(value, list) else [value])


def _repeated(row: dict[str, Any]) -> dict[str, Any]:
    """A response of OpenAI's Responses, which repeats the tools and instructions of its request; {} for any other
    answer."""
    given = _inner(next((row[key] for key in _ANSWERED if row.get(key)), None))
    return given if isinstance(given, dict) and given.get("object") == "response" else {}


def turns_of(row: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
    """All turns of a request and its response, and what stands beside them; None where the row is no such pair."""
    asked, answered = _asked(row), _answered(row)
    if asked is None or answered is None:
        return None
    turns = asked["messages"]
    if answered[: len(turns)] == turns:  # an agent's output is often the whole conversation
        turns = []
    told = _repeated(row)
    tools = tools_field(asked) or tools_field(row) or tools_field(told)
    beside = {"instructions": told.get("instructions"), **asked, "id": row.get("id") or ""}
    return [*turns, *answered], {**beside, **({"tools": tools} if tools else {})}


def parse(row: Any) -> Trajectory:
    found = turns_of(row)
    if found is None:
        raise RowError("not-a-conversation", "no request with messages and no response to it")
    read = read_conversation(*found)
    kinds = [type(event) for event in read.events if type(event) is not Thought]
    if kinds[-2:] == [Call, Answer] and len(_answered(row) or ()) == 1:
        raise RowError("call-without-result", "what stands behind the last call may be its result, and not an answer")
    return read


def read_conversation(turns: list[Any], beside: dict[str, Any]) -> Trajectory:
    """Turns of any dialect, with the tools, system text and id that stand beside them."""
    if any(responses.is_item(turn) for turn in turns):
        return responses.parse(
            {"input": turns, **{key: beside[key] for key in ("tools", "instructions", "id") if key in beside}}
        )
    kept = {**{key: value for key, value in beside.items() if key not in ("contents", "history")}, "messages": turns}
    if typed_parts.looks_like(turns):
        return typed_parts.parse(kept)
    if gemini.looks_like(turns):
        return gemini.parse(kept)
    return read_turns(turns, beside)
