"""Calls written as text or objects in any dialect, read as (name, raw arguments, id) for `Builder.call`."""

from __future__ import annotations

import json
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.python_calls import are_calls
from swiftagent.trajectory.read_loose import read_loose

RawCall = tuple[Any, Any, Any]
_NAMES = (
    *("name", "tool", "api", "tool_name", "toolName", "api_name", "function_name", "recipient_name", "action"),
    *("Action", "func", "endpoint"),
)
ARGUMENT_KEYS = (
    *("arguments", "parameters", "args", "kwargs", "input", "params", "action_input", "Action_Input", "param_dict"),
    *("tool_input",),
)


_ID_KEYS = ("id", "tool_call_id", "call_id", "tool_use_id", "toolCallId")
# Keys of an assistant turn under which its calls stand, without case and separators.
CALL_KEYS = frozenset(
    ("toolcalls", "toolcall", "functioncalls", "functioncall", "calls", "actions", "tooluses", "tooluse")
    + ("toolinvocations",)
)


def call_values(message: dict[str, Any]) -> Any:
    """The value that holds the calls of an assistant turn, under any spelling of its key; None where there is none."""
    for key in ("tool_calls", "function_call"):
        if message.get(key):
            return message[key]
    if len(message) > 2 or ("role" not in message and "from" not in message):
        for key, value in message.items():
            if value and type(key) is str and plain_key(key) in CALL_KEYS and is_call_value(value):
                return value
    return None


def plain_key(key: str) -> str:
    """A key without case, underscores and hyphens: toolCalls, tool_calls and Tool-Calls are one."""
    return key.replace("_", "").replace("-", "").lower()


def is_call_value(value: Any) -> bool:
    """Whether a value is a call or a list of calls, as objects or as text."""
    if isinstance(value, list):
        return bool(value) and all(is_call_value(item) for item in value)
    if isinstance(value, str):
        return bool(value.strip()) and (value.lstrip()[:1] in "{[" or are_calls(value))
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("function"), dict):
        return is_call_value(value["function"])
    named = any(isinstance(value.get(key), str) for key in (*_NAMES, "function"))
    return named and any(key in value for key in ARGUMENT_KEYS)


def call_of(item: Any) -> RawCall:
    """One call object: {name, arguments}, {function: {...}, id}, {tool, parameters}, ... Raises
    RowError("broken-call")."""
    if isinstance(item, dict):
        function = item.get("function")
        if isinstance(function, dict):
            name, arguments, inner_id = call_of(function)
            return name, arguments, _id_of(item) or inner_id
        if isinstance(function, str):
            item = {**item, "name": item.get("name", function)}
        for name in _NAMES:
            if isinstance(item.get(name), str):
                given: Any = next((item[key] for key in ARGUMENT_KEYS if key in item and key != name), {})
                return item[name], given, _id_of(item)
        if len(item) == 1:  # {"get_weather": {"city": "Oslo"}}
            ((name, arguments),) = item.items()
            if isinstance(arguments, dict):
                return name, arguments, None
    raise RowError("broken-call", f"no tool name in the call {str(item)[:80]!r}")


def calls_of(value: Any) -> tuple[list[RawCall], tuple[str, ...]]:
    """The calls of a value: an object, a list, or text of either, or one JSON a line. Raises
    RowError("broken-call")."""
    value, repairs = _parse(value) if isinstance(value, str) else (value, ())
    items = value if isinstance(value, list) else [value]
    if len(items) == 1 and isinstance(items[0], dict) and isinstance(items[0].get("tool_calls"), list):
        items = items[0]["tool_calls"]
    if not items:
        raise RowError("broken-call", "a call turn holds no call")
    return [call_of(_inner(item)) for item in items], repairs


def _inner(item: Any) -> Any:
    return read_loose(item)[0] if isinstance(item, str) and item.lstrip()[:1] == "{" else item


def _parse(text: str) -> tuple[Any, tuple[str, ...]]:
    text = text.strip()
    if text[:1] not in ("{", "["):
        raise RowError("broken-call", f"a call is neither JSON nor any other known form: {text[:60]!r}")
    try:
        return json_sequence(text), ()
    except (json.JSONDecodeError, RecursionError):
        pass
    try:
        return read_loose(text)
    except RowError as error:
        raise RowError("broken-call", f"a call cannot be read: {error.message}") from None


def json_sequence(text: str, strict: bool = True) -> list[Any]:
    """JSON values one after another with nothing but space or commas between. strict: texts hold no raw newline.

    Raises JSONDecodeError, RecursionError.
    """
    values: list[Any] = []
    place = 0
    decoder = json.JSONDecoder(strict=strict)
    while place < len(text):
        if text[place] in " \t\r\n,;":
            place += 1
            continue
        value, place = decoder.raw_decode(text, place)
        values += value if isinstance(value, list) else [value]
    return values


def _id_of(item: dict[str, Any]) -> Any:
    return next((item[key] for key in _ID_KEYS if item.get(key)), None)
