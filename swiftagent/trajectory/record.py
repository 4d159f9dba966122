"""The training record: spans to one ms-swift JSONL row, and such a row back to a trajectory.

`loss` is false on every message that is not trained and absent on trained ones. Consecutive assistant messages are one
turn.
"""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.trajectory import react
from swiftagent.trajectory.escape import hide, parse_json_text, show, show_control_tokens
from swiftagent.trajectory.prompts import PromptStyle, split_prompt
from swiftagent.trajectory.react import is_plain, render
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Span, System, Thought, Trajectory

_STEP_LABELS = (react.THOUGHT_LABEL, react.ACTION_LABEL, react.ANSWER_LABEL)
Message = dict[str, Any]
Record = dict[str, Any]


def to_record(trajectory: Trajectory, prompt: PromptStyle = "auto", language: str = "auto") -> Record:
    """One training row. The trajectory ends on something trained (`wellformed` sees to it)."""
    # Plain chat makes up most of a mix, so it has a way without spans.
    messages = None if trajectory.tools else _plain_messages(trajectory.events)
    if messages is None:
        messages = to_messages(render(trajectory, prompt, language))
    return {"messages": messages, "channel": trajectory.channel, "id": trajectory.id, "source": trajectory.source}


def _plain_messages(events: tuple[Event, ...]) -> list[Message] | None:
    """The messages of plain chat whose every answer is trained, without spans between; None for anything else."""
    if not is_plain(events, without_keywords=True):
        # One look at all texts is cheaper than one at each, and most hold nothing to escape.
        whole = "\n".join([event.text for event in events if type(event) is not Call])  # type: ignore[union-attr]
        if hide(whole) != whole:
            return None
    messages: list[Message] = []
    for event in events:
        kind = type(event)
        if kind is Answer and event.trained:  # type: ignore[union-attr]
            messages.append({"role": "assistant", "content": event.text})  # type: ignore[union-attr]
        elif kind is Question or kind is System:
            role = "user" if kind is Question else "system"
            messages.append(untrained({"role": role, "content": event.text}))  # type: ignore[union-attr]
        else:
            return None
    return messages


def set_loss(message: Message, weight: float) -> Message:
    """A copy of the message with its weight in the loss: `loss: false` for 0, no key for 1, else `loss_scale`."""
    unmarked = {key: value for key, value in message.items() if key not in ("loss", "loss_scale")}
    if weight == 1:
        return unmarked
    return {**unmarked, "loss": False} if weight == 0 else {**unmarked, "loss_scale": weight}


def to_messages(spans: list[Span]) -> list[Message]:
    """Spans as messages: neighbours of one role and mask are one message, but a result always stands alone."""
    messages: list[Message] = []
    before, open_weight = _NOTHING, -1.0  # the weight of a thought whose step is to follow
    for span in spans:
        role, weight = span.role, span.weight
        if open_weight == weight and role == "assistant":
            messages[-1]["content"] += span.text
        else:
            if before.weight == 0 and before.role == "assistant" != role:
                # Says that a masked turn has ended; trains nothing.
                messages.append({"role": "assistant", "content": ""})
            message = {"role": role, "content": span.text}
            messages.append(message if weight else untrained(message))
        open_weight = weight if span.kind == "thought" else -1.0
        before = span
    return messages


_NOTHING = Span("", "")


def untrained(message: Message) -> Message:
    """The message marked as not trained: the one place where `loss` is set."""
    message["loss"] = False
    return message


def is_record(row: object) -> bool:
    """Whether a row is a training record of ours rather than any other `messages` row."""
    if not isinstance(row, dict) or "tools" in row or not isinstance(row.get("channel"), str):
        return False
    messages = row.get("messages")
    return isinstance(messages, list) and any(
        isinstance(m, dict) and m.get("role") in ("system", "user") and m.get("loss") is False for m in messages
    )


def from_record(row: Record) -> Trajectory:
    """Read a training record back, exactly. Raises RowError("not-a-record", ...)."""
    events: list[Event] = []
    tools: tuple[Any, ...] = ()
    agentic = False
    calls = 0
    follows_stop = False
    for number, message in enumerate(row["messages"]):
        role, text, trained = message.get("role"), message.get("content"), message.get("loss", True) is not False
        if not isinstance(text, str):
            raise RowError("not-a-record", f"message {number} has no text")
        if role == "system":
            split = split_prompt(text)
            agentic = split is not None
            own, tools = split if split is not None else (show_control_tokens(text), ())
            if own:
                events.append(System(own))
        elif role == "user":
            events.append(Question(show_control_tokens(text)))
        elif role == "assistant" and follows_stop and not trained:
            events.append(Observation(show_control_tokens(text[1:-1]), f"c{calls - 1}"))
        elif role == "assistant" and text:
            found = _read_step(text, trained, calls) if agentic else _read_chat(text, trained)
            calls += sum(type(event) is Call for event in found)
            events += found
        elif role != "assistant":
            raise RowError("not-a-record", f"message {number} has role {role!r}")
        follows_stop = agentic and role == "assistant" and text.endswith(react.STOP)
    return Trajectory(tuple(events), tools, row.get("id", ""), row.get("source", ""), row.get("channel", ""))


def _read_step(text: str, trained: bool, calls: int) -> list[Event]:
    events: list[Event] = []
    # A keyword at the start of a line of a thought is indented, so these are labels.
    while text.startswith(react.THOUGHT_LABEL):
        ends = [end for end in (text.find("\n" + label) for label in _STEP_LABELS) if end >= 0]
        end = min(ends, default=len(text.removesuffix("\n")))
        thought = show(text[len(react.THOUGHT_LABEL) : end])
        text = text[end + 1 :]
        if not (thought == react.NO_THOUGHT and text.startswith(react.ANSWER_LABEL)):
            events.append(Thought(thought, trained=trained))
    if text.startswith(react.ACTION_LABEL):
        name, found, arguments = text[len(react.ACTION_LABEL) :].removesuffix(react.STOP).partition(react.INPUT_LABEL)
        try:
            value = parse_json_text(arguments)
        except ValueError as error:
            raise RowError("not-a-record", f"Action Input is not JSON: {error}") from None
        events.append(Call(show_control_tokens(name), value, f"c{calls}", trained))
    elif text.startswith(react.ANSWER_LABEL):
        events.append(Answer(show(text[len(react.ANSWER_LABEL) :]), trained))
    elif text:
        raise RowError("not-a-record", f"neither Thought, Action nor Final Answer: {text[:60]!r}")
    return events


def _read_chat(text: str, trained: bool) -> list[Event]:
    if text.startswith(react.THINK_OPEN) and react.THINK_CLOSE in text:
        thought, _, text = text[len(react.THINK_OPEN) :].partition(react.THINK_CLOSE)
        return [Thought(show(thought), trained=trained), *([Answer(show(text), trained)] if text else [])]
    return [Answer(show(text), trained)]
