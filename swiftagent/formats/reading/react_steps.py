"""Fast path through ReAct text as ms-agent writes it: exact keywords, one result behind every call, an answer at
the end.

What departs from that in any way is left to `react_text`, which reads every spelling; both give the same events.
"""

from __future__ import annotations

import re

import msgspec

# A thought of one line or none, then a call up to the result that follows it, or the answer.
_STEP = re.compile(r"(?:Thought:([^\n]*)\n)?(?:Action:([^\n]*)\nAction Input:([^\n]*)\nObservation:|(?=Final Answer:))")
_ANSWER = "Final Answer:"
_NEXT = ("Thought:", "Action:", _ANSWER)
_BROKEN = ("\nAction Input:", "\nObservation:")


class CanonicalStep(msgspec.Struct, frozen=True, gc=False):
    """A call with its result, or, where `tool` is None, the answer as `text`."""

    thought: str
    tool: str | None
    text: str  # the input of the call, or the answer
    result: str


def canonical_steps(text: str) -> list[CanonicalStep] | None:
    """The steps of one assistant text that ends on an answer; None where it is written in any other way."""
    steps: list[CanonicalStep] = []
    place = 0
    while (found := _STEP.match(text, place)) is not None:
        thought, name, given = found.groups("")
        start = found.end()
        if found[2] is None:
            steps.append(CanonicalStep(thought.strip(), None, text[start + len(_ANSWER) :].strip(), ""))
            return steps
        name = name.strip()
        end = _end_of_result(text, start)
        if end < 0 or not name.isidentifier():
            return None
        result = text[start:end].removeprefix(" ").rstrip("\r\n")
        steps.append(CanonicalStep(thought.strip(), name, given.strip(), result))
        place = end + 1
    return None


def _end_of_result(text: str, start: int) -> int:
    """Where the line before the next step ends; below 0 where none follows."""
    end = text.find("\n", start)
    while end >= 0 and not text.startswith(_NEXT, end + 1):
        end = -1 if text.startswith(_BROKEN, end) else text.find("\n", end + 1)
    return end
