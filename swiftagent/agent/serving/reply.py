"""The reply to one request: the loop is driven up to its answer, or to the calls of the first step that may run."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator
from typing import Any

import msgspec

from swiftagent.agent.drive import RequestRefused, Usage, write
from swiftagent.agent.loop import Generate, Generated, Grammar, Limits, Progress, Turn, next_step, run_turn
from swiftagent.agent.sampling import HERMES, REACT_FRAME, CallFrame, Form, Sampling
from swiftagent.agent.serving.asked import REMEMBERED_CALLS, REMEMBERED_RESPONSES, Memory, ModelRequest, Refusal
from swiftagent.agent.serving.forms import forms_of
from swiftagent.agent.serving.recording import Recording
from swiftagent.agent.serving.visible import VisibleText
from swiftagent.errors import SwiftAgentError
from swiftagent.tools.source import ToolResult
from swiftagent.trajectory.react_scan import starts_with_label
from swiftagent.trajectory.types import Answer, Call, Event, Thought

# How often a model may try to make the call that it was ordered to make.
_TRIES = 3
_CUT = ("length", "seconds")


class Delta(msgspec.Struct, frozen=True):
    """A piece of a reply: more of the answer, more reasoning, a call, or its end ("stop", "length", "tool_calls")."""

    content: str = ""
    reasoning: str = ""
    call: Call | None = None
    finish: str = ""


class Served(msgspec.Struct, frozen=True):
    """What answers requests. name: what the model is called. strict: whether the engine keeps texts to a grammar.
    recording: takes finished turns. thoughts, responses: what was handed out, by the ids that clients send back."""

    name: str
    engine: Any
    grammar: Grammar
    limits: Limits
    temperature: float = 0.0
    strict: bool = False
    recording: Recording | None = None
    thoughts: Memory = msgspec.field(default_factory=lambda: Memory(REMEMBERED_CALLS))
    responses: Memory = msgspec.field(default_factory=lambda: Memory(REMEMBERED_RESPONSES))


class Answering:
    """One choice of the reply to one request; tokens are counted over all its steps."""

    def __init__(self, served: Served, asked: ModelRequest, number: int = 0) -> None:
        self.served = served
        self.asked = asked
        self.number = number
        self.prompt_tokens = self.generated = 0
        self._ids: list[int] = []
        self._is_react = bool(served.grammar.stop)
        self._visible = VisibleText(self._is_react, self._is_react and asked.may_call, asked.sampled.stops)
        # What was handed on so far.
        self.content = self.reasoning = ""
        self.calls: list[Call] = []
        self.finish = "stop"
        # The client's own stop word that ended the content.
        self.stop_word = ""
        if asked.shape is not None and not served.strict:
            need = "a JSON schema needs llguidance and an engine in this process: pip install 'swiftagent[strict]'"
            raise Refusal(need, 400, "unsupported_parameter", "response_format")

    def deltas(self) -> Iterator[Delta]:
        """Raises Refusal where the engine takes no such prompt, SwiftAgentError where an ordered call is not made."""
        try:
            for delta in self._with_calls() if self.asked.may_call else self._text_alone():
                self.calls += [delta.call] if delta.call else []
                self.finish = delta.finish or self.finish
                yield delta
        except RequestRefused as error:
            if self.generated and self.asked.sampled.stream:
                raise
            # Clients shorten their history by this code.
            code = "context_length_exceeded" if "context" in str(error) else None
            raise Refusal(str(error), code=code, param="messages") from None
        # What was cut, by length or by a word of the client, is not what the model would have written.
        is_cut = self.finish == "length" or self.stop_word
        if self.served.recording and not is_cut and (self.calls or self.content):
            thought = [Thought(self.reasoning)] if self.reasoning else []
            said = [Thought(self.content, said=True)] if self.content else []
            reply: list[Event] = [*thought, *said, *self.calls] if self.calls else [*thought, Answer(self.content)]
            self.served.recording.add(self.asked.conversation, reply, self._ids)

    def _with_calls(self) -> Iterator[Delta]:
        turn = run_turn(self.asked.conversation, None, self._limits(), self.served.grammar)
        calls: list[Call] = []
        reply: Generated | ToolResult | None = None
        thought, tries, ended = "", 0, Turn("")
        try:
            while True:
                request = turn.send(reply)
                reply = None
                if isinstance(request, Generate):
                    # Another step is asked for: the client runs the calls of this one.
                    if calls:
                        break
                    if self.asked.forced and tries == min(_TRIES, self.served.limits.steps):
                        raise self._not_called()
                    tries += 1
                    reply = yield from self._write(request, self._prefix())
                    if self.stop_word or reply.ended_by in _CUT:
                        yield from self._cut_short(reply)
                        return
                elif isinstance(request, Progress) and isinstance(request.event, Thought):
                    thought = thought if request.event.said else request.event.text
                    if request.event.said:
                        yield from self._rest(request.event.text)
                elif isinstance(request, Call):
                    calls.append(request)
                    reply = ToolResult("")
        except StopIteration as done:
            ended = done.value
        finally:
            turn.close()
        if self.asked.forced and not calls:
            raise self._not_called()
        yield from self._think(thought)
        if calls:
            yield from self._called(calls, thought)
        else:
            yield from self._rest(ended.answer or "")
            yield Delta(finish="length" if ended.stopped_by in ("tokens", "seconds") else "stop")

    def _called(self, calls: list[Call], thought: str) -> Iterator[Delta]:
        for call in calls if self.asked.parallel else calls[:1]:
            call_id = f"call_{secrets.token_hex(12)}"
            self.served.thoughts.remember(call_id, thought or self.reasoning)
            yield Delta(call=Call(call.tool, call.arguments, call_id))
        yield Delta(finish="tool_calls")

    def _not_called(self) -> SwiftAgentError:
        wanted = "a call" if self.asked.forced == "*" else f"a call of {self.asked.forced}"
        return SwiftAgentError(f"the model did not write {wanted} that fits its schema, though tool_choice asks for it")

    def _text_alone(self) -> Iterator[Delta]:
        """No call may be made: what looks like one, or like a step, is not shown, and once asked to be said again."""
        grammar, conversation, limits = self.served.grammar, self.asked.conversation, self._limits()
        request = next_step(grammar, conversation, limits.step_tokens, limits.seconds)
        ending = grammar.ending(conversation)
        begun = ending["content"] if ending["role"] == "assistant" else ""
        written = yield from self._said(request, begun if conversation.is_agentic else "")
        if not self.content and written.text.strip() and written.ended_by not in _CUT:
            more = [] if begun else [ending]
            request = msgspec.structs.replace(request, messages=[*request.messages, *more])
            written = yield from self._said(request, begun)
        yield Delta(finish="stop" if self.stop_word or written.ended_by not in _CUT else "length")

    def _said(self, request: Generate, prefix: str) -> Generator[Delta, None, Generated]:
        self._visible.ended = False
        written = yield from self._write(request, prefix, len(prefix))
        if written.ended_by not in _CUT:
            yield from self._rest(self._visible.content(written.text, done=True))
        return written

    def _cut_short(self, written: Generated) -> Iterator[Delta]:
        """The reply to a step that was cut in the middle, or ended by the client's own stop word."""
        visible = self._visible
        if self._is_react:
            yield from self._think(visible.thought(written.text))
        if not self.stop_word:
            is_bare = visible.labels and not starts_with_label(written.text)
            visible = VisibleText(True, False, self.asked.sampled.stops) if is_bare else visible
            yield from self._rest(visible.content(written.text))
        yield Delta(finish="stop" if self.stop_word else "length")

    def _prefix(self) -> str:
        """What the model continues so that it makes the call that was ordered."""
        forced, frame = self.asked.forced, self._frame()
        if not forced:
            return ""
        return frame.opening.rstrip() if forced == "*" else frame.opening + forced + frame.middle.rstrip()

    def _frame(self) -> CallFrame:
        """The text around a call; hermes where the engine does not know its own."""
        if self._is_react:
            return REACT_FRAME
        known = getattr(self.served.engine, "call_frame", None)
        return (known() if known else None) or HERMES

    def _limits(self) -> Limits:
        # A client counts the tokens of one reply, which is one step of the loop.
        limits, most = self.served.limits, self.asked.sampled.most
        if most is None:
            return limits
        return msgspec.structs.replace(limits, step_tokens=most, tokens=max(most, limits.tokens))

    def _write(self, request: Generate, prefix: str, skip: int = 0) -> Generator[Delta, None, Generated]:
        """Generate one step behind `prefix` and hand on what is surely content. Returns the Generated without the
        first `skip` characters."""
        usage, sampled = Usage(), self.asked.sampled
        # Choices of one request would else all be the same.
        seed = sampled.seed + self.number if sampled.seed is not None else None
        forms = self._forms(prefix) if self.served.strict else ()
        temperature = self.served.temperature if sampled.temperature is None else sampled.temperature
        sampling = Sampling(sampled.top_p, seed, forms, temperature)
        writing = write(self.served.engine, request, usage, prefix, sampling)
        try:
            text = next(writing)
            while True:
                yield from self._grown(text[skip:])
                is_over = self.stop_word or (self._visible.ended and not self.asked.may_call)
                text = writing.send(bool(is_over))
        except StopIteration as done:
            written: Generated = done.value
        finally:
            writing.close()
        self._ids = usage.ids
        self.prompt_tokens = self.prompt_tokens or usage.prompt_tokens
        self.generated += usage.generated
        if usage.ended_by == "length" and not usage.generated and usage.prompt_tokens:
            about = f"the prompt of {usage.prompt_tokens:,} tokens fills the model's context; shorten the messages"
            raise Refusal(about, 400, "context_length_exceeded", "messages")
        return msgspec.structs.replace(written, text=written.text[skip:])

    def _forms(self, prefix: str) -> tuple[Form, ...]:
        asked = self.asked
        tools = asked.conversation.tools if asked.may_call and asked.strict else ()
        return forms_of(tools, asked.shape, self._frame(), prefix, self._is_react and asked.conversation.is_agentic)

    def _grown(self, text: str) -> Iterator[Delta]:
        content = self._visible.content(text)
        # A thought stands before the answer, and clients get it there.
        labelled = self._visible.thought(text) if content and self._visible.labels else ""
        yield from self._think(labelled or self._visible.reasoning(text))
        yield from self._rest(content)

    def _think(self, reasoning: str) -> Iterator[Delta]:
        new = reasoning.removeprefix(self.reasoning) if reasoning.startswith(self.reasoning) else ""
        if new:
            self.reasoning = reasoning
            yield Delta(reasoning=new)

    def _rest(self, content: str) -> Iterator[Delta]:
        """What of the content was not handed on yet, up to a stop word of the client."""
        for stop in self.asked.sampled.stops:
            if stop in content:
                content, self.stop_word = content.partition(stop)[0], stop
        new = content[len(self.content) :] if content.startswith(self.content) else ""
        if new:
            self.content = content
            yield Delta(content=new)
