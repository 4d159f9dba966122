"""Turns made of parts that say their type: Vercel's AI SDK (UI messages), Pydantic AI, OpenTelemetry's GenAI
messages; and turns of frameworks, which are converted into the same parts: LlamaIndex (`blocks` of ChatMessage),
Haystack (`ChatMessage.to_dict`, of 2.9 with `_content`), Semantic Kernel (`items` of ChatMessageContent, in Python and
in C#), FastGPT (`obj` and `value`), opencode (`info` and `parts`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.messages import as_messages, kind_of, read_message, say_pieces, say_plainly
from swiftagent.formats.reading.tags import read_system
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import system_field, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "turns of typed parts: Vercel AI SDK, Pydantic AI (part_kind), OpenTelemetry messages, LlamaIndex (blocks), "
    "Haystack, Semantic Kernel (items), FastGPT (obj, value), opencode sessions"
)
SAMPLE = {
    "messages": [
        {"role": "user", "parts": [{"type": "text", "text": "Oslo?"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "text": "I look."},
                {
                    "type": "tool-weather",
                    "toolCallId": "1",
                    "state": "output-available",
                    "input": {"city": "Oslo"},
                    "output": "3C",
                },
                {"type": "text", "text": "It is 3C."},
            ],
        },
    ]
}
Part = dict[str, Any]
_HAYSTACK = frozenset(("tool_call", "tool_call_result", "reasoning"))
_FASTGPT = {"Human": "user", "AI": "assistant", "System": "system"}
_TURNS = (
    *("messages", "history", "ui_messages", "uiMessages", "message_history", "all_messages", "conversation"),
    *("Messages", "histories", "chat_history", "list"),
)
_SIDES = {"request": "user", "response": "assistant"}  # Pydantic AI
_TEXTS = frozenset(("text", "user-prompt"))
_THOUGHTS = frozenset(("reasoning", "thinking"))
_CALLS = frozenset(("tool-call", "builtin-tool-call", "server-tool-call"))
_RESULTS = frozenset(
    ("tool-return", "builtin-tool-return", "tool-call-response", "tool-result", "server-tool-call-response")
)
_MEDIA = frozenset(
    ("file", "image", "audio", "video", "document", "uri", "blob", "binary", "image-url", "document-url")
)
_MEDIA_KEYS = ("type", "kind", "part_kind", "mediaType", "media_type", "modality")
_SILENT = frozenset(("step-start", "source-url", "source-document", "step-finish", "snapshot", "patch"))


KEYS = frozenset(_TURNS)
# With those in which frameworks keep the parts of a turn.
READS = KEYS | {"blocks", "items", "info", "obj", "additionalkwargs", "contenttype"}


def looks_like(row: Any) -> bool:
    turns = _turns(row)
    return turns is not None and any(_is_typed(turn) for turn in turns)


def _turns(row: Any) -> list[Any] | None:
    if isinstance(row, list):
        return row
    if type(row) is not dict:
        return None
    return next((row[key] for key in _TURNS if isinstance(row.get(key), list) and row[key]), None)


def _is_typed(turn: Any) -> bool:
    if type(turn) is not dict:
        return False
    if isinstance(turn.get("toolInvocations"), list):
        return True
    if _in_parts(turn) is not None:
        return True
    parts = turn.get("parts")
    if not isinstance(parts, list) or ("role" not in turn and str(turn.get("kind")) not in _SIDES):
        return False
    return any(type(part) is dict and ("part_kind" in part or isinstance(part.get("type"), str)) for part in parts)


def parse(row: Any) -> Trajectory:
    beside = row if type(row) is dict else {}
    builder = Builder(*read_tools(tools_field(beside)))
    system = as_text(system_field(beside))
    if system:
        read_system(builder, system)
    for turn in as_messages(_turns(row) or []):
        turn = _in_parts(turn) or turn
        told = turn.get("instructions")
        if isinstance(told, str) and told and told != system:  # Pydantic AI repeats them with every request
            read_system(builder, told)
            system = told
        _read_turn(builder, turn)
    return builder.build(beside.get("id"))


def _read_turn(builder: Builder, turn: dict[str, Any]) -> None:
    parts = turn.get("parts")
    kind = kind_of(turn["role"] if "role" in turn else _SIDES.get(str(turn.get("kind")), turn.get("kind")))
    if not isinstance(parts, list) or not parts:
        invoked = turn.get("toolInvocations")
        for item in as_messages(invoked if isinstance(invoked, list) else []):
            _read_invocation(builder, item)
        if turn.get("content") or not invoked:
            read_message(builder, {"role": turn.get("role"), "content": turn.get("content")}, say_plainly)
        return
    typed = [(_type(part), part) for part in as_messages(parts)]
    last_call = max((place for place, (name, _) in enumerate(typed) if _acts(name)), default=-1)
    said: list[str] = []
    for place, (name, part) in enumerate(typed):
        if name in _TEXTS:
            said.append(_text(part))
            continue
        if name not in _SILENT and not name.startswith("data-"):
            say_pieces(builder, said, kind, say_plainly, place <= last_call, True)
            _read_part(builder, name, part, said)
    say_pieces(builder, said, kind, say_plainly, False, True)


def _type(part: dict[str, Any]) -> str:
    return str(part.get("part_kind") or part.get("type") or "text").replace("_", "-")


def _text(part: dict[str, Any]) -> str:
    return as_text(part.get("text") if "text" in part else part.get("content"))


def _acts(name: str) -> bool:
    return name in _CALLS or _is_invocation(name)


def _is_invocation(name: str) -> bool:
    return name == "dynamic-tool" or (name.startswith("tool-") and name not in _CALLS | _RESULTS)


def _read_part(builder: Builder, name: str, part: dict[str, Any], said: list[str]) -> None:
    if name in _THOUGHTS:
        builder.thought(_text(part).strip())
    elif name == "system-prompt":
        read_system(builder, _text(part))
    elif name in _CALLS:
        builder.call(_name_of(part), _first(part, "args", "arguments", "input"), _id_of(part))
    elif name in _RESULTS:
        builder.result(as_text(_first(part, "content", "response", "result", "output")), _id_of(part), _name_of(part))
    elif name == "retry-prompt":  # what Pydantic AI says to a call, or to an answer, that it could not use
        if builder.waits_for_result:
            builder.result(as_text(part.get("content")), _id_of(part), _name_of(part))
        else:
            builder.question(as_text(part.get("content")))
    elif _is_invocation(name):
        inner = part.get("toolInvocation")
        given = inner if isinstance(inner, dict) else part
        written = str(part.get("type"))
        known = written.removeprefix("tool-") if name not in ("dynamic-tool", "tool-invocation") else None
        _read_invocation(builder, {**given, "toolName": _name_of(given) or known})
    elif isinstance(part.get("text"), str):
        said.append(part["text"])
    elif _MEDIA & {str(part.get(key)).split("/")[0] for key in _MEDIA_KEYS}:
        said.append(f"<{str(part.get('mediaType') or part.get('modality') or name).split('/')[0]}>")


def _read_invocation(builder: Builder, item: dict[str, Any]) -> None:
    """A call with its result, as far as it has one."""
    builder.call(_name_of(item), _first(item, "args", "input", "arguments"), _id_of(item))
    result = _first(item, "result", "output", "errorText")
    if result is not None:
        builder.result(as_text(result), _id_of(item))


def _name_of(part: dict[str, Any]) -> Any:
    return _first(part, "toolName", "tool_name", "name")


def _id_of(part: dict[str, Any]) -> Any:
    return _first(part, "toolCallId", "tool_call_id", "id")


def _first(part: dict[str, Any], *names: str) -> Any:
    return next((part[name] for name in names if part.get(name) is not None), None)


def _in_parts(turn: Any) -> dict[str, Any] | None:
    """The turn as {"role", "parts"}; None where it is of no such framework."""
    if type(turn) is not dict:
        return None
    return next((told for read in _FRAMEWORKS if (told := read(turn)) is not None), None)


def _llama_index(turn: dict[str, Any]) -> dict[str, Any] | None:
    blocks = turn.get("blocks")
    if not isinstance(blocks, list) or "role" not in turn:
        return None
    parts = [_block(block) for block in _objects(blocks)]
    beside = turn.get("additional_kwargs")
    beside = beside if isinstance(beside, dict) else {}
    if turn["role"] in ("tool", "function"):
        text = "\n".join(as_text(part.get("text")) for part in parts)
        return {"role": "tool", "parts": [_result(text, beside.get("tool_call_id"), beside.get("name"))]}
    if not any(part["type"] == "tool-call" for part in parts):
        parts += [_call(*call_of(item)) for item in _objects(beside.get("tool_calls"))]
    return {"role": turn["role"], "parts": parts}


def _block(block: Part) -> Part:
    kind = block.get("block_type", "text")
    if kind == "tool_call":
        return _call(block.get("tool_name"), block.get("tool_kwargs"), block.get("tool_call_id"))
    if kind == "thinking":
        return {"type": "reasoning", "text": as_text(block.get("content"))}
    return {**block, "type": kind}


def _haystack(turn: dict[str, Any]) -> dict[str, Any] | None:
    parts = turn.get("_content", turn.get("content"))
    if not isinstance(parts, list) or not all(isinstance(part, dict) and "type" not in part for part in parts):
        return None
    if "_role" not in turn and not any(not _HAYSTACK.isdisjoint(part) for part in parts):
        return None
    return {"role": turn.get("_role", turn.get("role")), "parts": [_keyed(part) for part in parts]}


def _keyed(part: Part) -> Part:
    """A part whose only key says what it is."""
    held = next(iter(part.values()), None)
    if not isinstance(held, dict):
        return {"type": "text", "text": as_text(held)}
    if "tool_call" in part:
        return _call(held.get("tool_name"), held.get("arguments"), held.get("id"))
    if "tool_call_result" in part:
        origin = held.get("origin")
        origin = origin if isinstance(origin, dict) else {}
        return _result(held.get("result"), origin.get("id"), origin.get("tool_name"))
    if "reasoning" in part:
        return {"type": "reasoning", "text": as_text(held.get("reasoning_text"))}
    return {"type": next(iter(part))}


def _semantic_kernel(turn: dict[str, Any]) -> dict[str, Any] | None:
    items = turn.get("items", turn.get("Items"))
    role = turn.get("role", turn.get("Role"))
    if not isinstance(items, list) or role is None:
        return None
    if not all(isinstance(item, dict) and ("content_type" in item or "$type" in item) for item in items):
        return None
    named = role.get("Label", role.get("label")) if isinstance(role, dict) else role
    return {"role": str(named), "parts": [_item(item) for item in items]}


def _item(item: Part) -> Part:
    kind = str(item.get("content_type", item.get("$type"))).replace("_", "").removesuffix("Content").lower()
    held = {key[:1].lower() + key[1:]: value for key, value in item.items()}
    # As the model is given it: the plugin's name before the function's.
    plugin, function = held.get("pluginName"), held.get("functionName")
    name = held.get("name") or (f"{plugin}-{function}" if plugin and function else function)
    if kind == "functioncall":
        return _call(name, held.get("arguments"), held.get("id"))
    if kind == "functionresult":
        return _result(held.get("result"), held.get("callId") or held.get("id"), name)
    return {"type": kind, "text": as_text(held.get("text"))} if kind in ("text", "reasoning") else {"type": kind}


def _fastgpt(turn: dict[str, Any]) -> dict[str, Any] | None:
    role, value = _FASTGPT.get(str(turn.get("obj"))), turn.get("value")
    if role is None:
        return None
    parts: list[Part] = []
    for item in _objects(value) if isinstance(value, list) else [{"text": {"content": as_text(value)}}]:
        for key, kind in (("reasoning", "reasoning"), ("text", "text")):
            if isinstance(item.get(key), dict):
                parts.append({"type": kind, "text": as_text(item[key].get("content"))})
        for tool in _objects(item.get("tools")):
            name = tool.get("functionName") or tool.get("toolName")
            parts.append(_answered(name, tool.get("params"), tool.get("response"), tool.get("id")))
    return {"role": role, "parts": parts}


def _opencode(turn: dict[str, Any]) -> dict[str, Any] | None:
    info, parts = turn.get("info"), turn.get("parts")
    if not isinstance(info, dict) or "role" not in info or not isinstance(parts, list):
        return None
    kept = [part for part in parts if isinstance(part, dict) and not part.get("ignored")]
    return {"role": info["role"], "parts": [_tool_state(part) if part.get("type") == "tool" else part for part in kept]}


def _tool_state(part: Part) -> Part:
    state = part.get("state")
    state = state if isinstance(state, dict) else {}
    result = state.get("output", state.get("error"))
    return _answered(part.get("tool"), state.get("input"), result, part.get("callID"))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _call(name: Any, arguments: Any, id: Any) -> Part:
    return {"type": "tool-call", "name": name, "arguments": arguments, "id": id}


def _result(content: Any, id: Any, name: Any) -> Part:
    return {"type": "tool-result", "content": as_text(content), "id": id, "name": name}


def _answered(name: Any, arguments: Any, result: Any, id: Any) -> Part:
    return {"type": "dynamic-tool", "name": name, "arguments": arguments, "output": result, "id": id}


_FRAMEWORKS: tuple[Callable[[dict[str, Any]], dict[str, Any] | None], ...] = (
    *(_llama_index, _haystack, _semantic_kernel, _fastgpt, _opencode),
)
