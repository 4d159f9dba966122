"""Which text of a training record is of which kind, whether it is trained, and what is wrong with that.

The kinds are read from the record's own grammar and its message boundaries, never from its `loss` marks: so a record
whose marks are wrong is caught. `backend/labels.py` compares what is found here with the labels that ms-swift really
makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import msgspec

from swiftagent.trajectory import react
from swiftagent.trajectory.prompts import split_prompt
from swiftagent.trajectory.record import Message, set_loss

KINDS = ("system", "question", "thought", "call", "observation", "answer", "template")
COUNTS = ("leaks", "lost", "control", "ends_open", "truncated", "dropped", "parity", "weights", "altered", "malformed")
_COUNTED_AS = {"leak": "leaks", "weight": "weights"}
MAX_FAULTS = 1000  # kept by name; further ones are only counted
_SPACES = re.compile(r"[ \n]*")
_STEP_STARTS = (react.THOUGHT_LABEL, react.ACTION_LABEL, react.ANSWER_LABEL)


class Piece(msgspec.Struct, frozen=True):
    """A part of one message that is of one kind. `start` and `end` count characters of the message's content.

    `trained` is what is right for it; `marked` what the record's `loss` says. Where they differ the record itself is
    wrong.
    """

    message: int
    start: int
    end: int
    kind: str
    trained: bool
    marked: bool


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: `row` is the line of the file, `span` the number of the message in it."""

    row: int
    span: int
    code: str
    text: str
    id: str = ""


class Totals(msgspec.Struct):
    """What a check found over a file; every count but `rows` and `tokens` is 0 for a clean one.

    unit: "token", or "character" where no model was given. tokens: kind -> [total, trained].
    leaks, lost, control: tokens. weights: tokens whose weight is not the record's. ends_open: turns.
    truncated, dropped, altered, malformed: rows.
    parity: steps whose prompt differs between training and serving.
    """

    unit: str = "token"
    rows: int = 0
    tokens: dict[str, list[int]] = msgspec.field(default_factory=lambda: {kind: [0, 0] for kind in KINDS})
    counts: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    steps: int = 0
    faults: list[Fault] = []
    faults_total: int = 0

    def count(self, kind: str, size: int, trained: int) -> None:
        """Count tokens, or characters, of one kind and those of them that are trained."""
        found = self.tokens.setdefault(kind, [0, 0])
        found[0] += size
        found[1] += trained

    def fault(self, fault: Fault, number: int) -> None:
        """Count one fault; `number` is how many tokens, turns or steps it stands for."""
        self.counts[_COUNTED_AS.get(fault.code, fault.code)] += number
        self.faults_total += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def add(self, other: Totals) -> None:
        """Take the counts of another part of the same file in."""
        self.rows += other.rows
        self.steps += other.steps
        self.faults_total += other.faults_total
        self.faults = (self.faults + other.faults)[:MAX_FAULTS]
        for kind, (total, trained) in other.tokens.items():
            self.count(kind, total, trained)
        for name, number in other.counts.items():
            self.counts[name] += number

    @property
    def clean(self) -> bool:
        return self.faults_total == 0 and not any(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """The interface of `inspect --check --json`."""
        return {
            "rows": self.rows,
            "unit": self.unit,
            "tokens": {kind: {"total": total, "trained": trained} for kind, (total, trained) in self.tokens.items()},
            **self.counts,
            "steps": self.steps,
            "clean": self.clean,
            "faults_total": self.faults_total,
            "faults": msgspec.to_builtins(sorted(self.faults, key=lambda fault: (fault.row, fault.span))),
        }


class RowReport(NamedTuple):
    """Where the faults of one row are counted. line, name: of the row in its file."""

    totals: Totals
    line: int
    name: str

    def fault(self, message: int, code: str, text: str, amount: int = 1) -> None:
        self.totals.fault(Fault(self.line, message, code, text, self.name), amount)

    def wrong_mask(self, message: int, kind: str, text: str, off: int, right: bool) -> None:
        """`off` tokens, or characters, of a text whose mask is wrong; right: whether they are to be trained."""
        code = "lost" if right else "leak"
        self.fault(message, code, describe(code, kind, text), off)


def is_agentic(messages: list[Message]) -> bool:
    """Whether a record is written with ReAct words: its system message ends with the prompt that shows them."""
    first = messages[0]
    content = first.get("content")
    return first.get("role") == "system" and isinstance(content, str) and split_prompt(content) is not None


def is_trained(message: Message) -> bool:
    """What the record says of a message: `loss` absent or true, and no weight of 0."""
    return message.get("loss") is not False and message.get("loss_scale") != 0


def pieces(messages: list[Message]) -> list[Piece]:
    """Cut every message of a ReAct or chat record into its kinds, in order; nothing is left out."""
    cut, number = _react_turn if is_agentic(messages) else _chat_turn, 0
    found: list[Piece] = []
    for is_turn, group in groupby(messages, lambda message: message["role"] == "assistant"):
        same = list(group)
        found += cut(number, same) if is_turn else _other_pieces(number, same)
        number += len(same)
    return found


def _other_pieces(number: int, messages: list[Message]) -> Iterator[Piece]:
    for offset, message in enumerate(messages):
        kind = "system" if message["role"] == "system" else "question"
        yield Piece(number + offset, 0, len(message["content"]), kind, False, False)


def _chat_turn(number: int, turn: list[Message]) -> Iterator[Piece]:
    for offset, message in enumerate(turn):
        text, marked = message["content"], is_trained(message)
        closed = text.find(react.THINK_CLOSE) if text.startswith(react.THINK_OPEN) else -1
        thought = closed + len(react.THINK_CLOSE) if closed >= 0 else 0
        if thought:
            yield Piece(number + offset, 0, thought, "thought", marked, marked)
        if thought < len(text) or not text:
            yield Piece(number + offset, thought, len(text), "answer", marked, marked)


def _react_turn(number: int, turn: list[Message]) -> Iterator[Piece]:
    """Parse the joined text of one turn; its message boundaries say where a result ends."""
    texts = [message["content"] for message in turn]
    text, starts = "".join(texts), [*accumulate(map(len, texts), initial=0)]
    marks = [is_trained(message) for message in turn]
    current = 0
    for start, end, kind in _events(text, starts):
        parts = []
        while current < len(turn) and starts[current] < end:
            if starts[current + 1] > start:
                parts.append((current, max(start, starts[current]), min(end, starts[current + 1])))
            if starts[current + 1] > end:
                break
            current += 1
        # An event is trained whole or not at all: where a part of it is marked as trained, its other parts are lost.
        right = kind != "observation" and any(marks[part[0]] for part in parts)
        for part, low, high in parts:
            yield Piece(number + part, low - starts[part], high - starts[part], kind, right, marks[part])


def _events(text: str, starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of each thought, call, result and answer in the text of a turn; they cover it whole."""
    at = 0
    while at < len(text):
        limit = _next_step(text, starts, at)
        end, kind = limit, "answer"
        if text.startswith(react.THOUGHT_LABEL, at):
            steps = (text.find(f"\n{label}", at) + 1 for label in (react.ACTION_LABEL, react.ANSWER_LABEL))
            end, kind = min([limit, *filter(None, steps)]), "thought"
        elif text.startswith(react.ACTION_LABEL, at):
            arguments = text.find(react.INPUT_LABEL, at)
            newline = text.find("\n", arguments + len(react.INPUT_LABEL)) if arguments >= 0 else -1
            is_whole = newline >= 0 and text.startswith(react.STOP, newline)
            end, kind = newline + len(react.STOP) if is_whole else limit, "call"
            if is_whole and (limit := _result_end(text, starts, end)) > end:
                yield at, end, kind
                at, end, kind = end, limit, "observation"
        yield at, end, kind
        at = end


def _next_step(text: str, starts: list[int], after: int) -> int:
    """The next message boundary at which a step begins, or the end of the turn."""
    return next((start for start in starts if start > after and text.startswith(_STEP_STARTS, start)), len(text))


def _result_end(text: str, starts: list[int], begin: int) -> int:
    """Where the result that begins at `begin` ends: at the first later boundary that a step follows.

    White space that stands before that step is the result's, in whichever message it was put.
    """
    # Only at a message boundary: a result may hold any text, labels at the start of a line included.
    steps = (_SPACES.match(text, start).end() for start in starts if start > begin)  # type: ignore[union-attr]
    return next((step for step in steps if text.startswith(_STEP_STARTS, step)), len(text))


# Native rows hold a call and a result in turns of their own; the text of these is an agent template's.
NATIVE_KINDS = {
    "system": "system", "user": "question", "assistant": "answer", "tool_call": "call",
    "tool_response": "observation", "tool": "observation",
}  # fmt: skip


def is_native(row: object) -> bool:
    """Whether a row has turns that only an agent template can write, as `convert --to native` makes them."""
    messages = row.get("messages") if isinstance(row, dict) else None
    turns = [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    # OpenAI's rows have turns of `tool` too, but hold their calls beside the text.
    if any("tool_calls" in turn for turn in turns):
        return False
    return any(turn.get("role") in ("tool_call", "tool_response", "tool") for turn in turns)


def native_pieces(messages: list[Message]) -> Iterator[Piece]:
    """Each turn of a native row as one piece."""
    for number, message in enumerate(messages):
        kind = NATIVE_KINDS.get(message.get("role", ""), "template")
        trained = kind in ("answer", "call") and is_trained(message)
        yield Piece(number, 0, len(str(message.get("content"))), kind, trained, trained)


def media_of(row: Mapping[str, object]) -> str:
    """The key under which ms-swift would find images, videos or audio of this row; "" where it has none."""
    return next((key for key in ("images", "videos", "audios") if row.get(key)), "")


def malformed(row: object) -> str:
    """Why a row is no training record; "" where it is one."""
    if not isinstance(row, dict):
        return f"a JSON object is needed, not {type(row).__name__}"
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return "no messages"
    if media := media_of(row):
        return f"the row has {media}, and masks are of text; `swiftagent convert` leaves them out"
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
            return f"message {number} is no system, user or assistant message"
        if not isinstance(message.get("content"), str):
            return f"message {number} has no text"
    if messages[-1]["role"] != "assistant":
        return "the row does not end on an assistant message"
    return ""


_SENTENCES = {
    "leak": "{kind} in the loss: {text}",
    "lost": "{kind} not in the loss: {text}",
    "control": "a control token stands in the {kind} text: {text}",
}


def describe(code: str, kind: str, text: str) -> str:
    """One sentence for a fault, with the beginning of its text."""
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return _SENTENCES[code].format(kind=kind, text=repr(shown))


def served(messages: list[Message], found: list[Piece], step: int) -> list[Message]:
    """The messages that `infer` feeds before message `step`: each step that the model wrote is one message, each result
    another.

    Marks and weights of steps are no part of it: when it serves, a model's own steps are all alike.
    """
    results = {piece.message for piece in found if piece.kind == "observation"}
    fed: list[Message] = []
    for number, message in enumerate(messages[:step]):
        role, content = message["role"], message["content"]
        if role != "assistant" or number in results:
            fed.append(set_loss({"role": role, "content": content}, 0))
        # A thought and its call may stand in two messages of a weighted record; the engine wrote them in one step.
        elif fed and fed[-1]["role"] == "assistant" and "loss" not in fed[-1]:
            fed[-1]["content"] += content
        elif content:
            fed.append({"role": role, "content": content})
    return fed
