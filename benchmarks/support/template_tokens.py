"""The control tokens of every chat template and agent template of the installed ms-swift, read from ms-swift itself."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_PARTS = ("prefix", "prompt", "chat_sep", "suffix", "system_prefix", "stop_words")
_THINKING = ("thinking_prefix", "non_thinking_prefix", "history_thinking_prefix")
_TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "d",
        "parameters": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    },
}
_CALLS = [{"role": "tool_call", "content": json.dumps({"name": "f", "arguments": {"a": "x"}})}] * 2
_RESULTS = [{"role": "tool", "content": "out", "name": "f"}] * 2
# MiniMax writes its namespace before ordinary tags, so a tag behind it needs no place in the table.
_NAMESPACE = re.compile(r"(\]<\]minimax\[>\[)</?[^<>]*>")
_TOKEN = re.compile(
    r"<<?/?[^<>\\\s\"'`={}]{1,64}>>?|<[a-z]+=|<[a-z]+ name=|\[\|?/?[^\[\]\s\"'`,{}]{1,40}\]"
    r"|\][~<\]!a-z]+\[(?:>\[)?|\[e~\[|\]~b\]|\|\|\|[^|\s]+\|\|\||｜[^｜<>\s]+｜"
)
# Of what is prose (the default system prompt, the description of tools, a template's code) only what no prose has.
_SPECIAL = re.compile(r"[|｜]|[a-z]:[a-z]|^\[/?[A-Z_]{3,}\]$|_(?:pad|patch|start|end|of)_?|CONTEXT")
# Tags of a question that a classifier is asked.
_PROSE_TEMPLATES = ("yufeng_xguard", "qwen3_guard")


def template_tokens() -> dict[str, str]:
    """token: the template that has it."""
    found: dict[str, str] = {}
    for name, text in _texts():
        found |= {token: name for token in _tokens(text) if token not in found}
    for name, text in _prose():
        found |= {token: name for token in _tokens(text) if token not in found and _SPECIAL.search(token)}
    return found


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(_NAMESPACE.sub(r"\1", text))


def _texts() -> Iterator[tuple[str, str]]:
    from swift.agent_template import agent_template_map
    from swift.template import TEMPLATE_MAPPING

    for name, meta in TEMPLATE_MAPPING.items():
        if name not in _PROSE_TEMPLATES:
            yield from ((name, text) for part in (*_PARTS, *_THINKING) for text in _flat(getattr(meta, part, None)))
    for name, kind in agent_template_map.items():
        for written in _of_agent(kind()):
            yield from ((name, text) for text in _flat(written))


def _of_agent(template: Any) -> Iterator[Any]:
    calls = template._format_tool_calls(_CALLS)
    yield calls
    with contextlib.suppress(ValueError):  # it needs the chat template that goes with it
        yield template._format_tool_responses(calls, _RESULTS)
    with contextlib.suppress(NotImplementedError):
        yield template._format_standalone_tool_responses(_RESULTS)


def _prose() -> Iterator[tuple[str, str]]:
    import swift.agent_template
    import swift.template.templates
    from swift.agent_template import agent_template_map
    from swift.template import TEMPLATE_MAPPING

    for name, meta in TEMPLATE_MAPPING.items():
        yield from ((name, text) for text in _flat([meta.default_system, meta.prompt]))
    for name, kind in agent_template_map.items():
        yield name, kind()._format_tools([_TOOL], "", {"role": "user", "content": "q"})
    for package in (swift.template.templates, swift.agent_template):
        for path in sorted(Path(package.__path__[0]).glob("*.py")):
            yield from ((path.name, text) for text in _constants(path))


def _constants(path: Path) -> Iterable[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _flat(inner)
