"""The agent loop as a generator without I/O: it asks for text and for tool results, and whoever drives it answers.

    turn = run_turn(conversation, question, limits)
    request = next(turn)                       # Generate(messages=[...], stop="\\nObservation:", ...)
    request = turn.send(Generated(text))       # Call(...), which may run
    request = turn.send(ToolResult("3C"))      # Generate(...) with the result written as training wrote it
    ...                                        # StopIteration(Turn)

Every step is written back in the grammar that training uses (react.render_step), so what the model sees is, message for
message, what a training record holds up to that step.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from math import inf
from typing import Any, TypeVar, Union, cast

import msgspec

from swiftagent.agent.native import Native, read_marked
from swiftagent.formats.reading.tags import TAGS
from swiftagent.io.jsonl import without_surrogates
from swiftagent.tools.source import ToolResult, argument_problem, unknown_tool
from swiftagent.trajectory.escape import show
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.react import ANSWER_LABEL, NO_THOUGHT, STOP, THOUGHT_LABEL, render
from swiftagent.trajectory.react_scan import starts_with_label
from swiftagent.trajectory.read_step import Step, read_step, split_reasoning
from swiftagent.trajectory.record import Message, to_messages
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory


class Generate(msgspec.Struct, frozen=True):
    """Ask for the model's text after these messages. stop: "" for plain chat. seconds: what is left of the turn's time.
    `tools` is set where the engine renders them itself (native calls)."""

    messages: list[Message]
    stop: str = ""
    max_tokens: int = 1024
    seconds: float = 600.0
    tools: tuple[Tool, ...] = ()


class Generated(msgspec.Struct, frozen=True):
    """What the model wrote. ended_by: "stop" (the stop word), "end" (its end token), "length",
    "seconds" or "interrupt"."""

    text: str
    tokens: int = 0
    seconds: float = 0.0
    ended_by: str = "stop"


class Progress(msgspec.Struct, frozen=True):
    """An event of this turn, for whoever watches; the reply to it is ignored."""

    event: Event
    error: str = ""


class Limits(msgspec.Struct, frozen=True):
    """When a turn is cut short; the model is then asked once for its final answer. seconds: generation and tools
    together."""

    steps: int = 10
    tokens: int = 8192
    seconds: float = 600.0
    repeats: int = 3
    step_tokens: int = 1024


DEFAULT_LIMITS = Limits()


class StepTrace(msgspec.Struct):
    """One call and its result, as `infer --json` prints them."""

    thought: str = ""
    action: str = ""
    action_input: Any = None
    observation: str = ""
    error: str | None = None


class Turn(msgspec.Struct):
    """What came of one question after the conversation `before`. stopped_by: answer, steps, tokens, seconds, repeats,
    length, empty or interrupt."""

    question: str
    before: Trajectory = Trajectory(())
    events: list[Event] = msgspec.field(default_factory=list)
    steps: list[StepTrace] = msgspec.field(default_factory=list)
    answer: str | None = None
    stopped_by: str = "answer"
    notes: Counter[str] = msgspec.field(default_factory=Counter)
    tokens: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> list[str]:
        """The ids of calls that ended in an error."""
        calls = (event for event in self.events if isinstance(event, Call))
        return [call.id for call, step in zip(calls, self.steps, strict=False) if step.error]

    @property
    def conversation(self) -> Trajectory:
        """All of it, with this turn's events at its end."""
        return msgspec.structs.replace(self.before, events=(*self.before.events, *self.events))


# For the final answer, once the time of a turn is over.
_LAST_SECONDS = 60.0
# The note of a step whose call was not written as ReAct.
NATIVE_CALL = "native-call"

# A Call asks for the result of a declared tool with arguments that fit its schema.
Request = Union[Generate, Call, Progress]  # noqa: UP007 (read at run time)
Reply = Union[Generated, ToolResult, None]  # noqa: UP007
Result = TypeVar("Result")
Asking = Generator[Request, Reply, Result]
Job = Generator[Generate, Generated, Result]


class ReAct(msgspec.Struct, frozen=True):
    """Thought, Action, Action Input and Observation as text, written by the code that wrote the training data."""

    stop = STOP
    prompt: PromptStyle = "auto"
    language: str = "auto"

    def ending(self, conversation: Trajectory) -> Message:
        """What asks the model to end: a text that it continues, as training writes an answer after these events."""
        thought = conversation.events and isinstance(conversation.events[-1], Thought)
        label = ANSWER_LABEL.rstrip()
        return {"role": "assistant", "content": label if thought else f"{THOUGHT_LABEL}{NO_THOUGHT}\n{label}"}

    def messages(self, conversation: Trajectory) -> list[Message]:
        return to_messages(render(conversation, self.prompt, self.language))

    def read(self, text: str, tools: tuple[Tool, ...] = ()) -> Step:
        """A call in another family's marks is read as the call, unless it stands inside a labelled answer."""
        step = read_step(text, [tool.name for tool in tools])
        is_free = step.answer is None or "no-keyword" in step.notes or step.answer.startswith(TAGS)
        marked = read_marked(text, tools) if is_free and not step.calls else None
        if marked is not None and marked.calls:
            thought, notes = marked.thought or marked.reasoning, (*marked.notes, NATIVE_CALL)
            return marked._replace(thought=thought, reasoning="", said=False, notes=notes)
        # In ReAct what a step thinks stands behind its label.
        return step._replace(reasoning="")


REACT = ReAct()
# How a conversation is written for the model, and how its text is read.
Grammar = Union[ReAct, Native]  # noqa: UP007


def run_turn(
    before: Trajectory, question: str | None, limits: Limits = DEFAULT_LIMITS, protocol: Grammar = REACT
) -> Asking[Turn]:
    """Answer one question after the events of `before`, whose tools may be called. Returns the Turn; its events come
    after those of `before`. question: None where `before` ends on a question or a result that is to be continued."""
    question = without_surrogates(question) if question is not None else None
    turn = Turn(question or "", before, [] if question is None else [Question(question)])
    seen: Counter[str] = Counter()
    # Steps in a row that only thought; one is allowed.
    bare_thoughts = 0
    while True:
        written = yield from _generate(turn, limits, protocol)
        step = _read(written.text, turn.conversation, protocol)
        turn.notes.update(step.notes)
        if written.ended_by == "interrupt":
            turn.stopped_by = "interrupt"
            return turn
        for thought in _thoughts(step):
            yield Progress(_add_thought(turn, thought))
        bare_thoughts = bare_thoughts + 1 if not step.calls and step.answer is None else 0
        if step.answer is not None:
            cut = written.ended_by if written.ended_by in ("length", "seconds") else "answer"
            return (yield from _answered(turn, step.answer, cut))
        yield from _run_calls(turn, step, written, seen)
        if turn.stopped_by == "interrupt":
            return turn
        reason = _limit(turn, limits, seen, step, written) or ("empty" if bare_thoughts > 1 else "")
        if reason == "empty" and not turn.conversation.is_agentic:
            turn.stopped_by = reason
            return turn
        if reason:
            return (yield from _ask_for_the_answer(turn, limits, protocol, reason))


def _thoughts(step: Step) -> list[Thought]:
    """Reasoning, and what was said beside a call."""
    found = (Thought(step.reasoning), Thought(step.thought, said=step.said))
    return [thought for thought in found if thought.text]


def _add_thought(turn: Turn, thought: Thought) -> Thought:
    """Thoughts in a row are one, but for what is said after reasoning: the record that training reads knows no two."""
    before = turn.events[-1] if turn.events else None
    if isinstance(before, Thought) and before.said == thought.said:
        turn.events.pop()
        thought = msgspec.structs.replace(thought, text=f"{before.text}\n{thought.text}")
    turn.events.append(thought)
    return thought


def next_step(protocol: Grammar, conversation: Trajectory, tokens: int, seconds: float = inf) -> Generate:
    """The request for what follows a conversation."""
    # Without tools a stop word of ReAct would cut a chat answer that quotes it.
    stop = protocol.stop if conversation.is_agentic else ""
    # ReAct's stand in the system message.
    tools = () if protocol.stop else conversation.tools
    return Generate(protocol.messages(conversation), stop, tokens, seconds, tools)


def _generate(turn: Turn, limits: Limits, protocol: Grammar, ending: Sequence[Message] = ()) -> Asking[Generated]:
    room = max(1, min(limits.step_tokens, limits.tokens - turn.tokens))
    request = next_step(protocol, turn.conversation, room, limits.seconds - turn.seconds)
    reply = yield msgspec.structs.replace(request, messages=[*request.messages, *ending])
    written = reply if isinstance(reply, Generated) else Generated("")
    turn.tokens += written.tokens
    turn.seconds += written.seconds
    return written


def _read(text: str, conversation: Trajectory, protocol: Grammar) -> Step:
    """Plain chat, where nothing is declared, is all answer but for reasoning before it; a tuned model may still
    call."""
    if conversation.is_agentic or starts_with_label(text):
        return protocol.read(text, conversation.tools)
    reasoning, rest = split_reasoning(text)
    return Step(answer=show(rest.strip()) or None, reasoning=reasoning)


def _run_calls(turn: Turn, step: Step, written: Generated, seen: Counter[str]) -> Asking[None]:
    for number, call in enumerate(step.calls):
        earlier = sum(type(event) is Call for event in turn.conversation.events)
        call = Call(call.tool, call.arguments, f"c{earlier}")
        last = number == len(step.calls) - 1
        cut = last and written.ended_by in ("length", "seconds")
        turn.events.append(call)
        yield Progress(call)
        error = _what_is_wrong(call, turn.before.tools, step.problem if last else "", cut)
        # A call that cannot run is a result too: the model reads what was wrong and writes it again.
        if error:
            result = ToolResult(f"Error: {error}", error)
        else:
            reply = yield call
            result = reply if isinstance(reply, ToolResult) else ToolResult("", "no result")
        seen[json.dumps([call.tool, call.arguments], sort_keys=True, ensure_ascii=False)] += 1
        turn.seconds += result.seconds
        turn.events.append(Observation(result.text, call.id))
        thought = "" if number else "\n".join(each.text for each in _thoughts(step))
        turn.steps.append(StepTrace(thought, call.tool, call.arguments, result.text, result.error or None))
        yield Progress(turn.events[-1], result.error)
        if result.interrupted:
            turn.stopped_by = "interrupt"
            return


def _what_is_wrong(call: Call, tools: tuple[Tool, ...], problem: str, cut: bool) -> str:
    """One sentence that the model can act on, or "" where the call may run."""
    tool = next((tool for tool in tools if tool.name == call.tool), None)
    if tools and tool is None and call.tool:
        return unknown_tool(call.tool, tools)
    if cut:
        return "the Action was cut before it was complete; write a shorter Action Input"
    if problem:
        return f"the Action Input cannot be read: {problem}; write one JSON object"
    return argument_problem(tool, call.arguments) if tool is not None else ""


def _limit(turn: Turn, limits: Limits, seen: Counter[str], step: Step, written: Generated) -> str:
    """The limit that this turn has reached, or ""."""
    if not step.calls and not step.thought:
        return "length" if written.ended_by == "length" else "empty"
    reached = {"steps": len(turn.steps) >= limits.steps, "tokens": turn.tokens >= limits.tokens}
    reached["seconds"] = turn.seconds >= limits.seconds
    reached["repeats"] = max(seen.values(), default=0) >= limits.repeats
    return next((name for name, is_reached in reached.items() if is_reached), "")


def _ask_for_the_answer(turn: Turn, limits: Limits, protocol: Grammar, reason: str) -> Asking[Turn]:
    """Ask once: in ReAct by writing the start of the final answer for the model."""
    turn.stopped_by = reason
    # The limit that was reached must not cut the answer that is asked for because of it.
    more = {"tokens": turn.tokens + limits.step_tokens, "seconds": turn.seconds + _LAST_SECONDS}
    room = msgspec.structs.replace(limits, **more)
    conversation = turn.conversation
    ending = protocol.ending(conversation)
    written = yield from _generate(turn, room, protocol, [ending])
    prefix = "" if starts_with_label(written.text) or ending["role"] == "user" else ending["content"]
    step = protocol.read(prefix + written.text, conversation.tools)
    if written.ended_by == "interrupt" or not step.answer:
        return turn
    return (yield from _answered(turn, step.answer, reason))


def _answered(turn: Turn, answer: str, stopped_by: str) -> Asking[Turn]:
    turn.answer = answer
    turn.stopped_by = stopped_by
    turn.events.append(Answer(answer))
    yield Progress(turn.events[-1])
    return turn


def driven(
    turn: Asking[Turn], run_tool: Callable[[Call], ToolResult], watch: Callable[[Event, str], Any] = lambda *_: None
) -> Job[Turn]:
    """A turn that asks for text alone: its calls are run by `run_tool`."""
    reply: Reply = None
    try:
        while True:
            request = turn.send(reply)
            reply = None
            match request:
                case Generate():
                    reply = yield request
                case Call():
                    reply = run_tool(request)
                case Progress(event=event, error=error):
                    watch(event, error)
    except StopIteration as done:
        return cast(Turn, done.value)


def start(tools: tuple[Tool, ...] = (), system: str = "") -> Trajectory:
    """An empty conversation."""
    return Trajectory((System(system),) if system else (), tools)
