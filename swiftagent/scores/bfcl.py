"""BFCL's AST match for Python functions: whether calls are among the answers that BFCL accepts.

Follows the verdicts of `bfcl-eval` 2026.3 (benchmarks/bfcl.py compares the two on real items). An answer is written
there as `{function: {parameter: [accepted value, ...]}}`, where "" among the accepted values means that the parameter
may be left out. A value of another type than declared passes only if it is, to the letter, an accepted one (BFCL: "a
variable").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.scores.calls import Attempt

Answer = Mapping[str, Mapping[str, list[Any]]]  # one function's name: its parameters' accepted values
_TYPES: dict[str, type[Any]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_IGNORED = re.compile(r"[ ,./\-_*^]")


class Item(msgspec.Struct, frozen=True):
    """One BFCL question: its functions and, for each call expected, the accepted values. kind: simple, multiple,
    parallel."""

    id: str
    functions: list[dict[str, Any]]
    answers: list[Answer]
    kind: str


def read_item(question: Mapping[str, Any], answer: Mapping[str, Any]) -> Item:
    """Join a row of a BFCL question file with its row of `possible_answer`. Raises RowError where they do not belong
    together."""
    name = question.get("id")
    if name != answer.get("id"):
        raise RowError("id-mismatch", f"question {name!r} stands beside the answer to {answer.get('id')!r}")
    answers, functions = answer.get("ground_truth"), question.get("function")
    if (
        not isinstance(answers, list)
        or not answers
        or not all(isinstance(call, dict) and len(call) == 1 for call in answers)
    ):
        raise RowError("no-gold-call", f"{name}: `ground_truth` holds no call with accepted values")
    if not isinstance(functions, list):
        raise RowError("no-tools", f"{name}: `function` is no list")
    category = str(name).rpartition("_")[0]
    kind = next((kind for kind in ("parallel", "multiple") if kind in category), "simple")
    return Item(str(name), functions, answers, kind)


def bfcl_problem(item: Item, attempts: Sequence[Attempt]) -> str:
    """Why BFCL would call this wrong, in a word or two; "" where it is right."""
    if not all(attempt.parsed and isinstance(attempt.arguments, dict) for attempt in attempts):
        return "unparsable"
    if len(attempts) != len(item.answers):
        return "wrong count"
    if item.kind == "simple":
        return _call_problem(item.functions[0], attempts[0], item.answers[0])
    if item.kind == "multiple":
        return _call_problem(_function_of(item, item.answers[0]), attempts[0], item.answers[0])
    left = list(attempts)
    # As BFCL pairs them: greedily, each expected call with the first that fits.
    for answer in item.answers:
        function = _function_of(item, answer)
        fitting = next(
            (index for index, attempt in enumerate(left) if not _call_problem(function, attempt, answer)), None
        )
        if fitting is None:
            return "no match"
        del left[fitting]
    return ""


def _function_of(item: Item, answer: Answer) -> dict[str, Any]:
    name = next(iter(answer))
    for function in item.functions:
        if function["name"] == name:
            return function
    raise RowError("undeclared-tool", f"{item.id}: the answer calls {name!r}, which is not among its functions")


def _call_problem(function: Mapping[str, Any], attempt: Attempt, answer: Answer) -> str:
    accepted = next(iter(answer.values()))
    declared, given = function["parameters"]["properties"], attempt.arguments
    if attempt.tool != function["name"]:
        return "wrong function"
    if not given.keys() >= set(function["parameters"].get("required", ())):
        return "missing required"
    for name, value in given.items():
        if name not in declared or name not in accepted:
            return "unexpected parameter"
        problem = _value_problem(declared[name], value, accepted[name])
        if problem:
            return problem
    left_out = [name for name, values in accepted.items() if name not in given and "" not in values]
    return "missing parameter" if left_out else ""


def _value_problem(schema: Mapping[str, Any], value: Any, accepted: list[Any]) -> str:
    kind = _TYPES[schema["type"]]
    inner = _TYPES[schema["items"]["type"]] if schema["type"] in ("array", "tuple") else None
    # BFCL takes 5 for a float parameter, as Python does; no other type is converted.
    if schema["type"] == "float" and type(value) is int:
        value = float(value)
    # A value of another type than declared passes only as one of the accepted values, letter for letter.
    fits, to_the_letter = _type_fits(value, accepted, kind, inner)
    if not fits:
        return "wrong type"
    if to_the_letter:
        right = value in accepted
    elif kind is dict:
        right = _dict_accepted(value, accepted)
    elif kind is list and inner is dict:
        right = any(_dicts_accepted(value, answer) for answer in accepted)
    elif kind is str:
        right = _plain(value) in [_plain(answer) for answer in accepted if isinstance(answer, str)]
    elif kind is list:
        right = _plain_list(value) in [_plain_list(answer) for answer in accepted]
    else:
        right = value in accepted
    return "" if right else "wrong value"


def _type_fits(value: Any, accepted: list[Any], kind: type[Any], inner: type[Any] | None) -> tuple[bool, bool]:
    """(whether the type is allowed, whether the value must equal an accepted one to the letter)."""
    answer_type = next((type(answer) for answer in accepted if answer != ""), None)
    if type(value) is kind and (inner is None or any(_items_fit(value, answer, inner) for answer in accepted)):
        return True, answer_type is not None and answer_type is not kind
    return answer_type is not None and type(value) is answer_type, True


def _items_fit(items: Iterable[Any], answer: Any, inner: type[Any]) -> bool:
    return not isinstance(answer, list) or all(_type_fits(item, answer, inner, None)[0] for item in items)


def _dict_accepted(value: Mapping[str, Any], answers: Iterable[Any]) -> bool:
    for answer in answers:
        if answer == "":
            continue
        known = all(
            name in answer and _plain(item) in [_plain(a) for a in answer[name]] for name, item in value.items()
        )
        if known and all(name in value or "" in accepted for name, accepted in answer.items()):
            return True
    return False


def _dicts_accepted(values: list[Any], answers: Any) -> bool:
    return len(values) == len(answers) and all(
        _dict_accepted(value, [answer]) for value, answer in zip(values, answers, strict=True)
    )


def _plain(value: Any) -> Any:
    """Text as BFCL compares it: no spaces and no `,./-_*^`, lower case, one kind of quotes."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _plain_list(values: Any) -> list[Any]:
    return [_plain(value) for value in values]


def as_bfcl(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Calls as bfcl-eval's checker takes them: with `predicted_from_text`, the text-ReAct handler that BFCL lacks."""
    return [{attempt.tool: attempt.arguments} for attempt in attempts]
