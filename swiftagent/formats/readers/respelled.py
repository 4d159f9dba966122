"""Turns with roles in which something stands under a key, or in a role, that others spell otherwise: results inside the
calls or under `output`, reasoning under `thoughts`, tools under `toolset`, a system text under `systemPrompt`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.calls import CALL_KEYS, call_values, is_call_value, plain_key
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.formats.reading.messages import REASONING_KEYS, ROLES
from swiftagent.formats.reading.view import MESSAGE_KEYS, TOOL_KEYS, system_field, tools_field, view_of
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "turns with roles under other spellings: results inside the calls or under `output`, `thoughts`, `systemPrompt`, "
    "`toolset`, a result in a turn of the assistant that names its call"
)
SAMPLE = {
    "systemPrompt": "Be brief.",
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {
            "role": "assistant",
            "thoughts": "I look.",
            "tool_calls": [{"name": "weather", "args": {"city": "Oslo"}, "result": "3C"}],
        },
        {"role": "assistant", "content": "It is 3C."},
    ],
}
_FORMATS = frozenset(("openai", "sharegpt", "swift", "hermes"))
_SYSTEMS = frozenset(
    ("systemprompt", "systeminstruction", "systeminstructions", "sysprompt", "preamble", "developerprompt")
)
# A key that names declared tools and nothing else: `toolset`, `candidate_tools`, `function_list`.
_TOOLS_KEY = re.compile(
    r"(?:all|available|candidate|given|provided|possible|input|agent)?(?:tool|function|api|plugin)"
    r"(?:s|set|box|list|json|schemas?|definitions?|defs|specs?|descriptions?){1,2}"
)
# What a reader or an annotator may have written (analysis, rationale) is not among them.
_THOUGHTS = frozenset((
    "chainofthought", "cot", "innerthoughts", "innermonologue", "thoughtprocess", "thoughts", "thinkingcontent",
    "reasoningtext", "internalthought", "internalthoughts", "thinkingprocess",
))  # fmt: skip
# Behind a call, these hold what the tool gave; the second ones only in a turn of the tool, or inside the call.
_RESULTS = frozenset((
    "result", "results", "observation", "observations", "toolresult", "toolresults", "tooloutput", "tooloutputs",
    "toolresponse", "toolresponses", "functionresponse", "functionresult", "executionresult", "apiresponse",
))  # fmt: skip
_RESULTS_INSIDE = _RESULTS | {
    "output",
    "outputs",
    "response",
    "return",
    "returned",
    "returnvalue",
    "stdout",
    "toolreturn",
}
_SAID = ("content", "value", "text")
_CALLED = ("toolcalls", "functioncall", "function", "name", "tool")  # of a turn, or of a call

KEYS = frozenset(MESSAGE_KEYS)


class Respelled(NamedTuple):
    """The turns and what stands beside them, in the usual spelling; `keys` are those of the row it was taken from."""

    turns: list[dict[str, Any]]
    beside: dict[str, Any]
    keys: frozenset[str]


def looks_like(row: Any) -> bool:
    return _respelled(row) is not None


def reads(row: Any) -> frozenset[str]:
    found = _respelled(row)
    return KEYS if found is None else KEYS | found.keys


def parse(row: Any) -> Trajectory:
    found = _respelled(row)
    if found is None:
        raise RowError("not-a-conversation", "no turns in which anything is spelled otherwise")
    return read_turns(found.turns, row if type(row) is dict else {}, view_of(row).repairs, **found.beside)


def _respelled(row: Any) -> Respelled | None:
    view = view_of(row)
    odd = type(row) is dict and _odd_keys(tuple(row))
    if view.format not in _FORMATS or not (odd or view.more):
        return None
    turns = view.messages
    if view.more and _may_be_respelled(turns):
        if not all(type(turn) is dict for turn in turns):
            return None
        turns = _usual_turns(turns)
    beside, keys = _beside(row) if odd else ({}, frozenset())
    same = turns is view.messages or turns == view.messages
    return Respelled(turns, beside, keys) if beside or not same else None


def _may_be_respelled(turns: list[Any]) -> bool:
    """A fast look at the turns; False is sure."""
    return any(type(turn) is not dict or _may_be_odd(turn) for turn in turns)


@lru_cache(maxsize=4096)
def _odd_keys(keys: tuple[Any, ...]) -> tuple[str, ...]:
    """The keys of a row under which a system text or tools may stand that others do not look for."""
    names = [key for key in keys if type(key) is str and key not in TOOL_KEYS]
    return tuple(key for key in names if plain_key(key) in _SYSTEMS or _TOOLS_KEY.fullmatch(plain_key(key)))


def _may_be_odd(turn: dict[str, Any]) -> bool:
    """A fast look at the keys of a turn and of its calls; False is sure."""
    if len(turn) == 2 and (turn.get("content") or turn.get("value")):
        return False
    calls = turn.get("tool_calls")
    if not _says_more(tuple(turn)) and not (type(calls) is list and any(_says_more(tuple(call)) for call in calls)):
        said = turn.get("role") == "tool" and not turn.get("content")
        return said or ("tool_call_id" in turn and turn.get("role") != "tool")
    return True


@lru_cache(maxsize=4096)
def _says_more(keys: tuple[Any, ...]) -> bool:
    """Whether one of these keys may hold reasoning or a result, or none of them what is said."""
    plain = {plain_key(str(key)) for key in keys}
    odd = _THOUGHTS | _RESULTS_INSIDE | CALL_KEYS - {"toolcalls", "functioncall"}
    return not plain.isdisjoint(odd) or plain.isdisjoint((*_SAID, *_CALLED))


def _beside(row: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """What stands beside the turns under keys of other names, and these keys."""
    found: dict[str, Any] = {}
    keys: list[str] = []
    for key in _odd_keys(tuple(row)):
        plain, value = plain_key(key), row[key]
        if plain in _SYSTEMS and type(value) is str and value and system_field(row) is None:
            found["system"] = value
        elif "tools" not in found and declares_tools(value) and tools_field(row) is None:
            found["tools"] = value
        else:
            continue
        keys.append(key)
    return found, frozenset(keys)


def declares_tools(value: Any) -> bool:
    """Whether a value is a declared tool or a list of them, as objects or as JSON text."""
    if type(value) is str and value.lstrip()[:1] in ("[", "{") and "name" in value:
        try:
            value, _ = read_loose(value)
        except RowError:
            return False
    if type(value) is list:
        return bool(value) and all(map(declares_tools, value))
    return type(value) is dict and _is_declared(value)


def _is_declared(tool: dict[str, Any]) -> bool:
    inner = tool.get("function", tool)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return False
    schema = next((inner[key] for key in ("parameters", "input_schema", "inputSchema") if key in inner), None)
    return "description" in inner or (isinstance(schema, dict) and not schema.keys().isdisjoint(("type", "properties")))


def _usual_turns(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    usual: list[dict[str, Any]] = []
    unanswered: set[Any] = set()  # ids of calls
    kinds = [*map(_kind, turns), ""]
    for place, turn in enumerate(turns):
        kind, answered = kinds[place], kinds[place + 1] == "result"
        if _is_result(turn, kind, unanswered):
            unanswered.discard(turn.get("tool_call_id"))
            usual.append(_result_turn(turn))
            continue
        if kind == "assistant":
            unanswered |= _ids_of_calls(turn)
        elif kind == "result":  # one without an id may answer any of them
            unanswered = unanswered - {turn["tool_call_id"]} if turn.get("tool_call_id") else set()
        usual += _step(_with_reasoning(turn), answered) if kind == "assistant" else [turn]
    return usual


def _kind(turn: dict[str, Any]) -> str:
    return ROLES.get(str(turn.get("role", turn.get("from"))).lower(), "")


def _ids_of_calls(turn: dict[str, Any]) -> set[str]:
    calls = turn.get("tool_calls")
    ids = [call.get("id") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return {id for id in ids if isinstance(id, str) and id}


def _is_result(turn: dict[str, Any], kind: str, unanswered: set[Any]) -> bool:
    """Whether a turn is a tool's that is not spelled as one: by the id of a call that nothing has answered, or by where
    its text stands."""
    if kind in ("assistant", "user"):
        id = turn.get("tool_call_id")
        thinks = any(turn.get(key) for key in REASONING_KEYS)
        return isinstance(id, str) and id in unanswered and not thinks and not call_values(turn)
    said = any(turn.get(key) not in (None, "") for key in _SAID)
    return kind == "result" and not said and "parameters" not in turn and _found(turn, _RESULTS_INSIDE) is not None


def _result_turn(turn: dict[str, Any]) -> dict[str, Any]:
    said = next((turn[key] for key in _SAID if turn.get(key) not in (None, "")), None)
    content = _found(turn, _RESULTS_INSIDE) if said is None else said
    kept = {key: turn[key] for key in ("tool_call_id", "id", "name") if turn.get(key)}
    return {**kept, "role": "tool", "content": content if isinstance(content, list) else as_text(content)}


def _found(item: dict[str, Any], keys: frozenset[str]) -> Any:
    """What stands under the first of these keys, None where there is none of them."""
    return next((value for key, value in item.items() if value is not None and plain_key(str(key)) in keys), None)


def _with_reasoning(turn: dict[str, Any]) -> dict[str, Any]:
    key = next((key for key in turn if plain_key(str(key)) in _THOUGHTS and type(turn[key]) is str), None)
    if key is None or any(turn.get(usual) for usual in REASONING_KEYS):
        return turn
    kept = {name: value for name, value in turn.items() if name != key}
    return {**kept, "reasoning_content": turn[key]}


def _step(turn: dict[str, Any], answered: bool) -> list[dict[str, Any]]:
    """A turn of the model, and the results that stand inside it."""
    value = call_values(turn)
    calls = [value] if isinstance(value, dict) else value
    if answered or not isinstance(calls, list) or not calls or not all(isinstance(call, dict) for call in calls):
        return [turn]
    # Beside arguments `output` is what the tool gave; alone it may be what it was asked for.
    results = [_found(call, _RESULTS_INSIDE if is_call_value(call) else _RESULTS) for call in calls]
    if len(calls) == 1 and results == [None]:
        results = [_found(turn, _RESULTS)]
    if all(result is None for result in results):
        return [turn]
    ids = [call.get("id") or f"call-{place}" for place, call in enumerate(calls)]
    bare = [{**_without(call, _RESULTS_INSIDE), "id": id} for call, id in zip(calls, ids, strict=True)]
    kept = {key: given for key, given in _without(turn, _RESULTS).items() if given is not value}
    found = [(id, result) for id, result in zip(ids, results, strict=True) if result is not None]
    answers = [{"role": "tool", "tool_call_id": id, "content": as_text(result)} for id, result in found]
    return [{**kept, "tool_calls": bare}, *answers]


def _without(item: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if plain_key(str(key)) not in keys}
