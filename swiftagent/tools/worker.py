"""The process that runs a user's tool file: functions are listed, then called, one JSON line each way.

It is a process of its own so that an endless loop, a crash or a memory leak ends a call and not the run. Its pipes are
moved before the file is imported, so nothing that the file prints can be taken for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import io
import json
import os
import resource
import sys
import traceback
import typing
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swiftagent.tools.function_schema import describe, hints_of, python_name, to_python

LONGEST_OUTPUT = 100_000


def main(path: str, memory: int) -> None:
    """Serve the functions of one file until the pipe closes."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    functions, problem = _import(path)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    tools = [describe(function, name) for name, function in functions.items()]
    _write(answers, {"tools": tools, "problem": problem})
    served_by = os.getpid()
    for line in requests:
        request = json.loads(line)
        answer = _call(functions[request["tool"]], request["arguments"])
        # A fork of the tool that came back: one process answers, and it is not this one.
        if os.getpid() != served_by:
            os._exit(0)
        _write(answers, answer)


def _write(answers: typing.TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value, ensure_ascii=True, default=str) + "\n")
    answers.flush()


def _import(path: str) -> tuple[dict[str, Callable[..., Any]], str]:
    file = Path(path)
    sys.path.insert(0, str(file.parent.resolve()))
    sys.argv = [path]
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            spec.loader.exec_module(module)
    # Whatever the file raises is reported to the user, with its line.
    except BaseException as error:
        return {}, _described(error, path)
    named = getattr(module, "__all__", None) or ()
    names = named or [name for name in vars(module) if not name.startswith("_")]
    functions = {name: function for name in names if inspect.isfunction(function := getattr(module, name, None))}
    return {name: each for name, each in functions.items() if name in named or each.__module__ == file.stem}, ""


def _described(error: BaseException, path: str) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename.endswith(Path(path).name)]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    return f"{type(error).__name__}: {error}" + (f" (line {line})" if line else "")


def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    printed = io.StringIO()
    answer: dict[str, Any] = {}
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            hints = hints_of(function)
            given = {python_name(name): value for name, value in arguments.items()}
            values = {name: to_python(value, hints.get(name, Any)) for name, value in given.items()}
            value = _apply(function, values)
            if inspect.isgenerator(value):
                value = list(value)
            elif inspect.isawaitable(value) or inspect.isasyncgen(value):
                value = asyncio.run(_awaited(value))
            answer["value"] = _as_json(value)
    # Whatever a tool raises is the model's to see.
    except BaseException as error:
        answer["error"] = f"{type(error).__name__}: {error}".removesuffix(": ")
    return {**answer, "printed": printed.getvalue()[-LONGEST_OUTPUT:]}


def _as_json(value: Any) -> Any:
    """The value where it is JSON, else as Python shows it: the tool has done its work, and the model sees what came of
    it."""
    try:
        json.dumps(value, default=str, allow_nan=True)
    # A key that JSON does not know.
    except TypeError:
        return str(value)
    return value


def _apply(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    signature = inspect.signature(function)
    known = {name: value for name, value in values.items() if name in signature.parameters}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            known[name] = {other: value for other, value in values.items() if other not in known}
    bound = inspect.BoundArguments(signature, OrderedDict(known))
    # Else nothing could stand behind an argument that was left out, such as the first of `*numbers`.
    bound.apply_defaults()
    return function(*bound.args, **bound.kwargs)


async def _awaited(value: Any) -> Any:
    return [each async for each in value] if inspect.isasyncgen(value) else await value
