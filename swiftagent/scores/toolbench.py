"""Plan.EM, Act.EM, HalluRate, Avg.F1 and Rouge-L: the scores of ToolBench and of MSAgent-Bench.

The definition is that of ModelScope's evaluator (modelscope/evalscope, `toolbench_static` and `tool_bench`), which
comes from "Small LLMs Are Weak Tool Learners" (Shen et al. 2024): one action a step, and an answer is a call of the
tool Finish. Its peculiarities are kept: where neither is written, the tool "none" is called; steps whose gold tool is
not declared count for HalluRate alone; and an argument with the right name and a wrong value is half a point, for
precision and for recall.
"""

from __future__ import annotations

from typing import Any

from swiftagent.scores.calls import DecisionPoint, Predicted
from swiftagent.scores.values import common_words

# What ToolBench's data holds in place of a call that its author's model invented.
_INVENTED = "invalid_hallucination_function_name"


def toolbench_parts(step: DecisionPoint, predicted: Predicted) -> dict[str, tuple[float, float]]:
    """(reached, out of) of each score at one decision point. Where no tool is declared, gold's own are."""
    known = {tool.name for tool in step.tools} or {call.tool for call in step.calls}
    known |= {"Finish", "none"}
    gold = step.calls[0] if step.calls else None
    made = predicted.calls[0] if predicted.calls else None
    # ToolBench counts the step without looking at the prediction.
    if gold and (gold.tool not in known or gold.tool == _INVENTED):
        return {"HalluRate": (0.0, 1.0)}
    finished = made is None and bool(predicted.answer)
    tool = made.tool if made else "Finish" if finished else "none"
    parts = {"HalluRate": (float(tool not in known), 1.0), "Plan.EM": (float(finished == (gold is None)), 1.0)}
    if gold is None:
        answer = predicted.answer if finished else None
        parts["Rouge-L"] = (rouge_l_by_sentence(answer or "none", step.answer or "None"), 1.0)
    else:
        same_tool = gold.tool == (tool or "none")
        given = {} if made is None else made.arguments if made.parsed else None
        parts["Act.EM"] = (float(same_tool), 1.0)
        parts["Avg.F1"] = (argument_f1(gold.arguments, given) if same_tool else 0.0, 1.0)
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


def rouge_l_by_sentence(candidate: str, reference: str) -> float:
    """ROUGE-L F1 as the `rouge` package 1.0.1 computes it: summary level, over sets of words.

    Sentences end at each ".", words at each space, so a Chinese sentence is one word. The union of the common words
    grows over the reference's sentences; only what a sentence adds counts. 0.0 where one side has no sentence (the
    package raises).
    """
    hypothesis, gold = _sentences(candidate), _sentences(reference)
    if not hypothesis or not gold:
        return 0.0
    # Not the `rouge` package itself: it recurses once a word and fails on answers of about a thousand words.
    common: set[str] = set()
    for sentence in gold:
        for other in hypothesis:
            common.update(common_words(sentence, other))
    recall = len(common) / len({word for sentence in gold for word in sentence})
    precision = len(common) / len({word for sentence in hypothesis for word in sentence})
    return 2 * precision * recall / (precision + recall + 1e-8)


def _sentences(text: str) -> list[list[str]]:
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]
