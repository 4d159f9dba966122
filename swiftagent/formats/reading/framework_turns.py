"""Turns as agent frameworks keep them, in the typed parts that Vercel's AI SDK and OpenTelemetry have.

LlamaIndex (`blocks` of ChatMessage), Haystack (`ChatMessage.to_dict`, of 2.9 with `_content`), Semantic Kernel
(`items` of ChatMessageContent, in Python and in C#), FastGPT (`obj` and `value`), opencode (`info` and `parts`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swiftagent.formats.reading.builder import as_text
from swiftagent.formats.reading.calls import call_of

Part = dict[str, Any]
_HAYSTACK = frozenset(("tool_call", "tool_call_result", "reasoning"))
_FASTGPT = {"Human": "user", "AI": "assistant", "System": "system"}


def told_in_parts(turn: Any) -> dict[str, Any] | None:
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
