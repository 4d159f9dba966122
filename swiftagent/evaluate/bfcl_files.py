"""BFCL's files as gold: questions, functions and accepted answers become decision points; results become
predictions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.agent.native import holds_mark
from swiftagent.errors import RowError, SetupError, at, reason_in
from swiftagent.formats.reading.calls import calls_of
from swiftagent.formats.reading.python_calls import looks_like_calls, python_calls
from swiftagent.formats.reading.tools import read_tools
from swiftagent.io import jsonl
from swiftagent.io.jsonl import BadRow, Row
from swiftagent.io.rows import read_rows
from swiftagent.scores.bfcl import REFEREE, Item, read_item
from swiftagent.scores.calls import Attempt, Predicted
from swiftagent.scores.reading import predicted_from_native, predicted_from_text
from swiftagent.trajectory.react_scan import sections
from swiftagent.trajectory.read_loose import read_arguments, read_loose
from swiftagent.trajectory.types import Call, Event, Json, Question, System, Trajectory

FENCED = re.compile(r"\A\s*```\w*\s*\n(.*?)```\s*\Z", re.S)
_ONE_CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)", re.S)


class Verdict(msgspec.Struct, frozen=True):
    """bfcl-eval's verdict on one prediction; `valid` is None where it crashed on it."""

    id: str
    valid: bool | None
    error_type: str = ""


def ask_bfcl_eval(python: str, predictions: Iterable[tuple[Item, Sequence[Attempt]]]) -> list[Verdict]:
    """Verdicts of the real bfcl-eval, run in the environment of this Python. Raises SetupError where it cannot.

    Text-ReAct, for which BFCL has no handler, is read before: attempts are what `predicted_from_text` made of it.
    """
    rows = [
        msgspec.to_builtins(item) | {"category": item.kind, "calls": [{made.tool: made.arguments} for made in attempts]}
        for item, attempts in predictions
    ]
    lines = b"\n".join(map(jsonl.encode, rows))
    try:
        done = subprocess.run([python, str(REFEREE)], input=lines, capture_output=True, check=False)
    except OSError as error:
        raise SetupError(f"{python}: cannot be run: {error.strerror or error}") from None
    if done.returncode:
        last = reason_in(done.stderr.decode(errors="replace")) or "it wrote nothing"
        raise SetupError(
            f"{python}: bfcl-eval did not run: {last}; make it with `{python} -m pip install --no-deps bfcl-eval`"
        )
    return [msgspec.json.decode(line, type=Verdict) for line in done.stdout.splitlines()]


def is_bfcl(value: Any) -> bool:
    return isinstance(value, dict) and {"id", "question", "function"} <= value.keys()


def answers_beside(path: Path) -> Path:
    """The file of accepted answers of a BFCL question file. Raises SetupError naming the places looked at."""
    places = [path.with_name(f"{path.stem}_answer{path.suffix}"), path.parent / "possible_answer" / path.name]
    for place in places:
        if place.is_file():
            return place
    raise SetupError(
        f"{path}: BFCL questions, but no accepted answers beside them: neither {places[0]} nor {places[1]}"
    )


def read_bfcl(path: Path) -> tuple[list[Trajectory], dict[str, Item]]:
    """Gold trajectories (the first accepted value of each parameter) and, by row id, BFCL's items.

    Raises RowError for a row that is broken, and where questions and answers do not belong together.
    """
    answers = {row.value.get("id"): row.value.get("ground_truth") for row in _objects(answers_beside(path))}
    rows, items = [], {}
    for question in _objects(path):
        with at(question.where):
            name = question.value.get("id")
            if name not in answers:
                raise RowError("no-gold-call", f"no accepted answer for {name!r}")
            items[str(name)] = read_item(question.value, answers[name])
            rows.append(_trajectory(items[str(name)], question))
    return rows, items


def _objects(path: Path) -> Iterator[Row]:
    for row in read_rows(str(path)):
        with at(row.where):
            if isinstance(row, BadRow):
                raise row.error
            if not isinstance(row.value, dict):
                raise RowError("bad-message", "a row of BFCL is a JSON object")
            yield row


def _trajectory(item: Item, row: Row) -> Trajectory:
    turns = row.value["question"]
    if not isinstance(turns, list) or len(turns) != 1:
        raise RowError(
            "several-turns", "BFCL's multi-turn items need their simulated programs; only single-turn items are scored"
        )
    kinds = {"system": System}
    events: list[Event] = [kinds.get(message["role"], Question)(message["content"]) for message in turns[0]]
    for number, answer in enumerate(item.answers):
        for name, accepted in answer.items():
            arguments = {key: _first(values[0]) for key, values in accepted.items() if values and values[0] != ""}
            events.append(Call(name, arguments, f"c{number}"))
    return Trajectory(tuple(events), read_tools(item.functions)[0], item.id, row.where)


def _first(value: Json) -> Json:
    """BFCL writes accepted values inside dicts as lists too."""
    if isinstance(value, dict):
        listed = {key: values for key, values in value.items() if isinstance(values, list) and values}
        return {key: _first(values[0]) for key, values in listed.items() if values[0] != ""}
    return [_first(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value


def predicted_from_result(result: Json) -> Predicted:
    """A `result` of BFCL: text-ReAct, calls in any family's marks, `[f(a=1)]`, or calls as JSON; a code fence around it
    is left out."""
    if isinstance(result, str) and sections(result):
        return predicted_from_text(result)
    if isinstance(result, str) and holds_mark(result):
        return predicted_from_native(result)
    try:
        calls = _calls_in(result)
    except RowError:
        return Predicted(answer=result if isinstance(result, str) and result.strip() else None, text=str(result))
    return Predicted(tuple(_attempts(calls)), text=result if isinstance(result, str) else jsonl.encode(result).decode())


def _calls_in(result: Json) -> list[tuple[Any, Any, Any]]:
    if isinstance(result, str):
        text = FENCED.sub(r"\1", result).strip()
        if looks_like_calls(text) or _ONE_CALL.fullmatch(text):
            return [(name, arguments, None) for name, arguments in python_calls(text)]
        result = read_loose(text)[0] if text[:1] in ("[", "{") else text
    # [{function: arguments}], where arguments may be JSON text: what BFCL's own handlers write.
    if isinstance(result, list) and result and all(isinstance(item, dict) and len(item) == 1 for item in result):
        return [(name, arguments, None) for item in result for name, arguments in item.items()]
    return calls_of(result)[0]


def _attempts(calls: Iterable[tuple[Any, Any, Any]]) -> Iterable[Attempt]:
    for name, arguments, _ in calls:
        try:
            yield Attempt(str(name), read_arguments(arguments)[0])
        except RowError:
            yield Attempt(str(name), parsed=False)
