"""The metrics that `eval` knows: what each measures, of what, and which way is better.

This table is the one place to add a metric: scores, groups, gate, report, page and docs/evaluation.md read it. A metric
with `measure` is taken at every decision point. The others need more than one step of one model (a whole run,
likelihoods, BFCL's accepted answers), so evaluate/scoring.py takes them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from swiftagent.scores.calls import DecisionPoint, Part, Predicted, StepScore, match_calls
from swiftagent.scores.values import rouge_l, same_text
from swiftagent.trajectory.schema import faults_of
from swiftagent.trajectory.types import Call

NEXT_STEP = "next step, on given context"
WITH_STATE = "tasks with state, by `eval --state`"
GOLD_CALLS = "all gold calls"


class Metric(msgspec.Struct, frozen=True):
    """of: what is counted. about: when one of them counts. share: a value from 0 to 1, written in percent. part: of
    the report. Where the definition is not our own, `about` names its source."""

    of: str
    about: str
    measure: Callable[[StepScore], Part | None] | None = None
    lower_is_better: bool = False
    share: bool = True
    part: str = NEXT_STEP


def _part(reached: float, out_of: int) -> Part | None:
    return (float(reached), float(out_of)) if out_of else None


def _of_gold_calls(field: str) -> Callable[[StepScore], Part | None]:
    """The sum of a field of CallScore over gold's calls."""
    return lambda score: _part(sum(getattr(call, field) for call in score.calls), len(score.calls))


def _parallel_match(score: StepScore) -> Part | None:
    if not score.calls:
        return None
    exact = sum(call.exact for call in score.calls)
    # Extra calls count as wrong: they have effects, too.
    return exact / max(len(score.calls), len(score.predicted.calls)), 1.0


def _undeclared_tool(score: StepScore) -> Part | None:
    attempts, declared = score.predicted.calls, {tool.name for tool in score.step.tools}
    return _part(sum(attempt.tool not in declared for attempt in attempts), len(attempts)) if declared else None


def _schema_valid(score: StepScore) -> Part | None:
    tools = score.step.tools
    declared = {tool.name for tool in tools}
    # Undeclared tools have their own metric and no schema to fit.
    known = [attempt for attempt in score.predicted.calls if attempt.tool in declared]
    valid = sum(attempt.parsed and not faults_of(Call(attempt.tool, attempt.arguments), tools) for attempt in known)
    return _part(valid, len(known))


def _answered(score: StepScore) -> bool:
    # An empty text is no restraint: the model has to answer in place of the call.
    return not score.predicted.calls and bool(score.predicted.answer)


def _no_call_precision(score: StepScore) -> Part | None:
    return (float(not score.step.calls), 1.0) if score.step.could_call and _answered(score) else None


def _no_call_recall(score: StepScore) -> Part | None:
    return (float(_answered(score)), 1.0) if score.step.could_call and not score.step.calls else None


def _irrelevance(score: StepScore) -> Part | None:
    return None if score.step.calls_somewhere else _no_call_recall(score)


def _of_answers(alike: Callable[[str, str], float]) -> Callable[[StepScore], Part | None]:
    def measure(score: StepScore) -> Part | None:
        wanted = score.step.answer
        return None if wanted is None else (float(alike(score.predicted.answer or "", wanted)), 1.0)

    return measure


_ON_NEXT_STEPS = {
    "parsable": Metric(
        "all steps",
        "reads as a call with JSON arguments, or as an answer, in the format asked for",
        lambda score: (float(score.predicted.parsable), 1.0),
    ),
    "tool_name": Metric(GOLD_CALLS, "called by name, also where the arguments do not parse", _of_gold_calls("name")),
    "argument_names": Metric(
        GOLD_CALLS, "right tool, and exactly gold's argument names", _of_gold_calls("argument_names")
    ),
    "argument_values": Metric(
        GOLD_CALLS, "the share of gold's arguments with the right value", _of_gold_calls("argument_values")
    ),
    "call_exact": Metric(GOLD_CALLS, "tool, names and values all right", _of_gold_calls("exact")),
    "parallel_match": Metric(
        "steps with gold calls", "exact calls / max(gold, predicted), in any order: extra calls cost", _parallel_match
    ),
    "undeclared_tool": Metric(
        "predicted calls of rows that declare tools", "the tool is not declared", _undeclared_tool, lower_is_better=True
    ),
    "schema_valid": Metric(
        "predicted calls of declared tools", "the arguments parse and fit the schema", _schema_valid
    ),
    "no_call_precision": Metric("steps where the model answered", "gold answers too", _no_call_precision),
    "no_call_recall": Metric(
        "steps where gold answers though tools are there", "the model answered too", _no_call_recall
    ),
    "irrelevance": Metric("the same, of rows in which gold calls nothing", "the model answered too", _irrelevance),
    "invented_observation": Metric(
        "all steps",
        "the model wrote a result itself",
        lambda score: (float(score.predicted.invented_observation), 1.0),
        lower_is_better=True,
    ),
}
_IN_FREE_RUNS = {
    "free_calls": Metric(GOLD_CALLS, "made somewhere in the run, exactly"),
    "free_finished": Metric("all questions", "ended with an answer within the limits"),
    "steps_to_finish": Metric(
        "questions whose gold calls were all made", "tool calls until the answer", lower_is_better=True, share=False
    ),
}
_OF_ANSWERS = {
    "answer_rouge_l": Metric(
        "all answers", "ROUGE-L F1 (Lin 2004) against gold's; a Chinese letter is a word", _of_answers(rouge_l)
    ),
    "answer_exact": Metric("all answers", "gold's text but for case, spaces and a full stop", _of_answers(same_text)),
    "bits_per_byte": Metric(
        "held-out chat answers",
        "bits that the model needs for a byte of answer (the forgetting number)",
        lower_is_better=True,
        share=False,
    ),
    "self_cognition": Metric("questions about itself whose gold says its name", "the answer says it too"),
}
_OF_THE_LITERATURE = {
    "Plan.EM": Metric("steps of rows with tools", "ToolBench: call, finish or give up as gold does"),
    "Act.EM": Metric("steps where gold calls", "ToolBench: the tool's name as gold's"),
    "HalluRate": Metric(
        "steps of rows with tools", "ToolBench: calls of tools that do not exist", lower_is_better=True
    ),
    "Avg.F1": Metric("steps where gold calls", "ToolBench: F1 of arguments, half a point for a wrong value"),
    "Rouge-L": Metric("steps where gold answers", "ToolBench: ROUGE-L of final answers"),
    "bfcl_ast": Metric("rows of BFCL's files", "the AST match of `bfcl-eval`"),
}
_OF_TASKS = {
    "pass^1": Metric("tasks with state", "a run passes: tau-bench's pass^1 (Yao et al. 2024)"),
    "pass^4": Metric("tasks with state", "four runs all pass, by tau-bench's unbiased estimator"),
}
_PARTS = {
    NEXT_STEP: _ON_NEXT_STEPS,
    "free running, results replayed from gold": _IN_FREE_RUNS,
    "answers and chat": _OF_ANSWERS,
    "by the literature's own definitions": _OF_THE_LITERATURE,
    WITH_STATE: _OF_TASKS,
}
METRICS: dict[str, Metric] = {
    name: msgspec.structs.replace(metric, part=part) for part, own in _PARTS.items() for name, metric in own.items()
}


def next_step_metrics() -> tuple[str, ...]:
    """The metrics of next steps: those that are taken apart by group."""
    return tuple(name for name, metric in METRICS.items() if metric.part == NEXT_STEP)


def not_shares() -> tuple[str, ...]:
    return tuple(name for name, metric in METRICS.items() if not metric.share)


def score_step(step: DecisionPoint, predicted: Predicted) -> StepScore:
    """Score one prediction at one decision point."""
    score = StepScore(step, predicted, match_calls(step.calls, predicted.calls))
    for name, metric in METRICS.items():
        if metric.measure is not None and (found := metric.measure(score)) is not None:
            score.parts[name] = found
    return score
