"""The metrics that `eval` knows: what each says, and which way is better. Gate, report and docs read this table."""

from __future__ import annotations

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """`lower_is_better`; `share`: a value from 0 to 1, shown in percent; `part`: the part of the table that it stands
    in."""

    about: str
    lower_is_better: bool = False
    share: bool = True
    part: str = ""


_PARTS = {
    "next step, on gold context": {
        "parsable": Metric(
            "of all steps: reads as a call with JSON arguments, or as an answer, in the format asked for"
        ),
        "tool_name": Metric("of all gold calls: called by name, also where the arguments do not parse"),
        "argument_names": Metric("of all gold calls: right tool, and exactly gold's argument names"),
        "argument_values": Metric("of all gold calls: the share of gold's arguments with the right value"),
        "call_exact": Metric("of all gold calls: tool, names and values all right"),
        "parallel_match": Metric(
            "of all steps with gold calls: exact calls / max(gold, predicted), in any order: extra calls cost"
        ),
        "undeclared_tool": Metric("of the predicted calls of rows that declare tools: the tool is not declared", True),
        "schema_valid": Metric("of the predicted calls of declared tools: the arguments parse and fit the schema"),
        "no_call_precision": Metric("of the steps where the model answered: gold answers too"),
        "no_call_recall": Metric("of the steps where gold answers though tools are there: the model answered too"),
        "irrelevance": Metric("no_call_recall of rows in which gold calls nothing at all"),
        "invented_observation": Metric("of all steps: the model wrote a result itself", True),
    },
    "free running, results replayed from gold": {
        "free_calls": Metric("of all gold calls: made somewhere in the run, exactly"),
        "free_finished": Metric("of all questions: ended with an answer within the limits"),
        "steps_to_finish": Metric(
            "tool calls until the answer, of the questions whose gold calls were all made", True, False
        ),
    },
    "answers and chat": {
        "answer_rouge_l": Metric("ROUGE-L F1 of answers against gold's"),
        "answer_exact": Metric("of all answers: gold's text but for case, spaces and a full stop"),
        "bits_per_byte": Metric(
            "held-out chat: bits that the model needs for a byte of answer (the forgetting number)", True, False
        ),
        "self_cognition": Metric("of the questions about itself: the answer says its name"),
    },
    "by the literature's own definitions": {
        "Plan.EM": Metric("ToolBench: call, finish or give up as gold does"),
        "Act.EM": Metric("ToolBench: the tool's name as gold's"),
        "HalluRate": Metric("ToolBench: calls of tools that do not exist, of all rows", True),
        "Avg.F1": Metric("ToolBench: F1 of the arguments, half a point for a right name with a wrong value"),
        "Rouge-L": Metric("ToolBench: ROUGE-L of final answers"),
        "bfcl_ast": Metric("BFCL: the AST match of `bfcl-eval`"),
    },
}

METRICS: dict[str, Metric] = {
    name: msgspec.structs.replace(metric, part=part)
    for part, metrics in _PARTS.items()
    for name, metric in metrics.items()
}


def lower_is_better(name: str) -> bool:
    return name in METRICS and METRICS[name].lower_is_better
