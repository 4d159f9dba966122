"""Output that exists already, lined up with gold by id: our own log, BFCL results, plain texts, whole conversations;
and LLaMA-Factory's `generated_predictions.jsonl`, which carries its gold with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from swiftagent.agent.native import holds_mark
from swiftagent.errors import ConfigError, RowError
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


def has_gold(rows: Iterable[Row]) -> tuple[bool, Iterable[Row]]:
    """Whether predictions bring their gold with them, and the rows again. Raises ConfigError for an empty file."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise ConfigError("--predictions: the file holds no row")
    return is_llamafactory(first.value), chain([first], rows)


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
        steps = [
            msgspec.structs.replace(step, calls_somewhere=step.calls_somewhere or _names_tools(step)) for step in steps
        ]
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
    fenced = FENCED.fullmatch(value.strip())
    try:
        return json.loads(fenced.group(1) if fenced else value)
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
    return any(key in value for key in ARGUMENT_KEYS) or any(
        isinstance(value.get(key), (dict, list)) for key in _CALL_KEYS
    )


def align(
    gold: Gold, rows: Iterable[Row], conversations: Mapping[str, Trajectory]
) -> tuple[Gold, dict[str, Predicted]]:
    """Predictions by step, and the gold that they are for.

    rows: the raw rows; conversations: those of them that are whole conversations, by place ("file:line"). Predictions
    by row id are of each row's first decision point; the gold is cut to those. Raises RowError where ids do not line
    up.
    """
    by_step = {step.id: step for step in gold.steps}
    first_of: dict[str, DecisionPoint] = {}
    for step in gold.steps:
        first_of.setdefault(step.row, step)
    steps: dict[str, Predicted] = {}
    firsts: dict[str, Predicted] = {}
    unknown: list[str] = []
    placed: dict[str, str] = {}
    for row in rows:
        conversation = conversations.get(row.where)
        if conversation is not None:
            steps.update(_of_conversation(conversation, by_step, unknown))
            continue
        name, found = _prediction(row)
        if name is None:
            continue
        if name in placed:
            raise _misaligned(f"{row.where}: a second prediction for {name!r}; the first is {placed[name]}")
        placed[name] = row.where
        target = by_step.get(name) or first_of.get(name)
        if target is None:
            unknown.append(f"{row.where} ({name})")
        else:
            place = steps if name in by_step else firsts
            place[target.id] = _with_declared_names(found, target)
    if unknown:
        raise _misaligned(f"{len(unknown):,} predictions have an id that gold does not have: {_some(unknown)}")
    found_by_id = {**firsts, **steps}
    wanted = [*first_of.values()] if firsts and not steps else gold.steps
    missing = [step.id for step in wanted if step.id not in found_by_id]
    if missing or not found_by_id:
        # A score over what happens to match would flatter.
        raise _misaligned(f"{len(missing):,} of {len(wanted):,} decision points have no prediction: {_some(missing)}")
    return msgspec.structs.replace(gold, steps=wanted, tasks=[], chats=[]), found_by_id


def _with_declared_names(found: Predicted, step: DecisionPoint) -> Predicted:
    """Tools under the names that they are declared by: APIs take no dots, so BFCL's FC handlers write `_` for them."""
    declared = {tool.name for tool in step.tools}
    dotted = {name.replace(".", "_"): name for name in declared if "." in name}
    calls = tuple(
        call if call.tool in declared else msgspec.structs.replace(call, tool=dotted.get(call.tool, call.tool))
        for call in found.calls
    )
    return msgspec.structs.replace(found, calls=calls)


def _misaligned(problem: str) -> RowError:
    return RowError("predictions-gold", problem)


def _prediction(row: Row) -> tuple[str | None, Predicted]:
    """(id, what was done) of a row of our own log, of BFCL results, or of texts by id; no id: a line that is no
    prediction."""
    if isinstance(row, BadRow):
        raise RowError("not-json", f"{row.where}: {row.error.message}")
    value = row.value
    if isinstance(value, dict) and "settings" in value and "id" not in value:
        return None, Predicted()
    if not isinstance(value, dict) or "id" not in value:
        raise RowError("no-id", f"{row.where}: a prediction needs the `id` of its gold row")
    name = str(value["id"])
    if value.get("kind") in ("step", "run", "likelihood"):
        entry = msgspec.convert(value, Entry)
        is_step = entry.kind == "step" and entry.model == MODEL
        return (name, entry) if is_step else (None, Predicted())
    if "result" in value:
        return name, predicted_from_result(value["result"])
    for key in TEXTS:
        if isinstance(value.get(key), str):
            return name, _read(value[key])
    raise RowError(
        "no-prediction", f"{row.where}: no prediction; expected one of result, {', '.join(TEXTS)} or messages"
    )


def _of_conversation(
    conversation: Trajectory, by_step: Mapping[str, DecisionPoint], unknown: list[str]
) -> dict[str, Predicted]:
    """A whole conversation predicts its row's steps in order; what gold has beyond it, it did not do."""
    prefix = f"{conversation.id}#"
    wanted = [step for name, step in by_step.items() if name.startswith(prefix)]
    if not wanted:
        unknown.append(f"{conversation.source} ({conversation.id})")
        return {}
    made = [Predicted(attempts_of(step.calls), step.answer or None) for step in steps_of(conversation)]
    made += [Predicted()] * (len(wanted) - len(made))
    return {step.id: guess for step, guess in zip(wanted, made, strict=False)}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MISSING:,} more" if len(names) > _MISSING else ""
    return ", ".join(names[:_MISSING]) + more
