"""A model's text as a `Predicted`: read by the reader that `infer` uses, so that what is scored is what would have
run."""

from __future__ import annotations

import re

from swiftagent.agent.native import Native
from swiftagent.scores.calls import Attempt, Predicted
from swiftagent.trajectory.read_step import Step, read_step

_THINK = re.compile(r"\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S)
_REACT_START = re.compile(r"\s*(thought|action|final answer) *[:：]", re.I)


def predicted_from_native(text: str) -> Predicted:
    """Read native calls in `<tool_call>` blocks (hermes, Qwen); without one, the text is the answer."""
    return predicted_from_step(Native().read(text), text)


def predicted_from_text(text: str, *, agentic: bool = True) -> Predicted:
    """Read one step of ReAct text, or of plain chat where the row has no tools: there all is the answer, but for
    ReAct's words.

    Text outside the grammar counts as an answer, since `infer` would show it as one, but not as readable.
    """
    if not agentic and not _REACT_START.match(text):
        return Predicted(answer=_THINK.sub("", text, count=1).strip() or None, text=text)
    return predicted_from_step(read_step(text), text)


def predicted_from_step(step: Step, text: str = "") -> Predicted:
    """A step as a grammar of the loop read it."""
    # A step's problem is that of its last call: reading stopped there.
    last = len(step.calls) - 1
    return Predicted(
        calls=tuple(
            Attempt(call.tool, call.arguments, parsed=not (step.problem and index == last))
            for index, call in enumerate(step.calls)
        ),
        answer=step.answer or None,
        readable="no-keyword" not in step.notes,
        invented_observation="invented-observation" in step.notes,
        text=text,
    )
