"""The keyword values that a Python script or notebook of Unsloth, TRL or ms-swift writes out; it is never run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.train.foreign_shell import Unset, worked_out


class ScriptCall(msgspec.Struct, frozen=True):
    """What the first arguments and the keywords of a call are called here, and whether it is of a training."""

    first: tuple[str, ...] = ()
    renamed: dict[str, str] = {}
    trains: bool = False


def code_of(text: str, name: str) -> str:
    """The code of a notebook, with its shell lines as they are in a shell. Raises ConfigError."""
    try:
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        code = "\n".join("".join(cell["source"]) for cell in cells)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{name}: no notebook that can be read: {error!r}") from None
    return re.sub(r"(?m)^\s*[!%]+(?:env\b|bash)?", "" if "!swift" in code or "!llamafactory" in code else "#", code)


def calls_and_settings(text: str, name: str, calls: Mapping[str, ScriptCall]) -> tuple[set[str], dict[str, Any]]:
    """The names of what a script calls, and the settings of those calls that the table knows. Raises ConfigError."""
    try:
        tree = ast.parse(text)
        made = list(_calls_of(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{name}: not Python that can be read: {error}") from None
    known: dict[str, Any] = {}
    for node in ast.walk(tree):
        variable = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and isinstance(variable, ast.Name):
            known[variable.id] = _literal(node.value, known)
    settings: dict[str, Any] = {}
    called = set()
    for call in made:
        word = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        called.add(word)
        # A tokenizer's from_pretrained names the same model; the first that is named is the one that trains.
        found = dict(_of_call(call, calls[word], known) if word in calls else ())
        first = {key: settings[key] for key in ("model", "dataset") if settings.get(key)}
        if isinstance(first.get("model"), Unset):
            del first["model"]
        if first.get("dataset", found.get("dataset")) != found.get("dataset", first.get("dataset")):
            first["dataset"] = Unset("several are loaded")
        settings |= found | first
    return called, settings


def _calls_of(node: ast.AST) -> Iterator[ast.Call]:
    """Every call in the order of the text, but for what stands under `if False:`."""
    if isinstance(node, ast.Call):
        yield node
    is_off = isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value
    for child in [] if is_off else ast.iter_child_nodes(node):
        yield from _calls_of(child)


def _of_call(call: ast.Call, read: ScriptCall, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in zip(read.first, call.args, strict=False):
        yield key, _literal(value, known)
    for word in call.keywords:
        yield read.renamed.get(word.arg or "", word.arg or ""), _literal(word.value, known)


def _literal(node: ast.expr, known: dict[str, Any]) -> Any:
    """A value that is written out, there or under a name; None for an object that the script makes."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "torch":
        return node.attr
    if isinstance(node, ast.Attribute | ast.Subscript):
        return Unset(ast.unparse(node))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        number = worked_out(node)
        return Unset(ast.unparse(node)) if number is None else number
