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
        code = "".join(f"\n\0{''.join(cell['source'])}" for cell in cells)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{name}: no notebook that can be read: {error!r}") from None
    if "!swift" in code or "!llamafactory" in code:
        return re.sub(r"(?m)^\s*[!%]+(?:env\b|bash)?", "", code.replace("\0", ""))
    code = re.sub(r"\0%%(?:bash|sh|script|html|writefile)[^\0]*", "", code).replace("\0", "")
    return re.sub(r"(?m)^([ \t]*)[!%](?:.*\\\n)*.*", r"\1pass", code)


def calls_and_settings(text: str, name: str, calls: Mapping[str, ScriptCall]) -> tuple[set[str], dict[str, Any]]:
    """The names of what a script calls, and the settings of those calls that the table knows. Raises ConfigError."""
    try:
        tree = ast.parse(text)
        made = list(_calls_of(tree))
        called = [f".{ast.unparse(call.func)}".split(".") for call in made]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{name}: not Python that can be read: {error}") from None
    known: dict[str, Any] = {}
    for word, node in _written(tree):
        value = _literal(node, known)
        known[word] = value if known.get(word) in (None, value) else Unset(f"{known[word]} or {value}"[:80])
    settings: dict[str, Any] = {}
    is_fast = any(owner.startswith("Fast") for *_, owner, _ in called)
    for (*_, owner, word), call in zip(called, made, strict=True):
        loads, found = word == "from_pretrained", dict(_of_call(call, calls[word], known) if word in calls else ())
        if isinstance(found.get("model"), Unset):
            del found["model"]
        # What is named first is trained; another model beside it is a part of it, or what was trained, tried out.
        is_other = settings.get("model", found.get("model")) != found.get("model", settings.get("model"))
        if loads and (is_other or (is_fast and not re.match("Fast|Peft", owner))):
            continue
        if settings.get("dataset", found.get("dataset")) != found.get("dataset", settings.get("dataset")):
            found["dataset"] = Unset("several are loaded")
        settings = found | settings if loads else settings | found
    return {word for *_, word in called}, settings


def _written(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """What a script writes out under a name: of a variable, a field, a parameter or an option."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                yield name, value
            case ast.arguments(args=parameters, defaults=[_, *_] as values):
                yield from zip([one.arg for one in parameters[-len(values) :]], values, strict=True)
            case ast.Call(ast.Attribute(attr="add_argument"), [*_, ast.Constant(str(option))], keywords):
                name = option.lstrip("-").replace("-", "_")
                yield from ((name, word.value) for word in keywords if word.arg == "default")


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
        given = _literal(word.value, known)
        many = given if isinstance(given, dict) else {f"**{ast.unparse(word.value)}"[:40]: given}
        yield from ((read.renamed.get(key, key), one) for key, one in ({word.arg: given} if word.arg else many).items())


def _literal(node: ast.expr, known: dict[str, Any]) -> Any:
    """A value that is written out, there or under a name."""
    match node:
        case ast.Attribute(ast.Name("torch"), name):
            return name
        case ast.Name(name) | ast.Attribute(attr=name) if name in known:
            return known[name]
        case ast.Subscript(table, ast.Constant(key)) if isinstance(known_table := _literal(table, known), dict):
            return known_table.get(key, Unset(ast.unparse(node)))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return worked_out(node) or Unset(ast.unparse(node))
