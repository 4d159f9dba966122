"""OpenAI's chat requests as conversations, and what the loop does as its replies.

A client that knows nothing of ReAct sends `messages` and `tools` and gets `tool_calls`. The thought of a call goes out
as reasoning_content; clients that send it back, or the call's id, get the very prompt that the model was trained on.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.formats.reading.tools import read_tools
from swiftagent.io.jsonl import without_surrogates
from swiftagent.trajectory.escape import show
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory

REMEMBERED_CALLS = 10_000


class Refusal(Exception):
    """A request that is not answered; `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ChatRequest(msgspec.Struct, frozen=True):
    """A request as the loop needs it. forced: "" (free), "*" (some call), a tool's name, or "none" (no call)."""

    conversation: Trajectory
    stream: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    forced: str = ""
    counts_usage: bool = False


class Thoughts:
    """What the model thought before each call that was handed out, by the call's id; the oldest are forgotten."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, str] = OrderedDict()

    def new_id(self, thought: str) -> str:
        call_id = f"call_{secrets.token_hex(12)}"
        self._by_id[call_id] = thought
        while len(self._by_id) > REMEMBERED_CALLS:
            self._by_id.popitem(last=False)
        return call_id

    def of(self, call_id: str) -> str:
        return self._by_id.get(call_id, "")


def read_request(body: Any, thoughts: Thoughts) -> ChatRequest:
    """Raises Refusal with what is wrong with the request."""
    if not isinstance(body, dict):
        raise Refusal("the request must be a JSON object")
    if body.get("n") not in (None, 1):
        raise Refusal("n must be 1")
    wanted = body.get("response_format")
    kind = wanted.get("type", "text") if isinstance(wanted, dict) else "text"
    if kind != "text":
        raise Refusal(f"response_format {kind} is not supported")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("messages must be a list that is not empty")
    tools = _tools(body.get("tools"))
    forced = _forced(body.get("tool_choice"), tools)
    events = tuple(_events(messages, thoughts))
    if not events or not isinstance(events[-1], (Question, Observation)):
        raise Refusal("messages must end on a user or tool message")
    # Without tools and calls it is plain chat; after calls the prompt must stay the one of those steps.
    has_calls = any(isinstance(event, Call) for event in events)
    if forced == "none" and not has_calls:
        tools, forced = (), ""
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise Refusal("max_tokens must be a whole number above 0")
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, (int, float)) or not 0 <= temperature <= 2):
        raise Refusal("temperature must be between 0 and 2")
    return ChatRequest(
        Trajectory(events, tools),
        bool(body.get("stream")),
        limit,
        temperature,
        _stop(body.get("stop")),
        forced,
        _counts_usage(body.get("stream_options")),
    )


def _stop(given: Any) -> tuple[str, ...]:
    stop = [given] if isinstance(given, str) else given or []
    if not isinstance(stop, list) or not all(isinstance(text, str) for text in stop):
        raise Refusal("stop must be a text or a list of texts")
    return tuple(text for text in stop if text)


def _counts_usage(given: Any) -> bool:
    if given is not None and not isinstance(given, dict):
        raise Refusal("stream_options must be an object")
    return bool(given and given.get("include_usage"))


def _tools(given: Any) -> tuple[Tool, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise Refusal("tools must be a list")
    try:
        return read_tools(given)[0]
    except RowError as error:
        raise Refusal(f"tools: {error.message}") from None


def _forced(choice: Any, tools: tuple[Tool, ...]) -> str:
    match choice:
        case None | "auto":
            return ""
        case "none":
            return "none"
        case "required" if tools:
            return "*"
        case {"function": {"name": str(name)}} if any(tool.name == name for tool in tools):
            return name
    raise Refusal(f"tool_choice {json.dumps(choice, default=str)[:100]} names no declared tool")


def _events(messages: list[Any], thoughts: Thoughts) -> Iterator[Event]:
    for number, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        text = _text(message.get("content"), number) if isinstance(message, dict) else ""
        match role:
            case "system" | "developer":
                yield System(text)
            case "user":
                yield Question(text)
            case "tool":
                yield Observation(text, str(message.get("tool_call_id") or ""))
            case "assistant":
                yield from _assistant(message, text, number, thoughts)
            case _:
                raise Refusal(f"messages[{number}]: role must be system, user, assistant or tool")


def _assistant(message: dict[str, Any], text: str, number: int, thoughts: Thoughts) -> Iterator[Event]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise Refusal(f"messages[{number}]: tool_calls must be a list")
    if not calls:
        yield Answer(text)
        return
    first_id = calls[0].get("id", "") if isinstance(calls[0], dict) else ""
    reasoning = message.get("reasoning_content")
    thought = thoughts.of(str(first_id)) or (reasoning if isinstance(reasoning, str) else "") or text
    if thought:
        yield Thought(thought)
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Refusal(f"messages[{number}]: a tool call needs a function with a name")
        yield Call(function["name"], _arguments(function.get("arguments"), number), str(call.get("id") or ""))


def _arguments(given: Any, number: int) -> Any:
    if not isinstance(given, str):
        return given if given is not None else {}
    try:
        return without_surrogates(json.loads(given or "{}"))
    except (ValueError, RecursionError):
        raise Refusal(f"messages[{number}]: the arguments of a tool call must be JSON") from None


def _text(content: Any, number: int) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else []
    if not parts or not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        raise Refusal(f"messages[{number}]: content must be a text or a list of text parts")
    return "".join(part["text"] for part in parts)


class AnswerStream:
    """What of a step's text may already be shown as the answer: what follows `Final Answer:`, or all of plain chat."""

    def __init__(self, react: bool) -> None:
        self.react = react
        self.sent = ""

    def grown(self, text: str) -> str:
        """The new part of the answer now that the step's text has grown to `text`; what may yet change is held back."""
        answer = self._answer(text)
        if answer is None:
            return ""
        lines = answer.split("\n")
        last = lines[-1]
        # A last line may yet become a control token, an escape or the label of a result.
        if last[:1] == " " or "<" in last or "[" in last or "observation".startswith(last.strip("*_#> ").lower()[:11]):
            lines.pop()
        sure = show("\n".join(lines)).rstrip()
        new = sure[len(self.sent) :] if sure.startswith(self.sent) else ""
        self.sent += new
        return new

    def rest(self, answer: str) -> str:
        """What of the whole answer was not sent yet."""
        return answer[len(self.sent) :] if answer.startswith(self.sent) else ""

    def _answer(self, text: str) -> str | None:
        if not self.react:
            head, found, rest = text.partition("</think>")
            if text.lstrip().startswith("<think>"[: max(1, len(text.lstrip()))]):
                return rest.lstrip() if found else None
            return text.lstrip()
        start = 0 if text.startswith("Final Answer:") else text.find("\nFinal Answer:") + 1
        if start == 0 and not text.startswith("Final Answer:"):
            return None
        return text[start + len("Final Answer:") :].lstrip()
