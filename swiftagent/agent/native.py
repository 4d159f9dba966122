"""Native tool calls in place of ReAct text: messages with ms-swift's tool_call and tool_response roles.

How a call looks as text is the agent template's business (hermes, qwen3, ...): `read_calls` is given by the engine,
which knows it; without one the hermes form is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from swiftagent.trajectory.escape import hide_control_tokens, json_text, show_control_tokens
from swiftagent.trajectory.read_input import read_action_input
from swiftagent.trajectory.read_step import Step
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory

# Text -> (name, arguments as JSON text) of each call.
ReadCalls = Callable[[str], list[tuple[str, str]]]

END_NOW = "Give your final answer now, without calling a tool."
_THINK = re.compile(r"\s*<think>(.*?)(?:</think>|\Z)", re.S)
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.S)
# What a call begins with in the forms that agent templates write; the text before it is said beside the call.
_CALL_START = re.compile(
    r"<tool_call>|<\|tool_call|\[TOOL_CALLS\]|<function=|<\|action_start\|>|<｜tool|✿FUNCTION✿|\n?Action:|```json"
)


class Native:
    """Calls as the model's own agent template writes them."""

    stop = ""

    def __init__(self, read_calls: ReadCalls | None = None) -> None:
        self.read_calls = read_calls or hermes_calls

    def final_prefix(self, conversation: Trajectory) -> str:
        return ""

    def final_messages(self, conversation: Trajectory) -> list[Message]:
        return [{"role": "user", "content": END_NOW}]

    def messages(self, conversation: Trajectory) -> list[Message]:
        return list(native_messages(conversation.events))

    def declared(self, conversation: Trajectory) -> tuple[Tool, ...]:
        return conversation.tools

    def read(self, text: str) -> Step:
        """What stands before the first call is said beside it; without a call everything is the answer."""
        think = _THINK.match(text)
        reasoning, text = (think.group(1).strip(), text[think.end() :]) if think else ("", text)
        found = self.read_calls(text)
        if not found:
            return Step(answer=show_control_tokens(text.strip()), reasoning=reasoning)
        calls: list[Call] = []
        notes: list[str] = []
        problem = ""
        for name, given in found:
            value, strayed, problem = read_action_input(given)
            notes += strayed
            calls.append(Call(show_control_tokens(name), {"input": given} if problem else value))
            if problem:
                break
        # What stands before the first call was said beside it; what follows the last is not read.
        start = _CALL_START.search(text)
        said = show_control_tokens(text[: start.start()].strip()) if start else ""
        return Step(said, tuple(calls), None, reasoning, tuple(dict.fromkeys(notes)), said=True, problem=problem)


def native_messages(events: tuple[Event, ...]) -> Iterator[Message]:
    """Events as ms-swift's messages. Text beside a call ends in a newline, which its templates do not add
    themselves."""
    for number, event in enumerate(events):
        match event:
            case System(text=text):
                yield {"role": "system", "content": hide_control_tokens(text)}
            case Question(text=text):
                yield {"role": "user", "content": hide_control_tokens(text)}
            case Thought(text=text):
                following = events[number + 1] if number + 1 < len(events) else None
                if isinstance(following, Call):
                    yield {"role": "assistant", "content": hide_control_tokens(text) + "\n"}
            case Call(tool=tool, arguments=arguments):
                yield {"role": "tool_call", "content": json_text({"name": tool, "arguments": arguments})}
            case Observation(text=text):
                yield {"role": "tool_response", "content": hide_control_tokens(text)}
            case Answer(text=text):
                yield {"role": "assistant", "content": hide_control_tokens(text)}


def hermes_calls(text: str) -> list[tuple[str, str]]:
    """The calls of `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` blocks; one that is no JSON keeps its
    text."""
    calls = []
    for block in _CALL.findall(text):
        value, _, problem = read_action_input(block)
        if problem or not isinstance(value, dict) or not isinstance(value.get("name"), str):
            named = re.search(r'"name"\s*:\s*"([^"]*)"', block)
            calls.append((named.group(1) if named else "", block))
            continue
        given = value.get("arguments", value.get("parameters", {}))
        calls.append((value["name"], given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)))
    return calls
