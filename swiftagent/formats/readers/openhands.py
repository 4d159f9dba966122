"""OpenHands event streams: each event is an action of the user or the agent, or an observation that one of them
caused."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.messages import as_messages
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import lists_in, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "OpenHands events {source, action, args} and {observation, content}, under history or as a file of events"
SAMPLE = {
    "instance_id": "1",
    "history": [
        {"source": "user", "action": "message", "args": {"content": "List the files"}},
        {"source": "agent", "action": "run", "args": {"command": "ls", "thought": "I look."}},
        {"source": "agent", "observation": "run", "content": "a.py"},
        {"source": "agent", "action": "finish", "args": {"final_thought": "There is a.py."}},
    ],
}
_LISTS = ("history", "trajectory", "events")
_KINDS = frozenset(("action", "observation"))
_BESIDE = frozenset(("args", "content", "source", "message", "extras", "thought"))
# What the machinery says to itself.
_SILENT = frozenset(
    ("recall", "change_agent_state", "condensation", "condensation_request", "null", "agent_state_changed")
)
_TOOLS = {"run": ("bash", "command"), "run_ipython": ("python", "code"), "browse": ("browse", "url")}
_NOT_ARGUMENTS = frozenset(
    (
        *("thought", "blocking", "is_static", "hidden", "confirmation_state", "is_confirmed", "action", "action_risk"),
        *("security_risk", "keep_prompt", "kernel_init_code", "include_extra", "is_input", "cwd", "impl_source"),
        "translated_ipython_code",
    )
)

KEYS = frozenset(_LISTS)


def line_key(row: Any) -> Hashable | None:
    """The events of a file are one run."""
    return "openhands" if _is_event(row) and "timestamp" in row and "source" in row else None


def looks_like(row: Any) -> bool:
    return _events(row) is not None


def _events(row: Any) -> list[Any] | None:
    return next((events for events in lists_in(row, _LISTS) if all(map(_is_event, events))), None)


def _is_event(event: Any) -> bool:
    if type(event) is not dict or _BESIDE.isdisjoint(event):
        return False
    kinds = [key for key in _KINDS if key in event]
    return len(kinds) == 1 and isinstance(event[kinds[0]], str)


def parse(row: Any) -> Trajectory:
    events = _events(row)
    if events is None:
        raise RowError("not-a-conversation", "no events of OpenHands")
    beside = row if type(row) is dict else {}
    builder = Builder(*read_tools(tools_field(beside)))
    answered: set[str] = set()
    for event in as_messages(events):
        if "observation" in event:
            _read_observation(builder, event)
        elif event["action"] not in _SILENT:
            _read_action(builder, event, answered)
    return builder.build(beside.get("instance_id") or beside.get("id"))


def _read_observation(builder: Builder, event: dict[str, Any]) -> None:
    if event["observation"] not in _SILENT and builder.waits_for_result:
        given = event.get("tool_call_metadata")
        builder.result(as_text(event.get("content")), given.get("tool_call_id") if isinstance(given, dict) else None)


def _read_action(builder: Builder, event: dict[str, Any], answered: set[str]) -> None:
    kind = event["action"]
    given = event.get("args")
    args: dict[str, Any] = given if isinstance(given, dict) else event
    if kind == "system":
        if isinstance(args.get("tools"), list) and not builder.tools:
            builder.tools, repairs = read_tools(args["tools"])
            builder.repairs += repairs
        builder.system(as_text(args.get("content")))
    elif kind == "message":
        _read_message(builder, event, as_text(args.get("content")))
    elif isinstance(event.get("tool_call_metadata"), dict) and kind != "finish":
        _read_tool_call(builder, event["tool_call_metadata"], as_text(args.get("thought")), answered)
    else:
        _read_plain_action(builder, kind, args, as_text(event.get("message")))


def _read_message(builder: Builder, event: dict[str, Any], text: str) -> None:
    """Where no source is given, the first to speak is the user, and then who is asked."""
    asked = bool(builder.events) and not builder.answered
    source = event.get("source") or ("agent" if asked else "user")
    (builder.answer if source == "agent" else builder.question)(text)


def _read_tool_call(builder: Builder, told: dict[str, Any], thought: str, answered: set[str]) -> None:
    """The call as the model made it; what it said stands beside the first of the calls of a response."""
    response = told.get("model_response")
    choices = response.get("choices") if isinstance(response, dict) else None
    message = (
        choices[0].get("message") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    )
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    wanted = told.get("tool_call_id")
    made = next((item for item in calls or () if isinstance(item, dict) and item.get("id") == wanted), None)
    name = str(response.get("id", "")) if isinstance(response, dict) else ""
    if not name or name not in answered:
        builder.thought(as_text(message.get("content")) if isinstance(message, dict) else thought, said=True)
    answered.add(name)
    builder.call(*(call_of(made) if made is not None else (told.get("function_name"), {}, wanted)))


def _read_plain_action(builder: Builder, kind: str, args: dict[str, Any], message: str) -> None:
    thought = as_text(args.get("thought"))
    if kind == "finish":
        outputs = args.get("outputs")
        last = outputs.get("content") if isinstance(outputs, dict) else None
        text = next(
            (
                value
                for value in (args.get("final_thought"), last, thought, message)
                if isinstance(value, str) and value
            ),
            "",
        )
        if text:
            builder.answer(text)
        return
    builder.thought(thought, said=True)
    if kind in _TOOLS:
        name, key = _TOOLS[kind]
        builder.call(name, {key: args.get(key)})
    else:
        builder.call(kind, {key: value for key, value in args.items() if key not in _NOT_ARGUMENTS})
