"""OpenAI's chat completions: requests as `ModelRequest`, and what the loop does as replies.

A client that knows nothing of ReAct sends `messages` and `tools` and gets `tool_calls`. The thought of a call goes out
as reasoning_content; clients that send it back, or the call's id, get the very prompt that the model was trained on.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator, Sequence
from typing import Any

from swiftagent.agent.serving.asked import (
    MOST_CHOICES,
    Memory,
    ModelRequest,
    Refusal,
    refuse,
    sampling_fields,
    stop_words,
    whole_number,
    without_nulls,
)
from swiftagent.agent.serving.conversation import declared_tools, messages_of, read_conversation, with_thoughts
from swiftagent.agent.serving.reply import Answering
from swiftagent.errors import SwiftAgentError
from swiftagent.formats.readers.openai import parse
from swiftagent.trajectory.types import Call, Tool

_REFUSED = (
    *("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"),
    *("audio", "prediction", "web_search_options"),
)


def read_request(body: Any, thoughts: Memory) -> ModelRequest:
    """Raises Refusal with what is wrong with the request."""
    body = without_nulls(body)
    refuse(body, _REFUSED)
    field = "tools" if "tools" in body else "functions"
    tools = declared_tools(body.get(field), field)
    forced = forced_of(body.get("tool_choice", body.get("function_call")), tools)
    row = {"messages": with_thoughts(messages_of(body), thoughts), "tools": body.get(field) or []}
    return ModelRequest(
        read_conversation(parse, row, forced),
        tools,
        forced,
        body.get("parallel_tool_calls") is not False and field == "tools",
        bool(body.get("stream")),
        whole_number(body, "n", most=MOST_CHOICES) or 1,
        whole_number(body, "max_completion_tokens", "max_tokens"),
        stop=stop_words(body.get("stop")),
        counts_usage=_counts_usage(body.get("stream_options")),
        strict=_is_strict(body.get(field)),
        shape=shape_of(body.get("response_format")),
        **sampling_fields(body),
    )


def _is_strict(tools: Any) -> bool:
    """Whether no tool asks to be called freely."""
    return not any(
        isinstance(tool, dict) and (tool.get("function") or tool).get("strict") is False for tool in tools or ()
    )


def shape_of(wanted: Any, name: str = "response_format") -> dict[str, Any] | None:
    """The schema of the answer that a client asks for; {} for any object, None for text."""
    kind = wanted.get("type", "text") if isinstance(wanted, dict) else "text"
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    held = wanted.get("json_schema", wanted)
    schema = held.get("schema") if isinstance(held, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise Refusal(f"{name} {kind} is not supported; text, json_object and json_schema are", param=name)
    return schema


def _counts_usage(given: Any) -> bool:
    if given is not None and not isinstance(given, dict):
        raise Refusal("stream_options must be an object", param="stream_options")
    return bool(given and given.get("include_usage"))


def forced_of(choice: Any, tools: tuple[Tool, ...]) -> str:
    match choice:
        case None | "auto":
            return ""
        case "none":
            return "none"
        case "required" if tools:
            return "*"
        case {"function": {"name": str(name)}} | {"name": str(name)} if any(tool.name == name for tool in tools):
            return name
    raise Refusal(f"tool_choice {json.dumps(choice, default=str)[:100]} names no declared tool", param="tool_choice")


class ChatReply:
    """The reply to one request as chat completions have it. legacy: the client speaks of functions, not tools."""

    def __init__(self, model: str, asked: ModelRequest, choices: Sequence[Answering], legacy: bool = False) -> None:
        self.asked = asked
        self.choices = choices
        self.legacy = legacy
        self._head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}

    def whole(self) -> dict[str, Any]:
        """The reply as one object."""
        choices = [self._choice(choice.run()) for choice in self.choices]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": self._usage()}

    def _choice(self, said: Answering) -> dict[str, Any]:
        calls = said.calls
        message: dict[str, Any] = {"role": "assistant", "content": said.content if said.content or not calls else None}
        if said.reasoning:
            message["reasoning_content"] = said.reasoning
        if calls and self.legacy:
            message["function_call"] = _function(calls[0])
        elif calls:
            message["tool_calls"] = [_call(call) for call in calls]
        return {"index": said.number, "message": message, "finish_reason": self._finish(said.finish), "logprobs": None}

    def events(self) -> Generator[str, None, None]:
        """The reply as server-sent events."""
        try:
            for choice in self.choices:
                yield from self._events_of(choice)
        except SwiftAgentError as error:
            yield f"data: {json.dumps({'error': {'message': str(error), 'type': 'server_error'}})}\n\n"
            return
        if self.asked.counts_usage:
            counted = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage()}
            yield f"data: {json.dumps(counted)}\n\n"
        yield "data: [DONE]\n\n"

    def _events_of(self, choice: Answering) -> Generator[str, None, None]:
        calls, begun = 0, False
        for delta in choice.deltas():
            if not begun:
                begun = True
                # Clients join the pieces of content, and beside calls there is none.
                yield self._event(choice, {"role": "assistant", "content": None if delta.call else ""})
            if delta.reasoning:
                yield self._event(choice, {"reasoning_content": delta.reasoning})
            if delta.content:
                yield self._event(choice, {"content": delta.content})
            if delta.call:
                called = {"function_call": _function(delta.call)}
                listed = {"tool_calls": [{"index": calls, **_call(delta.call)}]}
                yield self._event(choice, called if self.legacy else listed)
                calls += 1
            if delta.finish:
                yield self._event(choice, {}, self._finish(delta.finish))

    def _event(self, choice: Answering, delta: dict[str, Any], finish: str | None = None) -> str:
        one = {"index": choice.number, "delta": delta, "finish_reason": finish, "logprobs": None}
        event = {**self._head, "object": "chat.completion.chunk", "choices": [one]}
        return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"

    def _finish(self, finish: str) -> str:
        return "function_call" if self.legacy and finish == "tool_calls" else finish

    def _usage(self) -> dict[str, int]:
        prompt = max(choice.prompt_tokens for choice in self.choices)
        generated = sum(choice.generated for choice in self.choices)
        return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}


def _function(call: Call) -> dict[str, str]:
    return {"name": call.tool, "arguments": json.dumps(call.arguments, ensure_ascii=False)}


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": _function(call)}
