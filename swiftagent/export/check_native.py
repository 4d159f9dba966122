"""The same prompt everywhere, for models trained on native calls: rows with `tools`, `tool_call` and
`tool_response`."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import Any

from jinja2 import TemplateError

from swiftagent.backend.template import Trainer
from swiftagent.export.check import CONVERSATIONS, Compared, chat_of, compare_go, go_json
from swiftagent.export.templates import Turns
from swiftagent.export.tokens import first_difference
from swiftagent.formats.readers.openai import parse_turns
from swiftagent.trajectory.escape import JOINER
from swiftagent.trajectory.record import Record
from swiftagent.trajectory.types import Trajectory


def check_native_template(trainer: Trainer, template: str, rows: list[Record]) -> Compared:
    """Render native rows (`tools`, `tool_call`, `tool_response`) through a Jinja chat template, and compare the ids."""
    compared = Compared("chat template")
    left_out: Counter[str] = Counter()
    for number, row in enumerate(rows):
        if compared.conversations == CONVERSATIONS:
            break
        chat = _native_chat(row, left_out)
        if chat is None:
            continue
        try:
            rendered = trainer.tokenizer.apply_chat_template(
                chat["messages"], tools=chat["tools"] or None, chat_template=template, tokenize=True, return_dict=False
            )
        except TemplateError as error:
            left_out[f"refused by the chat template: {error}"] += 1
            continue
        difference = first_difference(_name(row, number), native_ids(trainer, row), list(rendered), trainer.tokenizer)
        compared.conversations += 1
        compared.differences += [difference] if difference else []
    compared.left_out = dict(left_out)
    return compared


def check_go_hermes(turns: Turns, template: str, rows: list[Record], before: str, after: str) -> Compared | None:
    """Execute a Modelfile's template for hermes calls with Go itself; None where there is no Go here."""
    if not shutil.which("go"):
        return None
    left_out: Counter[str] = Counter()
    kept: list[tuple[str, Trajectory, str]] = []
    for number, row in enumerate(rows):
        chat = _native_chat(row, left_out) if len(kept) < CONVERSATIONS else None
        if chat is not None:
            kept.append((_name(row, number), parse_turns(row), hermes_text(chat, turns, before, after)))
    return compare_go(template, kept, left_out)


def hermes_text(chat: dict[str, Any], turns: Turns, before: str, after: str) -> str:
    """What ms-swift trains on for hermes calls, up to the last end token, with tools and arguments as Ollama writes
    them."""
    own = "\n\n".join(message["content"] for message in chat["messages"] if message["role"] == "system")
    tools = "\n".join(go_json(_ollama_tool(tool), sort=False) for tool in chat["tools"])
    system = (own or turns.default_system) + (before + tools + after if chat["tools"] else "")
    text = turns.system_open + system + turns.system_close if system else ""
    messages = [message for message in chat["messages"] if message["role"] != "system"]
    for number, message in enumerate(messages):
        last, following = messages[number - 1]["role"] if number else "", messages[number + 1 :][:1]
        if message["role"] == "user":
            text += (turns.between if number else "") + turns.user_open + message["content"] + turns.user_close
        elif message["role"] == "tool":
            text += "\n" if last == "tool" else turns.between + turns.user_open
            text += f"<tool_response>\n{message['content']}\n</tool_response>"
            text += "" if following and following[0]["role"] == "tool" else turns.user_close
        else:
            thought = message.get("reasoning_content")
            text += (f"<think>\n{thought}\n</think>\n\n" if thought else "") + (message.get("content") or "")
            calls = [call["function"] for call in message.get("tool_calls") or []]
            written = (f'{{"name": {json.dumps(f["name"])}, "arguments": {go_json(f["arguments"])}}}' for f in calls)
            text += "\n" if calls and message.get("content") else ""
            text += "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in written)
    return text


def _native_chat(row: Record, left_out: Counter[str]) -> dict[str, Any] | None:
    """The row as a chat client sends it; None, and a reason counted, where a template cannot write it as training
    did."""
    chat = chat_of(parse_turns(row))
    calls = [call["function"] for message in chat["messages"] for call in message.get("tool_calls") or []]
    _rename_calls(chat["messages"])
    reason = ""
    if JOINER in json.dumps(row, ensure_ascii=False) or "\\u003c" in json.dumps(row, ensure_ascii=False):
        reason = "control tokens in a text"
    elif not all(isinstance(call["arguments"], dict) for call in calls):
        reason = "arguments that are no object"
    if reason:
        left_out[reason] += 1
    return None if reason else chat


def _rename_calls(messages: list[dict[str, Any]]) -> None:
    """Call ids of nine letters and digits, since Mistral's template takes no other."""
    for message in messages:
        for call in message.get("tool_calls") or []:
            call["id"] = f"call{int(call['id'][1:]):05d}"
        if message["role"] == "tool":
            message["tool_call_id"] = f"call{int(message['tool_call_id'][1:]):05d}"


def native_ids(trainer: Trainer, row: Record) -> list[int]:
    """The token ids of a whole native row, as training sees them."""
    return list(
        trainer.template.encode({"messages": [dict(m) for m in row["messages"]], "tools": row["tools"]})["input_ids"]
    )


def _name(row: Record, number: int) -> str:
    return str(row.get("id") or f"row {number + 1}")


def _ollama_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as Ollama keeps it: its own fields in its own order, properties sorted by name."""
    function = tool["function"]
    given = function.get("parameters") or {}
    required = {"required": given["required"]} if given.get("required") else {}
    named = given.get("properties")
    properties = None if named is None else {name: _ollama_property(one) for name, one in sorted(named.items())}
    parameters = {"type": given.get("type", ""), **required, "properties": properties}
    kept = {"name": function["name"], "description": function.get("description") or "", "parameters": parameters}
    return {"type": "function", "function": kept}


def _ollama_property(one: dict[str, Any]) -> dict[str, Any]:
    kept = {name: one[name] for name in ("anyOf", "type", "items", "description", "enum") if one.get(name)}
    if one.get("properties"):
        kept["properties"] = {name: _ollama_property(inner) for name, inner in sorted(one["properties"].items())}
    if one.get("required"):
        kept["required"] = one["required"]
    if "items" in kept:
        kept["items"] = json.loads(json.dumps(kept["items"], sort_keys=True))
    return kept
