"""BFCL's AST match for Python functions: whether calls are among the answers that BFCL accepts.

Follows the verdicts of `bfcl-eval` 2026.3 (benchmarks/bfcl.py compares the two on real items). An answer is written
there as `{function: {parameter: [accepted value, ...]}}`, where "" among the accepted values means that the parameter
may be left out. A value of another type than declared passes only if it is, to the letter, an accepted one (BFCL: "a
variable").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.scores.calls import Attempt

Answer = Mapping[str, Mapping[str, list[Any]]]  # one function's name: its parameters' accepted values
_TYPES = dict(string=str, integer=int, float=float, boolean=bool, array=list, tuple=list, dict=dict, any=str)
REFEREE = Path(__file__).with_name("bfcl_referee.py")  # asks bfcl-eval, where it is installed
_IGNORED = re.compile(r"[ ,./\-_*^]")


class Item(msgspec.Struct, frozen=True):
    """One BFCL question: its functions and, for each call expected, the accepted values. kind: simple, multiple,
    parallel."""

    id: str
    functions: list[dict[str, Any]]
    answers: list[Answer]
    kind: str


def read_item(question: Mapping[str, Any], answers: Any) -> Item:
    """A row of a BFCL question file with the `ground_truth` of its row of `possible_answer`. Raises RowError where one
    of the two is not of BFCL's form."""
    name, functions = question.get("id"), question.get("function")
    is_list = isinstance(answers, list) and answers
    if not is_list or not all(isinstance(call, dict) and len(call) == 1 for call in answers):
        raise RowError("no-gold-call", f"{name}: `ground_truth` holds no call with accepted values")
    if not isinstance(functions, list):
        raise RowError("no-tools", f"{name}: `function` is no list")
    category = str(name).rpartition("_")[0]
    kind = next((kind for kind in ("parallel", "multiple") if kind in category), "simple")
    return Item(str(name), functions, answers, kind)


def bfcl_right(item: Item, attempts: Sequence[Attempt]) -> bool:
    """Whether BFCL would call this right."""
    left = [attempt for attempt in attempts if attempt.parsed and isinstance(attempt.arguments, dict)]
    if not len(left) == len(attempts) == len(item.answers):
        return False
    # As BFCL pairs them: greedily, each expected call with the first that fits.
    for answer in item.answers:
        function = item.functions[0] if item.kind == "simple" else _function_of(item, answer)
        fitting = next((number for number, made in enumerate(left) if _call_fits(function, made, answer)), None)
        if fitting is None:
            return False
        del left[fitting]
    return True


def _function_of(item: Item, answer: Answer) -> dict[str, Any]:
    [name] = answer
    if found := next((function for function in item.functions if function["name"] == name), None):
        return found
    raise RowError("undeclared-tool", f"{item.id}: the answer calls {name!r}, which is not among its functions")


def _call_fits(function: Mapping[str, Any], attempt: Attempt, answer: Answer) -> bool:
    [accepted] = answer.values()
    declared, given = function["parameters"]["properties"], attempt.arguments
    return (
        attempt.tool == function["name"]
        and given.keys() >= set(function["parameters"].get("required", ()))
        and given.keys() <= declared.keys() & accepted.keys()
        and all(_value_fits(declared[name], value, accepted[name]) for name, value in given.items())
        and all(name in given or "" in values for name, values in accepted.items())
    )


def _value_fits(schema: Mapping[str, Any], value: Any, accepted: list[Any]) -> bool:
    kind = _TYPES[schema["type"]]
    inner = _TYPES[schema["items"]["type"]] if schema["type"] in ("array", "tuple") else None
    # BFCL takes 5 for a float parameter, as Python does; no other type is converted.
    if schema["type"] == "float" and type(value) is int:
        value = float(value)
    # A value of another type than declared passes only as one of the accepted values, letter for letter.
    fits, to_the_letter = _type_fits(value, accepted, kind, inner)
    if not fits or to_the_letter:
        return fits and value in accepted
    if kind is dict:
        return any(_dict_fits(value, answer) for answer in accepted)
    if inner is dict:
        return any(len(value) == len(answer) and all(map(_dict_fits, value, answer)) for answer in accepted)
    if kind is list:
        return [*map(_plain, value)] in [[*map(_plain, answer)] for answer in accepted]
    return _plain(value) in map(_plain, accepted)


def _type_fits(value: Any, accepted: list[Any], kind: type[Any], inner: type[Any] | None) -> tuple[bool, bool]:
    """(whether the type is allowed, whether the value must equal an accepted one to the letter)."""
    answer_type = next((type(answer) for answer in accepted if answer != ""), None)
    if type(value) is kind and (inner is None or any(_items_fit(value, answer, inner) for answer in accepted)):
        return True, answer_type is not None and answer_type is not kind
    return answer_type is not None and type(value) is answer_type, True


def _items_fit(items: Iterable[Any], answer: Any, inner: type[Any]) -> bool:
    return not isinstance(answer, list) or all(_type_fits(item, answer, inner, None)[0] for item in items)


def _dict_fits(value: Mapping[str, Any], answer: Any) -> bool:
    return (
        answer != ""
        and all(name in answer and _plain(item) in map(_plain, answer[name]) for name, item in value.items())
        and all(name in value or "" in accepted for name, accepted in answer.items())
    )


def _plain(value: Any) -> Any:
    """Text as BFCL compares it: no spaces and no `,./-_*^`, lower case, one kind of quotes."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value
