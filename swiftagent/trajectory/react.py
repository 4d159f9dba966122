"""The ReAct text grammar, trajectory to spans: the one place where text is written and its mask is decided.

    Thought: look
    Action: weather
    Action Input: {"city": "Oslo"}
    Observation: 3C
    Thought: I now know the final answer
    Final Answer: It is 3C.

The word `Observation:` is trained (it is the stop word at inference); the result, its leading space and its newline
never are. Rows without tools are plain chat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from swiftagent.trajectory.escape import hide, hide_control_tokens, json_text
from swiftagent.trajectory.prompts import PromptStyle, react_prompt
from swiftagent.trajectory.types import (
    Answer,
    Call,
    Event,
    Observation,
    Question,
    Span,
    System,
    Thought,
    Tool,
    Trajectory,
)

# The labels as they are written. Prompts, exported templates and masks import them; readers may look for others too.
THOUGHT_LABEL, ACTION_LABEL, INPUT_LABEL, ANSWER_LABEL = "Thought: ", "Action: ", "\nAction Input: ", "Final Answer: "
OBSERVATION = "Observation:"
STOP = f"\n{OBSERVATION}"  # what an engine is given: JSON holds no raw newline, so it never cuts an argument
NO_THOUGHT = "I now know the final answer"  # written where an answer has no thought of its own, and read back as none
THINK_OPEN, THINK_CLOSE = "<think>\n", "\n</think>\n\n"


def render(trajectory: Trajectory, prompt: PromptStyle = "auto", language: str = "auto") -> list[Span]:
    """Write a well-formed trajectory as spans: ReAct where it has tools or calls, plain chat where it has none.

    prompt: "ms-agent" (a flat parameter list), "schema" (the whole JSON Schema) or "auto" (`style_for`).
    language: en, zh or auto (the question's).
    """
    return _react(trajectory, prompt, language) if trajectory.is_agentic else _chat(trajectory.events)


def render_system(tools: tuple[Tool, ...], own: str, prompt: PromptStyle, language: str) -> str:
    """The system message of a ReAct conversation: the user's own system prompt above the tools and the format."""
    block = react_prompt(tools, prompt, language)
    return f"{hide_control_tokens(own)}\n\n{block}" if own else block


def render_step(events: Iterable[Event]) -> list[Span]:
    """Thoughts, one call or the answer, and results as spans, in the order given. `infer` feeds its steps through this
    too."""
    spans: list[Span] = []
    thought: Thought | None = None
    for event in events:  # by exact type: a match statement over classes takes three times as long
        kind = type(event)
        if kind is Thought:
            if thought is not None:
                spans.append(_thought(thought))
            thought = event  # type: ignore[assignment]
            continue
        if kind is Answer:
            trained = event.trained  # type: ignore[union-attr]
            spans.append(_NOW_KNOWN[trained] if thought is None else _thought(thought))
            text = ANSWER_LABEL + hide(event.text)  # type: ignore[union-attr]
            spans.append(Span("assistant", text, 1.0 if trained else 0.0, "answer"))
            thought = None
        elif kind is Observation:
            result = observation_text(event.text)  # type: ignore[union-attr]
            spans.append(Span("assistant", result, 0.0, "observation"))
        elif kind is Call:
            if thought is not None:
                spans.append(_thought(thought))
                thought = None
            spans.append(Span("assistant", call_text(event), 1.0 if event.trained else 0.0, "call"))  # type: ignore
        else:
            spans.append(_given(event))
    if thought is not None:
        spans.append(_thought(thought))
    return spans


def _given(event: Event) -> Span:
    """A system text or a question, which are never trained."""
    role, kind = ("user", "question") if type(event) is Question else ("system", "system")
    return Span(role, hide_control_tokens(event.text), 0.0, kind)  # type: ignore[union-attr]


def call_text(call: Call) -> str:
    return f"{ACTION_LABEL}{hide_control_tokens(call.tool)}{INPUT_LABEL}{json_text(call.arguments)}{STOP}"


def observation_text(text: str) -> str:
    """A result as it stands after `Observation:`; the space and the newline keep token boundaries where joint text has
    them."""
    return f" {hide_control_tokens(text)}\n"


def _thought(thought: Thought) -> Span:
    return Span("assistant", f"{THOUGHT_LABEL}{hide(thought.text)}\n", float(thought.trained), "thought")


_NOW_KNOWN = {trained: _thought(Thought(NO_THOUGHT, trained=trained)) for trained in (False, True)}


def _react(trajectory: Trajectory, prompt: PromptStyle, language: str) -> list[Span]:
    events = trajectory.events
    own = "\n\n".join(event.text for event in events if type(event) is System)
    if language == "auto":
        language = language_of(next((event.text for event in events if type(event) is Question), ""))
    system = render_system(trajectory.tools or called_tools(events), own, prompt, language)
    if own:
        events = tuple(event for event in events if type(event) is not System)
    steps = render_step(_each_call_before_its_result(events) if _has_parallel_calls(events) else events)
    return [Span("system", system, 0.0, "system"), *steps]


def _has_parallel_calls(events: tuple[Event, ...]) -> bool:
    before: type | None = None
    for event in events:
        kind = type(event)
        if kind is Call and before is Call:
            return True
        before = kind
    return False


def _each_call_before_its_result(events: Iterable[Event]) -> Iterator[Event]:
    """Interleave parallel calls with their results: a ReAct step holds one call."""
    waiting: list[Call] = []
    results: dict[str, Observation] = {}
    for event in [*events, None]:
        if isinstance(event, Call) and not results:
            waiting.append(event)
            continue
        if isinstance(event, Observation):
            results[event.call_id] = event
            continue
        for position, call in enumerate(waiting):
            yield call
            if call.id in results:
                yield results[call.id]
            elif position < len(waiting) - 1:  # parallel calls of a row that holds no results
                yield Observation("", call.id)
        waiting, results = [], {}
        if isinstance(event, Call):
            waiting.append(event)
        elif event is not None:
            yield event


def _chat(events: tuple[Event, ...]) -> list[Span]:
    spans = []
    for event in events:
        kind = type(event)
        if kind is Answer:
            spans.append(Span("assistant", hide(event.text), 1.0 if event.trained else 0.0, "answer"))  # type: ignore
        elif kind is Thought:
            text = THINK_OPEN + hide(event.text) + THINK_CLOSE  # type: ignore[union-attr]
            spans.append(Span("assistant", text, 1.0 if event.trained else 0.0, "thought"))  # type: ignore[union-attr]
        else:
            spans.append(_given(event))
    return spans


def called_tools(events: Iterable[Event]) -> tuple[Tool, ...]:
    """The tools of a row that declares none, from its calls, with an open schema."""
    names = dict.fromkeys(event.tool for event in events if isinstance(event, Call))
    return tuple(Tool(name) for name in names)


_CHINESE = re.compile("[\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=256)
def language_of(text: str) -> str:
    """zh where at least a fifth of the letters are Chinese, else en."""
    head = text[:400]
    if head.isascii():
        return "en"
    chinese = len(_CHINESE.findall(head))
    return "zh" if chinese * 5 >= max(1, len(_LETTER.findall(head))) else "en"
