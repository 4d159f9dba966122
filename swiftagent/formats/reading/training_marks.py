"""Marks that the author of a row set: which turns are not to be trained, and which runs failed.

The tables are printed in docs/formats.md; both functions obey them wherever a row holds such a mark.
"""

from __future__ import annotations

import re
from typing import Any

# On a turn or on a part of its content: false, 0 or "false" means that it is context.
TURN_MARKS = (
    *("loss", "weight", "loss_weight", "train", "trainable", "training", "label", "loss_mask", "learn", "is_trained"),
    *("loss_scale", "train_on_turn"),
)
# The other way round: true means that it is context.
LEFT_OUT_MARKS = ("masked", "ignore", "ignored", "no_loss")
_MARKS = frozenset((*TURN_MARKS, *LEFT_OUT_MARKS))
# Beside a row, or in an object beside it (metadata, reward_info, info, ...).
FAILED_IF_FALSE = frozenset(
    ("success", "issuccess", "successful", "succeeded", "resolved", "isresolved", "solved", "issolved", "correct")
    + ("iscorrect", "passed", "ispassed", "pass", "win", "won", "completed", "reward", "taskreward", "finalreward")
)
# Names that also hold other things than a verdict: only a Boolean is one.
FAILED_IF_BOOLEAN_FALSE = frozenset(("label", "result", "outcome", "verdict"))
FAILED_IF_ZERO = frozenset(("weight", "lossweight", "sampleweight"))
# Where a status is a word, these words say that the run failed.
STATUS_KEYS = frozenset(
    ("status", "state", "outcome", "verdict", "runstatus", "taskstatus", "judgement", "judgment")
    + ("feedback", "humanfeedback", "userfeedback")
)
STATUS_FAILED = frozenset(
    ("failed", "failure", "fail", "error", "errored", "incorrect", "wrong", "aborted", "crashed", "timeout")
    + ("negative", "thumbsdown", "thumbs_down", "thumbs-down", "dislike", "disliked")
)
_FALSE_WORDS = frozenset(
    ("false", "no", "n", "f", "failed", "fail", "failure", "incorrect", "wrong", "unresolved", "unsolved", "i", "loss")
)
_ZERO = re.compile(r"\s*(?:-\s*\d+(?:\.\d*)?|[+]?0+(?:\.0*)?)(?:e[+-]?\d+)?\s*")
# What these hold is stated turn by turn, or is not a verdict on the row.
_NOT_LOOKED_INTO = frozenset(
    ("messages", "conversations", "conversation", "tools", "functions", "parameters", "arguments", "properties")
)
_DEEPEST = 4


def is_trained(message: dict[str, Any]) -> bool:
    """Whether a turn may be trained: neither it nor any part of it carries a mark against it."""
    if len(message) == 2 and type(message.get("content", message.get("value"))) is str:
        return True
    if not _MARKS.isdisjoint(message):
        off = any(mark in message and _is_off(message[mark]) for mark in TURN_MARKS)
        if off or any(message.get(mark) is True for mark in LEFT_OUT_MARKS):
            return False
    return not has_masked_part(message)


def has_masked_part(message: dict[str, Any]) -> bool:
    """Whether a part of the content is marked (axolotl: `content: [{text, train: false}]`, `train_detail`)."""
    parts: list[Any] = []
    for key in ("content", "value", "train_detail", "parts"):
        if isinstance(message.get(key), list):
            parts += message[key]
    return bool(parts) and any(
        isinstance(part, dict) and any(_is_off(part.get(mark)) for mark in TURN_MARKS) for part in parts
    )


def _is_off(value: Any) -> bool:
    if type(value) is str:
        return value.strip().lower() in ("false", "no") or _is_zero(value)
    return value is False or (type(value) in (int, float) and value == 0)


def is_marked_failed(row: dict[str, Any], depth: int = 0) -> bool:
    """Whether a row says of itself that its run failed, by the tables above, at any depth and in any spelling."""
    for key, value in row.items():
        if type(value) is dict:
            if depth < _DEEPEST and key not in _NOT_LOOKED_INTO and is_marked_failed(value, depth + 1):
                return True
        elif type(key) is str and _says_failed(_plain(key), value):
            return True
    return False


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "") if not key.isalpha() or not key.islower() else key


def _says_failed(key: str, value: Any) -> bool:
    if key in FAILED_IF_FALSE:
        return _is_false(value)
    if key in FAILED_IF_ZERO:
        return _is_zero(value)
    if key in FAILED_IF_BOOLEAN_FALSE and (value is False or value in ("false", "False")):
        return True
    return key in STATUS_KEYS and type(value) is str and value.strip().lower() in STATUS_FAILED


def _is_false(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_false(item) for item in value)
    if type(value) is str:
        return value.strip().lower() in _FALSE_WORDS or _is_zero(value)
    return value is False or _is_zero(value)


def _is_zero(value: Any) -> bool:
    """0, a negative number, or text that is one."""
    if type(value) is str:
        return _ZERO.fullmatch(value) is not None
    return type(value) in (int, float) and value <= 0
