"""Calls of declared tools as settings of other servers: a structural tag (vLLM, SGLang) and a GBNF (llama.cpp).

Both hold from the opening of a call to its end and leave all other text free, as `swiftagent serve` does with
llguidance. Names and spelling are those of the training records.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swiftagent.agent.sampling import HERMES, REACT_FRAME, CallFrame
from swiftagent.errors import SetupError
from swiftagent.io.jsonl import write_json
from swiftagent.trajectory.types import Tool

# Any JSON, spelled as records are: `, ` and `: `, and no other white space.
_JSON = r"""
value ::= object | array | string | number | boolean | null
object ::= "{" (string ": " value (", " string ": " value)*)? "}"
array ::= "[" (value (", " value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F]))* "\""
number ::= integer ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
integer ::= "-"? ("0" | [1-9] [0-9]*)
boolean ::= "true" | "false"
null ::= "null"
"""
_NAMED = {"string", "number", "integer", "boolean", "null"}
_COMMA = '", "'
# llama.cpp's COMMON_GRAMMAR_TRIGGER_TYPE_WORD.
_WORD_TRIGGER = 1


def frame_of(react: bool, agent_template: str) -> CallFrame:
    """The text around a model's calls. Raises SetupError for native calls that are not of the hermes kind."""
    if not react and agent_template != "hermes":
        raise SetupError(f"calls of the agent template {agent_template} have no grammar here; use `swiftagent serve`")
    return REACT_FRAME if react else HERMES


def write_grammars(tools: tuple[Tool, ...], frame: CallFrame, out: Path) -> dict[str, str]:
    """Write what a request of each server takes beside its messages, as JSON files in `out`; {server: file}."""
    tag = {"response_format": structural_tag(tools, frame)}
    trigger = {"type": _WORD_TRIGGER, "value": frame.trigger}
    lazy = {"grammar": gbnf(tools, frame), "grammar_lazy": True, "grammar_triggers": [trigger]}
    files = {"vLLM, SGLang": ("structural_tag.json", tag), "llama.cpp": ("llama_cpp.json", lazy)}
    for name, fields in files.values():
        write_json(out / name, fields)
    return {server: name for server, (name, _) in files.items()}


def structural_tag(tools: tuple[Tool, ...], frame: CallFrame) -> dict[str, Any]:
    """A `response_format`, in the form that vLLM and SGLang both take (xgrammar and llguidance behind them)."""
    closed = {"additionalProperties": False}
    structures = [dict(begin=frame.head(t.name), schema={**closed, **t.parameters}, end=frame.closing) for t in tools]
    return {"type": "structural_tag", "structures": structures, "triggers": [frame.trigger]}


def gbnf(tools: tuple[Tool, ...], frame: CallFrame) -> str:
    """A grammar whose root is one call, for a lazy grammar that begins with the trigger. Patterns, lengths, ranges and
    references are not in it: `swiftagent serve` checks those."""
    closing = _text(frame.closing)
    calls = [f"{_text(frame.head(tool.name))} {_object(tool.parameters)} {closing}" for tool in tools]
    return f"root ::= {' | '.join(calls)}{_JSON}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _object(schema: dict[str, Any]) -> str:
    properties = schema.get("properties")
    if not properties:
        return '"{}"' if "properties" in schema or not schema else "object"
    required = schema.get("required") or ()
    members = [(f"{_text(_text(name) + ': ')} {_value(each)}", name in required) for name, each in properties.items()]
    return f'"{{" {_members(members, "")} "}}"'


def _members(members: list[tuple[str, bool]], comma: str) -> str:
    """Members in their order, those that are not required left out or not; comma: what stands before the first."""
    if not members:
        return '""'
    (member, is_required), rest = members[0], members[1:]
    written = f"{comma} {member} {_members(rest, _COMMA)}"
    if is_required:
        return written
    # Behind a member it matters no more whether this one is there; before any, the next comma depends on it.
    return f"({comma} {member})? {_members(rest, comma)}" if comma else f"({written} | {_members(rest, '')})"


def _value(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    # Free JSON is always a superset: the tool checks its arguments once more.
    if not isinstance(schema, dict) or "$ref" in schema or "allOf" in schema:
        return "value"
    if literals := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return f"({' | '.join(_text(json.dumps(each, ensure_ascii=False)) for each in literals)})"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options or isinstance(kind, list):
        each = [_value(option) for option in options or ({**schema, "type": one} for one in kind or ())]
        return f"({' | '.join(each)})"
    if kind == "array":
        item = _value(schema.get("items"))
        return f'"[" ({item} (", " {item})*)? "]"'
    if kind == "object":
        return _object(schema)
    return str(kind) if kind in _NAMED else "value"
