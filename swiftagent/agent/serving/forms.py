"""Grammars of what a request may be answered with: calls of the declared tools, and answers of a given JSON schema."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from swiftagent.agent.sampling import CallFrame, Form
from swiftagent.trajectory.react import ANSWER_LABEL
from swiftagent.trajectory.types import Tool

# JSON as records have it: `, ` and `: `, and no other white space.
_SPELLING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}


def forms_of(
    tools: tuple[Tool, ...], shape: dict[str, Any] | None, frame: CallFrame | None, prefix: str, steps: bool
) -> tuple[Form, ...]:
    """tools: those that may be called; () for none. shape: the JSON Schema of the answer, None for text. frame: the
    text around a call, None where its form is unknown. prefix: what the text continues. steps: whether an answer stands
    behind a label of ReAct."""
    forms: list[Form] = []
    if tools and frame is not None:
        forms.append(_calls(tools, frame, prefix))
    if shape is not None:
        label = ANSWER_LABEL.strip() if steps else ""
        is_begun = not label or prefix.endswith(label)
        forms.append(Form("" if is_begun else label, _answer(json.dumps(shape), " " if steps else ""), True))
    return tuple(forms)


def _calls(tools: tuple[Tool, ...], frame: CallFrame, prefix: str) -> Form:
    """Calls behind the first word of their opening, or behind a prefix that has begun one."""
    trigger = frame.trigger
    begun = prefix if prefix.startswith(trigger) else trigger
    heads = {frame.head(tool.name): json.dumps(tool.parameters) for tool in tools}
    fitting = [(_text(head.removeprefix(begun)), given) for head, given in heads.items() if head.startswith(begun)]
    rules = [f"c{number}: {rest} %json {_schema(given)}" for number, (rest, given) in enumerate(fitting)]
    names = " | ".join(f"c{number}" for number in range(len(rules)))
    lark = "\n".join([f"start: call {_text(frame.closing)}", f"call: {names}", *rules])
    return Form("" if begun == prefix else trigger, lark)


@lru_cache(maxsize=512)
def _schema(given: str) -> str:
    """The schema of a tool's arguments, spelled for the grammar; any object where the library cannot follow it."""
    schema = json.loads(given) or {"type": "object"}
    if "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    return _followed({**schema, "type": "object"})


@lru_cache(maxsize=512)
def _answer(given: str, before: str) -> str:
    lead = f"{_text(before)} " if before else ""
    return f"start: {lead}%json {_followed(json.loads(given))}"


def _followed(schema: dict[str, Any]) -> str:
    from llguidance import LLMatcher

    spelled = json.dumps({**schema, "x-guidance": _SPELLING}, ensure_ascii=False)
    # A schema that it cannot follow would refuse every token.
    if not LLMatcher.validate_grammar(f"start: %json {spelled}"):
        return spelled
    return json.dumps({"type": "object", "x-guidance": _SPELLING})


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
