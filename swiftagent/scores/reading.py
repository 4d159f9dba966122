"""A model's text as a `Predicted`: read by the reader that `infer` uses, so that what is scored is what would have
run."""

from __future__ import annotations

from swiftagent.agent.loop import NATIVE_CALL, REACT
from swiftagent.agent.native import Native
from swiftagent.scores.calls import Attempt, Predicted
from swiftagent.trajectory.react_scan import starts_with_label
from swiftagent.trajectory.read_step import Step, split_reasoning
from swiftagent.trajectory.types import Tool


def predicted_from_native(text: str, tools: tuple[Tool, ...] = ()) -> Predicted:
    """Read native calls in the marks of any model family; without one, the text is the answer."""
    return predicted_from_step(Native().read(text, tools), text)


def predicted_from_text(text: str, *, agentic: bool = True, tools: tuple[Tool, ...] = ()) -> Predicted:
    """Read one step of ReAct text, or of plain chat where the row has no tools: there all is the answer, but for
    ReAct's words.

    Text outside the grammar counts as an answer, since `infer` would show it as one, but not as readable.
    """
    # In plain chat a call is not asked for, but one that is written all the same must be seen.
    if not agentic and not starts_with_label(text):
        return Predicted(answer=split_reasoning(text)[1].strip() or None, text=text)
    return predicted_from_step(REACT.read(text, tools), text)


def predicted_from_step(step: Step, text: str = "") -> Predicted:
    """A step as a grammar of the loop read it."""
    # A step's problem is that of its last call: reading stopped there.
    last = len(step.calls) - 1
    parsed = [not step.problem or index < last for index in range(len(step.calls))]
    calls = tuple(Attempt(call.tool, call.arguments, ok) for call, ok in zip(step.calls, parsed, strict=True))
    readable = not {"no-keyword", NATIVE_CALL} & set(step.notes)
    return Predicted(calls, step.answer or None, readable, "invented-observation" in step.notes, text)
