"""One exchange whose parts stand under keys of their own: question, call, the tool's result, answer."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import CALL_KEYS, call_of, call_values, calls_of, plain_key
from swiftagent.formats.reading.python_calls import are_calls, python_calls
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import system_field, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "question, function_call(s) / tool_calls / actions, result / observation / response, answer, each under its own key"
)
SAMPLE = {
    "question": "Oslo?",
    "function_call": {"name": "weather", "arguments": {"city": "Oslo"}},
    "result": "3C",
    "answer": "It is 3C.",
}
_QUESTIONS = ("question", "query", "instruction", "user", "prompt", "user_query", "user_input", "input")
_ANSWERS = ("answer", "final_answer", "output", "final_response", "assistant", "completion", "reply")
# The last one may be the answer where no other key holds it.
_RESULTS = (
    *("toolresponse", "toolresponses", "toolresult", "toolresults", "tooloutput", "tooloutputs", "functionresponse"),
    *("functionresponses", "functionresult", "functionresults", "functionoutput", "observation", "observations"),
    *("result", "results", "apiresponse", "response", "responses"),
)
_INSIDE = ("result", "output", "observation", "response")
# One call whose name and arguments stand under keys of their own.
_NAMES = ("functionname", "toolname", "apiname", "functioncalled", "toolused", "toolselected")
_GIVEN = (
    *("functionargs", "functionarguments", "functionparameters", "functionparams", "functioninput", "toolargs"),
    *("toolarguments", "toolparameters", "toolparams", "toolinput", "apiargs", "apiarguments", "apiparameters"),
    *("arguments", "parameters", "args", "params"),
)
# The keys, without case and separators, whose texts are in the trajectory in one form or another.
READS = CALL_KEYS | frozenset((*_NAMES, *_GIVEN, *_RESULTS)) | frozenset(map(plain_key, (*_QUESTIONS, *_ANSWERS)))


def looks_like(row: Any) -> bool:
    if type(row) is not dict or not any(type(row.get(key)) is str and row[key] for key in _QUESTIONS):
        return False
    return _made(row) is not None and not any(type(row.get(key)) is list for key in ("messages", "conversations"))


def parse(row: Any) -> Trajectory:
    builder = Builder(*read_tools(tools_field(row)))
    system = system_field(row)
    if isinstance(system, str):
        builder.system(system)
    asked = next((row[key] for key in _QUESTIONS if type(row.get(key)) is str and row[key]), "")
    builder.question(asked)
    reasoning = row.get("thought") or row.get("reasoning")
    if isinstance(reasoning, str):
        builder.thought(reasoning)
    made = _made(row)
    calls = _calls(builder, made)
    for name, arguments, id in calls:
        builder.call(name, arguments, id)
    answer = next((row[key] for key in _ANSWERS if type(row.get(key)) is str and row[key] and row[key] != asked), "")
    results = _results(row, bool(answer)) or _results_in_calls(made)
    if len(calls) > 1 and isinstance(results, list) and len(results) == len(calls):
        for result in results:
            builder.result(_text(result))
    elif results is not None:
        builder.result(_text(results[0] if isinstance(results, list) and len(results) == 1 else results))
    if not answer and isinstance(row.get("response"), str) and row["response"] is not results:
        answer = row["response"]
    if answer:
        builder.answer(answer)
    return builder.build(row.get("id"))


def _made(row: dict[str, Any]) -> Any:
    """What holds the calls of a row; a name beside its arguments is one call."""
    if (calls := call_values(row)) is not None:
        return calls
    plain = {plain_key(key): value for key, value in row.items() if type(key) is str}
    name = next((plain[key] for key in _NAMES if isinstance(plain.get(key), str) and plain[key]), None)
    given = next((plain[key] for key in _GIVEN if plain.get(key) is not None), None)
    return None if name is None or given is None else [{"name": name, "arguments": given}]


def _calls(builder: Builder, value: Any) -> list[tuple[Any, Any, Any]]:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [call_of(item) for item in value]
    if isinstance(value, str) and are_calls(value):
        return [(name, arguments, None) for name, arguments in python_calls(value)]
    if value is None:
        raise RowError("not-a-conversation", "no call beside the question")
    calls, repairs = calls_of(value)
    builder.repairs += repairs
    return calls


def _results(row: dict[str, Any], answered: bool) -> Any:
    """What the tools answered; a lone `response` is the result where the answer stands under another key."""
    found = {plain_key(key): value for key, value in row.items() if type(key) is str and value not in (None, "", [])}
    names = _RESULTS if answered else _RESULTS[:-2]
    return next((found[name] for name in names if name in found), None)


def _results_in_calls(made: Any) -> list[Any] | None:
    """What stands in each call as its result."""
    calls = made if isinstance(made, list) else [made]
    found = [call[key] for call in calls if isinstance(call, dict) for key in _INSIDE if call.get(key) is not None]
    return found if len(found) == len(calls) else None


def _text(result: Any) -> str:
    """A result as text; an object that wraps one text holds that text."""
    if (
        isinstance(result, dict)
        and isinstance(result.get("content"), str)
        and result.keys() <= {"name", "content", "role"}
    ):
        return str(result["content"])
    return as_text(result)
