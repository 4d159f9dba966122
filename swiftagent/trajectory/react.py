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
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from swiftagent.trajectory.escape import hide, hide_control_tokens, indent_keywords, json_text
from swiftagent.trajectory.prompts import PromptStyle, called_tools, react_prompt
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Span, System, Thought, Trajectory

# The labels as they are written. Prompts, exported templates and masks import them; readers may look for others too.
THOUGHT_LABEL, ACTION_LABEL, INPUT_LABEL, ANSWER_LABEL = "Thought: ", "Action: ", "\nAction Input: ", "Final Answer: "
OBSERVATION = "Observation:"
STOP = f"\n{OBSERVATION}"  # what an engine is given: JSON holds no raw newline, so it never cuts an argument
NO_THOUGHT = "I now know the final answer"  # written where an answer has no thought of its own, and read back as none
THINK_OPEN, THINK_CLOSE = "<think>\n", "\n</think>\n\n"


_looked_through: tuple[tuple[Event, ...], bool] = ((), False)


def remember_plain(events: tuple[Event, ...], without_keywords: bool) -> None:
    """Remember that no text of these events, arguments aside, holds a control token, so that the renderer of the same
    object need not look again; `without_keywords`: nor a ReAct keyword at the start of a line."""
    global _looked_through
    _looked_through = events, without_keywords


def is_plain(events: tuple[Event, ...], without_keywords: bool) -> bool:
    """Whether `remember_plain` was last called with this very object; False says nothing."""
    known, and_keywords = _looked_through
    return events is known and (and_keywords or not without_keywords)


def render(trajectory: Trajectory, prompt: PromptStyle = "auto", language: str = "auto") -> list[Span]:
    """Write a well-formed trajectory as spans: ReAct where it has tools or calls, plain chat where it has none.

    prompt: "ms-agent" (a flat parameter list), "schema" (the whole JSON Schema) or "auto" (`style_for`).
    language: en, zh or auto (the question's).
    """
    return _react(trajectory, prompt, language) if trajectory.is_agentic else _chat(trajectory.events)


def render_step(events: Iterable[Event], plain: bool = False) -> list[Span]:
    """Thoughts, one call or the answer, and results as spans, in the order given. `infer` feeds its steps through this
    too. plain: no text but arguments holds a control token."""
    said, given = (indent_keywords, str) if plain else (hide, hide_control_tokens)
    spans: list[Span] = []
    no_thought = True
    # By exact type: a match statement over classes takes three times as long, and every row passes here.
    for event in events:
        kind = type(event)
        if kind is Observation:
            spans.append(Span("assistant", f" {given(event.text)}\n", 0.0, "observation"))  # type: ignore[union-attr]
        elif kind is Question or kind is System:
            role, name = ("user", "question") if kind is Question else ("system", "system")
            spans.append(Span(role, given(event.text), 0.0, name))  # type: ignore[union-attr]
        else:
            weight = 1.0 if event.trained else 0.0  # type: ignore[union-attr]
            if kind is Thought:
                thought = f"{THOUGHT_LABEL}{said(event.text)}\n"  # type: ignore[union-attr]
                spans.append(Span("assistant", thought, weight, "thought"))
            elif kind is Call:
                spans.append(Span("assistant", call_text(event, given), weight, "call"))  # type: ignore[arg-type]
            else:
                if no_thought:
                    spans.append(_NOW_KNOWN[weight])
                spans.append(Span("assistant", ANSWER_LABEL + said(event.text), weight, "answer"))  # type: ignore
        no_thought = kind is not Thought
    return spans


def call_text(call: Call, given: Callable[[str], str] = hide_control_tokens) -> str:
    """A call up to the stop word."""
    return f"{ACTION_LABEL}{given(call.tool)}{INPUT_LABEL}{json_text(call.arguments)}{STOP}"


_NOW_KNOWN = {weight: Span("assistant", f"{THOUGHT_LABEL}{NO_THOUGHT}\n", weight, "thought") for weight in (0.0, 1.0)}


def _react(trajectory: Trajectory, prompt: PromptStyle, language: str) -> list[Span]:
    events = trajectory.events
    own: list[str] = []
    question = ""
    has_parallel_calls = False
    before: type | None = None
    for event in events:
        kind = type(event)
        if kind is Call:
            has_parallel_calls = has_parallel_calls or before is Call
        elif kind is System:
            own.append(event.text)  # type: ignore[union-attr]
        elif kind is Question:
            question = question or event.text  # type: ignore[union-attr]
        before = kind
    if language == "auto":
        language = language_of(question)
    block = react_prompt(trajectory.tools or called_tools(events), prompt, language)
    # The user's own system prompt stands above the tools and the format.
    above = hide_control_tokens("\n\n".join(own))
    system = f"{above}\n\n{block}" if above else block
    plain = is_plain(events, without_keywords=False)
    if own:
        events = tuple([event for event in events if type(event) is not System])
    steps = render_step(_each_call_before_its_result(events) if has_parallel_calls else events, plain)
    return [Span("system", system, 0.0, "system"), *steps]


def _each_call_before_its_result(events: Sequence[Event]) -> Iterator[Event]:
    """Interleave parallel calls with their results: a ReAct step holds one call."""
    for place, (event, following) in enumerate(zip(events, [*events[1:], None], strict=True)):
        if not isinstance(event, Observation):
            yield event
        if isinstance(event, Call):
            results = (each for each in events[place:] if isinstance(each, Observation) and each.call_id == event.id)
            # Parallel calls of a row that holds no results: ReAct needs one between two calls.
            blank = Observation("", event.id) if isinstance(following, Call) else None
            if (result := next(results, blank)) is not None:
                yield result


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
            spans += render_step((event,))
    return spans


_CHINESE = re.compile("[\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=256)
def language_of(text: str) -> str:
    """zh where at least a fifth of the letters are Chinese, else en."""
    # The beginning decides: results quoted further down may be in any language.
    head = text[:400]
    if head.isascii():
        return "en"
    chinese = len(_CHINESE.findall(head))
    return "zh" if chinese * 5 >= max(1, len(_LETTER.findall(head))) else "en"
