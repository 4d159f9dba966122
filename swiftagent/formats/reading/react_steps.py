"""Fast path through ReAct text as ms-agent writes it: exact keywords, one result behind every call, an answer at
the end.

What departs from that in any way is left to `react_text`, which reads every spelling; both give the same events.
"""

from __future__ import annotations

from typing import NamedTuple

THOUGHT, ACTION, INPUT, OBSERVATION, ANSWER = (
    "Thought:",
    "Action:",
    "\nAction Input:",
    "\nObservation:",
    "Final Answer:",
)


class CanonicalStep(NamedTuple):
    """A call with its result, or, where `tool` is None, the answer as `text`."""

    thought: str
    tool: str | None
    text: str  # the input of the call, or the answer
    result: str


def canonical_steps(text: str) -> list[CanonicalStep] | None:
    """The steps of one assistant text that ends on an answer; None where it is written in any other way."""
    steps: list[CanonicalStep] = []
    place = 0
    while True:
        thought = ""
        if text.startswith(THOUGHT, place):
            end = text.find("\n", place)
            if end < 0:
                return None
            thought = text[place + len(THOUGHT) : end].strip()
            place = end + 1
        if text.startswith(ANSWER, place):
            steps.append(CanonicalStep(thought, None, text[place + len(ANSWER) :].strip(), ""))
            return steps
        step = _call_at(text, place, thought)
        if step is None:
            return None
        steps.append(step[0])
        place = step[1]


def _call_at(text: str, place: int, thought: str) -> tuple[CanonicalStep, int] | None:
    """The call that starts here and where its result ends. Line by line: one letter is looked for far quicker than a
    word."""
    given = text.find("\n", place)
    if given < 0 or not text.startswith(ACTION, place) or not text.startswith(INPUT, given):
        return None
    seen = text.find("\n", given + 1)
    name = text[place + len(ACTION) : given].strip()
    if seen < 0 or not text.startswith(OBSERVATION, seen) or not name.isidentifier():
        return None
    start = seen + len(OBSERVATION)
    end = text.find("\n", start)
    while not text.startswith(_NEXT, end + 1):
        if end < 0 or text.startswith(_BROKEN, end):
            return None
        end = text.find("\n", end + 1)
    if end < 0:
        return None
    arguments = text[given + len(INPUT) : seen].strip()
    return CanonicalStep(thought, name, arguments, text[start:end].removeprefix(" ").rstrip("\r\n")), end + 1


_NEXT = (THOUGHT, ACTION, ANSWER)
_BROKEN = (INPUT, OBSERVATION)
