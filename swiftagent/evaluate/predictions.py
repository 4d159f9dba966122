"""Output that exists already, lined up with gold by id: our own log, BFCL results, plain texts, whole conversations;
and LLaMA-Factory's `generated_predictions.jsonl`, which carries its gold with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import msgspec
from msgspec.structs import replace

from swiftagent.agent.native import holds_mark
from swiftagent.errors import RowError
from swiftagent.evaluate.bfcl_files import FENCED, predicted_from_result
from swiftagent.evaluate.scoring import Gold
from swiftagent.evaluate.writing import Entry
from swiftagent.formats.reading.calls import ARGUMENT_KEYS
from swiftagent.io.jsonl import BadRow, Row
from swiftagent.scores.calls import DecisionPoint, Predicted, attempts_of, steps_of
from swiftagent.scores.reading import predicted_from_text
from swiftagent.trajectory.types import Call, Question, Trajectory

MODEL = "tuned"
_CALL_KEYS = ("function", "tool_calls")
TEXTS = ("text", "predict", "prediction", "generated_text", "response", "output")
_MISSING = 5  # ids named in an error


def is_llamafactory(value: Any) -> bool:
    return isinstance(value, dict) and {"predict", "label"} <= value.keys()


def llamafactory_gold(rows: Iterable[Row]) -> tuple[Gold, dict[str, Predicted]]:
    """Gold and predictions of {"prompt", "predict", "label"} rows. Labels are read as predictions are.

    Raises RowError for a row without the three, or with a label that is neither a call nor an answer.
    """
    steps: list[DecisionPoint] = []
    entries: dict[str, Predicted] = {}
    for number, row in enumerate(rows):
        if not is_llamafactory(row.value):
            raise RowError(
                "no-label", f"{row.where}: expected `predict` and `label`, as in LLaMA-Factory's predictions"
            )
        label, guess = _read(row.value["label"]), _read(row.value["predict"])
        if not label.calls and not label.answer:
            raise RowError("empty-gold", f"{row.where}: the label holds neither a call nor an answer")
        name = f"row{number}"
        calls = tuple(Call(call.tool, call.arguments, f"c{index}") for index, call in enumerate(label.calls))
        context = (Question(str(row.value.get("prompt", ""))),)
        steps.append(DecisionPoint(f"{name}#0", name, context, (), calls, None if calls else label.answer, bool(calls)))
        entries[f"{name}#0"] = guess
    # Rows with calls show that there are tools to leave alone in the others too.
    if any(step.calls for step in steps):
        steps = [replace(step, calls_somewhere=step.calls_somewhere or _names_tools(step)) for step in steps]
    return Gold([], steps, [], []), entries


def _names_tools(step: DecisionPoint) -> bool:
    prompt = " ".join(event.text for event in step.context if isinstance(event, Question)).lower()
    return "tool" in prompt or "function" in prompt or "api" in prompt


def _read(value: Any) -> Predicted:
    """ReAct text, native calls, JSON or Python calls, or an answer, which may be JSON too."""
    if not isinstance(value, str) or value.lstrip()[:1] in ("[", "{", "`") or holds_mark(value):
        found = predicted_from_result(value)
        data = _json(value)
        is_answer = found.calls and isinstance(data, (dict, list)) and not _names_arguments(data)
        return Predicted(answer=str(value).strip(), text=str(value)) if is_answer else found
    found = predicted_from_text(value)
    return found if found.readable else Predicted(answer=value.strip() or None, text=value)


def _json(value: Any) -> Any:
    """The JSON that a text is, fenced or not; None where it is anything else."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(FENCED.sub(r"\1", value))
    except (ValueError, RecursionError):
        return None


def _names_arguments(value: Any) -> bool:
    """Whether JSON is marked as a call: {"name": "Ann", "age": 7} is data, though it has a name."""
    if isinstance(value, list):  # BFCL's handlers write [{function: arguments}]
        return all(
            _names_arguments(item) or (isinstance(item, dict) and [*map(type, item.values())] == [dict])
            for item in value
        )
    if not isinstance(value, dict):
        return False
    held = [value.get(key) for key in _CALL_KEYS]
    return any(key in value for key in ARGUMENT_KEYS) or any(isinstance(each, (dict, list)) for each in held)


def align(
    gold: Gold, rows: Iterable[Row], conversations: Mapping[str, Trajectory]
) -> tuple[Gold, dict[str, Predicted]]:
    """Predictions by step, and the gold that they are for.

    rows: the raw rows; conversations: those of them that are whole conversations, by place ("file:line"). Predictions
    by row id are of each row's first decision point; the gold is cut to those. Raises RowError where ids do not line
    up.
    """
    by_step = {step.id: step for step in gold.steps}
    by_row: dict[str, list[DecisionPoint]] = {}
    for step in gold.steps:
        by_row.setdefault(step.row, []).append(step)
    found: dict[str, Predicted] = {}
    placed: dict[str, str] = {}
    unknown: list[str] = []
    wanted: Sequence[DecisionPoint] = [steps[0] for steps in by_row.values()]
    for row in rows:
        for name, made in _predictions(row, conversations.get(row.where), by_row):
            target = by_step.get(name) or by_row.get(name, [None])[0]
            if target is None:
                unknown.append(f"{row.where} ({name})")
                continue
            if target.id in placed:
                raise _misaligned(f"{row.where}: a second prediction for {name!r}; the first is {placed[target.id]}")
            placed[target.id] = row.where
            found[target.id] = _with_declared_names(made, target)
            wanted = gold.steps if name in by_step else wanted
    if unknown:
        raise _misaligned(f"{len(unknown):,} predictions have an id that gold does not have: {_some(unknown)}")
    if missing := [step.id for step in wanted if step.id not in found]:
        # A score over what happens to match would flatter.
        raise _misaligned(f"{len(missing):,} of {len(wanted):,} decision points have no prediction: {_some(missing)}")
    return replace(gold, steps=[*wanted], tasks=[], chats=[]), found


def _with_declared_names(found: Predicted, step: DecisionPoint) -> Predicted:
    """Tools under the names that they are declared by: APIs take no dots, so BFCL's FC handlers write `_` for them."""
    declared = {tool.name for tool in step.tools}
    known = {name.replace(".", "_"): name for name in declared} | {name: name for name in declared}
    calls = tuple(replace(call, tool=known.get(call.tool, call.tool)) for call in found.calls)
    return replace(found, calls=calls)


def _misaligned(problem: str) -> RowError:
    return RowError("predictions-gold", problem)


def _predictions(
    row: Row, conversation: Trajectory | None, gold: Mapping[str, Sequence[DecisionPoint]]
) -> Iterator[tuple[str, Predicted]]:
    """(id, what was done) of a row of our own log, of BFCL results, or of texts by id; none of a line that is no
    prediction. A whole conversation predicts its row's steps in order; what gold has beyond it, it did not do."""
    if conversation is not None:
        names = [step.id for step in gold.get(conversation.id, ())] or [conversation.id]
        steps = (Predicted(attempts_of(step.calls), step.answer or None) for step in steps_of(conversation))
        yield from zip(names, chain(steps, repeat(Predicted())), strict=False)
        return
    if isinstance(row, BadRow):
        raise RowError("not-json", f"{row.where}: {row.error.message}")
    value = row.value
    if isinstance(value, dict) and "settings" in value and "id" not in value:
        return
    if not isinstance(value, dict) or "id" not in value:
        raise RowError("no-id", f"{row.where}: a prediction needs the `id` of its gold row")
    name = str(value["id"])
    text = next((value[key] for key in TEXTS if isinstance(value.get(key), str)), None)
    if value.get("kind") in ("step", "run", "likelihood"):
        entry = msgspec.convert(value, Entry)
        if entry.kind == "step" and entry.model == MODEL:
            yield name, entry
    elif "result" in value:
        yield name, predicted_from_result(value["result"])
    elif text is not None:
        yield name, _read(text)
    else:
        raise RowError(
            "no-prediction", f"{row.where}: no prediction; expected one of result, {', '.join(TEXTS)} or messages"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MISSING:,} more" if len(names) > _MISSING else ""
    return ", ".join(names[:_MISSING]) + more
