"""Plan.EM, Act.EM, HalluRate, Avg.F1 and Rouge-L: the scores of ToolBench and of MSAgent-Bench, by their own
definition.

The definition is that of ModelScope's evaluator (modelscope/evalscope, `toolbench_static` and `tool_bench`), which
comes from "Small LLMs Are Weak Tool Learners" (Shen et al. 2024). Its peculiarities are kept:

- a text without `Action: Finish` is a call; without any `Action:` it is a call of the tool "none";
- rows whose gold tool is not declared, or is "invalid_hallucination_function_name", are left out of all but HalluRate's
n;
- an argument with the right name and a wrong value is half a point, for precision and for recall;
- gold arguments that are not JSON are left out of F1.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from swiftagent.scores.calls import DecisionPoint, Predicted
from swiftagent.scores.intervals import MetricEstimate, Ratios
from swiftagent.scores.text import rouge_l_by_sentence

NAMES = ("Plan.EM", "Act.EM", "HalluRate", "Avg.F1", "Rouge-L")
_NOT_JSON = object()


class Action(msgspec.Struct, frozen=True):
    """What one text does: "call" a tool, "finish" with an answer, or "give up". `arguments` is JSON text."""

    kind: str
    tool: str | None = None
    arguments: str | None = None
    answer: str | None = None


class ActionPair(msgspec.Struct, frozen=True):
    id: str
    gold: Action
    predicted: Action
    tools: Collection[str]


def read_plan(text: str) -> Action:
    """Read a ToolBench text: the last `Action:` and the last `Action Input:` in it."""
    _, found, arguments = text.rpartition("Action Input:")
    arguments = arguments.strip() if found else "{}"
    _, found, tool = text.rpartition("Action:")
    tool = tool.partition("Action Input:")[0].strip() if found else "none"
    if tool != "Finish":
        return Action("call", tool, arguments)
    try:
        given = json.loads(arguments)
        if given["return_type"] != "give_answer":
            return Action("give up")
        answer = str(given["final_answer"]) if "final_answer" in given else "None"
    except (ValueError, TypeError, KeyError):
        return Action("give up")
    return Action("finish", tool, json.dumps(given), "None" if answer.strip() in ("", ".", ",") else answer)


def plan_of_step(step: DecisionPoint) -> Action:
    """Gold's first call, or its answer, as a plan: the metrics know one action a step."""
    if step.calls:
        return Action("call", step.calls[0].tool, json.dumps(step.calls[0].arguments, ensure_ascii=False))
    return Action("finish", "Finish", "{}", step.answer or "None")


def plan_of_prediction(predicted: Predicted) -> Action:
    if predicted.calls:
        first = predicted.calls[0]
        return Action("call", first.tool, json.dumps(first.arguments, ensure_ascii=False) if first.parsed else "")
    if predicted.answer:
        return Action("finish", "Finish", "{}", predicted.answer)
    return Action("call", "none", "{}")


def toolbench_metrics(rows: Iterable[ActionPair], *, seed: int = 0) -> dict[str, MetricEstimate]:
    """The five scores, each with n and interval."""
    ratios = Ratios(NAMES)
    for row in rows:
        ratios.add(row.id, toolbench_parts(row))
    return ratios.estimates(seed=seed)


def row_of(step: DecisionPoint, predicted: Predicted) -> ActionPair:
    """A decision point as a row of these metrics; the answer counts as the declared tool Finish.

    Where no tool is declared, gold's own are.
    """
    declared = {tool.name for tool in step.tools} or {call.tool for call in step.calls}
    return ActionPair(step.row, plan_of_step(step), plan_of_prediction(predicted), declared | {"Finish"})


def toolbench_parts(row: ActionPair) -> dict[str, tuple[float, float]]:
    """(reached, out of) of each score on one row."""
    gold, predicted = row.gold, row.predicted
    invented = predicted.tool not in (None, "none") and predicted.tool not in row.tools
    unknown_gold = predicted.tool is not None and gold.tool != "none" and gold.tool not in row.tools
    if gold.tool == "invalid_hallucination_function_name" or unknown_gold:
        return {"HalluRate": (0.0, 1.0)}
    parts = {"HalluRate": (float(invented), 1.0), "Plan.EM": (float(gold.kind == predicted.kind), 1.0)}
    if gold.kind == "finish":
        answer = "none" if predicted.answer is None else predicted.answer
        parts["Rouge-L"] = (rouge_l_by_sentence(answer, gold.answer or ""), 1.0)
    elif gold.kind == "call":
        same_tool = gold.tool == (predicted.tool or "none")
        parts["Act.EM"] = (float(same_tool), 1.0)
        wanted = _parsed(gold.arguments or "{}")
        if not same_tool:
            parts["Avg.F1"] = (0.0, 1.0)
        elif wanted is not _NOT_JSON:
            given = "{}" if predicted.arguments is None else predicted.arguments
            parts["Avg.F1"] = (argument_f1(wanted, _parsed(given)), 1.0)
    return parts


def argument_f1(gold: Any, predicted: Any) -> float:
    """F1 over arguments, half a point for a right name with a wrong value; values are compared as they are."""
    if not isinstance(gold, dict) or not isinstance(predicted, dict):
        return 0.0
    if not gold:
        return float(not predicted)
    points = sum(1.0 if predicted[name] == value else 0.5 for name, value in gold.items() if name in predicted)
    if not points:
        return 0.0
    precision, recall = points / len(predicted), points / len(gold)
    return 2 * precision * recall / (precision + recall)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _NOT_JSON
