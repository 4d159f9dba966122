"""What a run trains of its records, other than all of it alike: the last turn or step only, or kinds of text by weight.

`mix` and `convert` write masks of 0 and 1. These functions make a changed copy for one run, kept in the run's folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from swiftagent.masks.pieces import is_trained, pieces
from swiftagent.trajectory.react import INPUT_LABEL, OBSERVATION
from swiftagent.trajectory.record import Message, Record, set_loss

TrainOn = Literal["all", "last_turn", "last_step"]
_INPUT = INPUT_LABEL.rstrip(" ")


class Weights(msgspec.Struct, frozen=True):
    """How much each kind of trained text counts in the loss; observation 0 is what is right, other values are
    experiments.

    call: the name, the labels and the stop word of a call; arguments: its JSON.
    """

    thought: float = 1.0
    call: float = 1.0
    arguments: float = 1.0
    answer: float = 1.0
    observation: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether they change nothing."""
        return self == Weights()


def train_only(record: Record, train_on: TrainOn) -> Record:
    """Mask all but the last turn (what follows the last question) or the last step (what follows the last result
    too)."""
    if train_on == "all":
        return record
    messages = record["messages"]
    first = max((number for number, message in enumerate(messages) if message["role"] == "user"), default=-1) + 1
    # A step begins behind a result, or behind the question where the turn has none.
    if train_on == "last_step":
        results = [piece.message + 1 for piece in pieces(messages) if piece.kind == "observation"]
        first = max([first, *(after for after in results if after < len(messages))])
    changed = [message if number >= first else _masked(message) for number, message in enumerate(messages)]
    return {**record, "messages": _with_turns_closed(changed)}


def _masked(message: Message) -> Message:
    return set_loss(message, 0) if message["role"] == "assistant" and message["content"] else message


def _with_turns_closed(messages: list[Message]) -> list[Message]:
    """An empty message after each masked turn in the middle says that it has ended; it trains nothing."""
    closed: list[Message] = []
    for message in messages:
        before = closed[-1] if closed else None
        if before is not None and before["role"] == "assistant" != message["role"] and "loss" in before:
            closed.append({"role": "assistant", "content": ""})
        closed.append(message)
    return closed


def weigh(record: Record, weights: Weights) -> Record:
    """Cut messages where weights change and write `loss_scale` on them; such a file needs `is_binary_loss_scale:
    false`."""
    if weights.plain:
        return record
    messages = record["messages"]
    found = pieces(messages)
    weighed: list[Message] = []
    # Empty messages only close a masked turn; weights are of text.
    for number, message in enumerate(messages):
        if message["role"] != "assistant" or not message["content"]:
            weighed.append(message)
            continue
        for piece in (piece for piece in found if piece.message == number):
            text = message["content"][piece.start : piece.end]
            _add_weighed(weighed, text, piece.kind, is_trained(message), weights)
    return {**record, "messages": _with_turns_closed(weighed)}


def _add_weighed(messages: list[Message], text: str, kind: str, trained: bool, weights: Weights) -> None:
    """Append one piece; neighbours in a step that weigh the same stay one message, a result always stands alone."""
    if kind == "observation":
        messages.append(set_loss({"role": "assistant", "content": text}, weights.observation))
        return
    earlier = messages[-2] if len(messages) > 1 else {"role": "", "content": ""}
    after_result = earlier["content"].endswith(OBSERVATION) and earlier["role"] == "assistant"
    parts = [(text, getattr(weights, kind))]
    head, label, rest = text.partition(_INPUT)
    if kind == "call" and label and rest.endswith(OBSERVATION):
        # The newline goes with the JSON before it, the space with the JSON after it: so the tokens are those of the
        # whole text.
        json = rest.removesuffix(OBSERVATION)
        parts = [(head + label, weights.call), (json, weights.arguments), (OBSERVATION, weights.call)]
    for part, weight in parts:
        message = set_loss({"role": "assistant", "content": part}, weight if trained else 0.0)
        before = messages[-1]
        alike = {**before, "content": part} == message and before["content"]
        if alike and not after_result and kind != "thought" and not before["content"].endswith(OBSERVATION):
            before["content"] += part
        else:
            messages.append(message)
        after_result = False


def normalised(weights: Weights, records: Iterable[Record]) -> Weights:
    """The same proportions, with a mean of 1 over the trained text of a file (in UTF-8 bytes): so the losses of runs
    compare."""
    if weights.plain:
        return weights
    size = total = 0.0
    for message in (message for record in records for message in weigh(record, weights)["messages"]):
        if message["role"] == "assistant" and is_trained(message):
            length = len(message["content"].encode())
            size, total = size + length, total + length * message.get("loss_scale", 1.0)
    if not total:
        return weights
    scale = size / total
    return Weights(**{name: round(getattr(weights, name) * scale, 6) for name in Weights.__struct_fields__})
