"""What one row shows by itself: failed calls that a later one corrects, circles, wrong tools, answers that contradict
the last result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from swiftagent.clean.codes import Finding
from swiftagent.scores.values import as_date, as_number, plain_text, same_value
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Trajectory

_REPEATS = 3  # of one call with one result, which make a circle
_ERROR = re.compile(
    r"[\s\"'\[({<]*(?:error|exception|traceback \(most recent|\w*(?:error|exception):|http(?: error)? [45]\d\d|"
    r"(?:invalid|missing|unknown|unexpected) (?:required )?(?:argument|parameter|input|tool|function)|"
    r"wrong arguments|错误|出错|调用失败)",
    re.IGNORECASE,
)
_LARGEST = 1e300  # a number that a float holds
_FAILED = frozenset(("error", "failed", "failure", "fail"))
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"(?<![\w.,])[+-]?\d[\d,]*(?:\.\d+)?(?![\w])")


def is_error(text: str) -> bool:
    """Whether a result says of itself that the call failed; an empty search is a result."""
    value = _json_value(text) if text.lstrip()[:1] == "{" else None
    if not isinstance(value, dict):
        return _ERROR.match(text) is not None
    is_marked = any(value.get(key) for key in ("error", "errors", "exception", "isError", "is_error"))
    is_denied = any(value.get(key) is False for key in ("success", "ok"))
    return is_marked or is_denied or str(value.get("status")).lower() in _FAILED


def _json_value(text: str) -> Any:
    """What a text is as JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()


# The place of a call, and its result; None where the row ends before it.
_Step = tuple[int, Call, str | None]


def _turns(row: Trajectory) -> Iterator[list[_Step]]:
    """The calls of each turn with their results."""
    results = {event.call_id: event.text for event in row.events if isinstance(event, Observation)}
    turn: list[_Step] = []
    for place, event in enumerate(row.events):
        if isinstance(event, Question):
            yield turn
            turn = []
        elif isinstance(event, Call):
            turn.append((place, event, results.get(event.id)))
    yield turn


def findings_of_row(row: Trajectory) -> Iterator[Finding]:
    """Everything that a row shows by itself."""
    for turn in _turns(row):
        yield from _corrected(turn)
        yield from _circles(turn)
    yield from _contradicted(row)


def _corrected(turn: list[_Step]) -> Iterator[Finding]:
    """The trained calls that failed, where a later one puts them right."""
    known = [(place, call, result, is_error(result)) for place, call, result in turn if result is not None]
    for place, call, result, failed in known:
        if failed and call.trained:
            rights = (other for at, other, _, wrong in known if at > place and not wrong and _corrects(call, other))
            for other in islice(rights, 1):
                evidence = {"result": result[:200], "failed": shown(call), "corrected": shown(other)}
                reason = f"{call.tool} failed and {other.tool} with other arguments succeeded"
                yield Finding("corrected-error", reason, evidence, (place,))


def _corrects(failed: Call, later: Call) -> bool:
    """Whether a call is the failed one put right: the tool with other arguments, or the arguments with another tool."""
    if failed.tool == later.tool:
        return bool(failed.arguments != later.arguments)
    return bool(failed.arguments == later.arguments and failed.arguments)


def _circles(turn: list[_Step]) -> Iterator[Finding]:
    alike: dict[str, list[_Step]] = {}
    for step in turn:
        alike.setdefault(json.dumps([shown(step[1]), step[2]], sort_keys=True), []).append(step)
    for steps in alike.values():
        if len(steps) >= _REPEATS:
            _, call, result = steps[0]
            evidence = {"call": shown(call), "result": (result or "")[:200], "times": len(steps)}
            places = tuple(place for place, *_ in steps[1:])
            yield Finding("circular-run", "one call with one result, again and again", evidence, places)


def wrong_tools(row: Trajectory) -> Iterator[Finding]:
    """Calls whose arguments are those of another tool that the row offers."""
    tools = {tool.name: tool for tool in row.tools if tool.parameters.get("properties")}
    for place, event in enumerate(row.events):
        if not isinstance(event, Call) or event.tool not in tools or not event.arguments:
            continue
        wrong = faults(tools[event.tool].parameters, event.arguments)
        if any(fault.code in ("missing-argument", "unknown-argument") for fault in wrong):
            fitting = [tool.name for tool in tools.values() if not faults(tool.parameters, event.arguments)]
            if len(fitting) == 1:
                evidence = {"call": shown(event), "faults": [fault.sentence for fault in wrong], "fits": fitting[0]}
                yield Finding("wrong-tool", f"the arguments are those of {fitting[0]}", evidence, (place,))


def _contradicted(row: Trajectory) -> Iterator[Finding]:
    """The last answer against the last result, where that is one value."""
    if len(row.events) < 2 or not isinstance(row.events[-1], Answer):
        return
    before = [event for event in row.events[:-1] if isinstance(event, (Observation, Question))]
    if not before or not isinstance(before[-1], Observation):
        return
    result, answer = _one_value(before[-1].text), row.events[-1].text
    asked = " ".join(event.text for event in row.events if isinstance(event, Question))
    if result is not None and _contradict(result, answer, asked):
        evidence = {"result": result, "answer": answer[:200]}
        yield Finding("contradicted-answer", "the last result says otherwise", evidence, (len(row.events) - 1,))


def _one_value(text: str) -> Any:
    """The one number or text that a result is or holds; None where it holds more."""
    value = _json_value(text)
    while isinstance(value, (dict, list)) and len(value) == 1:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return None if isinstance(value, (dict, list, bool)) or value == "" else value


def _contradict(result: Any, answer: str, asked: str) -> bool:
    """Numbers are compared with every number that the answer has and the question has not, rounded as there; dates and
    names with an answer that is nothing but one."""
    number = as_number(result)
    if number is not None and -_LARGEST < number < _LARGEST:
        given = [word for word in _NUMBER.findall(answer) if word not in asked]
        return bool(given) and not any(map(lambda word: _rounds_to(float(number), word), _NUMBER.findall(answer)))
    said, found = plain_text(answer), plain_text(result)
    if as_date(found) and as_date(said):
        return not same_value(found, said)
    names = _WORD.findall(result), _WORD.findall(answer)
    # One word, as "Done" and "Yes", may be no name.
    if not all(1 < len(name) <= 4 and all(word[:1].isupper() for word in name) for name in names):
        return False
    return not (said in found or found in said or set(map(str.lower, names[0])) & set(map(str.lower, names[1])))


def _rounds_to(number: float, word: str) -> bool:
    plain = word.replace(",", "")
    decimals = len(plain.partition(".")[2])
    return any(abs(scaled - float(plain)) <= 0.5001 * 10**-decimals for scaled in (number, abs(number), number * 100))


def shown(call: Call) -> dict[str, Any]:
    """A call as it stands in evidence."""
    return {"tool": call.tool, "arguments": call.arguments}
