"""The value after `Action Input:` as models write it: JSON, fenced JSON, a Python literal, or bare text."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

from swiftagent.io.jsonl import without_surrogates
from swiftagent.trajectory.escape import parse_json_text, show_control_tokens

_FENCE = re.compile(r"\s*```[\w-]*[ \t]*\n?")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_BRACKET_OR_STRING = re.compile(r"""[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|["']""", re.S)
_CLOSES = {"{": "}", "[": "]"}
_read_json = json.JSONDecoder().raw_decode
_PYTHON_NAMES = {"true": True, "false": False, "null": None}


def closing_index(text: str, at: int) -> int | None:
    """The index after the JSON (or Python literal) that starts at `at`. -1: it is still open. None: none starts there.

    Brackets inside strings do not count; a string may be in either quote.
    """
    start = _value_start(text, at)
    if start >= len(text) or text[start] not in _CLOSES:
        return None
    try:
        return _read_json(text, start)[1]  # of valid JSON the same index, in a third of the time
    except (ValueError, RecursionError):
        pass
    depth: list[str] = []
    for found in _BRACKET_OR_STRING.finditer(text, start):
        letter = text[found.start()]
        if letter in _CLOSES:
            depth.append(_CLOSES[letter])
        elif letter in "}]":
            if letter != depth.pop():
                return -1
            if not depth:
                return found.end()
        elif found.end() == found.start() + 1:
            return -1  # a quote that nothing closes
    return -1


def _value_start(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    fence = _FENCE.match(text, at)
    at = fence.end() if fence else at
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def read_action_input(text: str) -> tuple[Any, list[str], str]:
    """(the value, how it strayed, what is wrong with it). The last is empty where the value could be read."""
    start = _value_start(text, 0)
    notes = ["fenced"] if "```" in text[:start] else []
    body = text[start:].strip()
    if not body or body == "```":
        return {}, notes, ""
    if body[0] not in _CLOSES:
        return _bare_value(body, notes)
    closed = closing_index(text, 0)
    literal = text[start:closed] if closed is not None and closed > 0 else _before_fence(body)
    rest = text[closed:] if closed is not None and closed > 0 else ""
    if rest.strip().strip("`*").strip():
        notes.append("trailing-text")
    value, found, problem = _parse(literal)
    return value, notes + found, problem


def _bare_value(body: str, notes: list[str]) -> tuple[Any, list[str], str]:
    """A string, a number or bare text. A text action is {"input": text}; JSON encoded twice is decoded twice."""
    body = _before_fence(body)
    try:
        value = parse_json_text(body)
    except (ValueError, RecursionError):
        return {"input": show_control_tokens(without_surrogates(body))}, [*notes, "text-input"], ""
    if isinstance(value, str):
        if value.lstrip().startswith("{"):
            inner, found, problem = _parse(value)
            if not problem and isinstance(inner, dict):
                return inner, [*notes, "encoded-twice", *found], ""
        return {"input": without_surrogates(value)}, [*notes, "text-input"], ""
    if value is None:
        return {}, notes, ""
    return value, notes, ""


def keyword_arguments(text: str) -> dict[str, Any] | None:
    """`a=1, b='x'` as an object; None where it is anything but names with literals."""
    try:
        call = _parsed(f"f({text})").body
        if not isinstance(call, ast.Call) or call.args or not call.keywords:
            return None
        value = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        found: dict[str, Any] = _json_value(value)
        return found if len(found) == len(call.keywords) else None
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _before_fence(body: str) -> str:
    return body.partition("\n```")[0].strip()


def _parse(literal: str) -> tuple[Any, list[str], str]:
    problem = ""
    try:
        return _json_value(parse_json_text(literal)), [], ""
    except RecursionError:
        return None, ["broken-json"], "it is nested too deeply"
    except ValueError as error:
        problem = str(error)
    try:
        return _json_value(json.loads(_TRAILING_COMMA.sub(r"\1", literal), strict=False)), ["loose-json"], ""
    except (ValueError, RecursionError):
        pass
    try:
        return _json_value(_python_literal(literal)), ["python-literal"], ""
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None, ["broken-json"], f"it is not JSON ({problem})"


def _python_literal(text: str) -> Any:
    """A Python literal with true, false and null among its names. Raises ValueError or SyntaxError for anything
    else."""
    tree = _parsed(text.strip())

    class Names(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            if node.id not in _PYTHON_NAMES:
                raise ValueError(f"{node.id} is no literal")
            return ast.copy_location(ast.Constant(_PYTHON_NAMES[node.id]), node)

    return ast.literal_eval(Names().visit(tree))


def _parsed(text: str) -> ast.Expression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" is told as a SyntaxWarning, in the middle of what the model says
        return ast.parse(text, mode="eval")


def _json_value(value: Any) -> Any:
    """The value if it is JSON: tuples become lists, lone surrogates U+FFFD. Raises ValueError or TypeError for any
    other."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return without_surrogates(json.loads(text))
