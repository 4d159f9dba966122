"""What of a step's text a client may see: reasoning apart, no label, no call mark, nothing behind a stop word."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from swiftagent.formats.reading.tags import TAGS
from swiftagent.trajectory.escape import JOINER, show, show_control_tokens
from swiftagent.trajectory.react import ACTION_LABEL, ANSWER_LABEL, INPUT_LABEL, NO_THOUGHT, OBSERVATION, THOUGHT_LABEL

_WORDS = tuple(label.strip() for label in (THOUGHT_LABEL, ACTION_LABEL, INPUT_LABEL, OBSERVATION, ANSWER_LABEL))
_LABEL_LINE = re.compile(rf"^(?:{'|'.join(map(re.escape, _WORDS))})", re.M)
_ANSWER_LINE = re.compile(rf"^{ANSWER_LABEL.strip()}", re.M)
_THOUGHT_LINE = re.compile(rf"^{THOUGHT_LABEL.strip()}(.*?)(?=^(?:{'|'.join(map(re.escape, _WORDS))})|\Z)", re.M | re.S)
_MARK = re.compile("|".join(map(re.escape, TAGS)))
_OPEN, _CLOSE = "<think>", "</think>"
# Longer than any control token that was hidden.
_TAIL = 80


def may_become_label(line: str) -> bool:
    """Whether a line, as far as it is written, may be a label of ReAct."""
    line = line.strip("*_#> ").lower()
    return any(word.lower().startswith(line[: len(word)]) for word in _WORDS)


class VisibleText(msgspec.Struct):
    """The parts of a text that grows.

    react: whether the model was trained on ReAct, where labels at the start of a line are never content. labels:
    whether this text is a step, in which an answer stands behind `Final Answer:`. stop: the client's own stop words, of
    which none is shown in part. ended: whether a label or a call stands behind the content.
    """

    react: bool
    labels: bool
    stop: Sequence[str] = ()
    ended: bool = False

    def reasoning(self, text: str) -> str:
        """What is thought between `<think>` marks so far."""
        head = text.lstrip()
        if not head.startswith(_OPEN):
            return ""
        inside, closed, _ = head[len(_OPEN) :].partition(_CLOSE)
        # A closing mark may be under way.
        sure = inside if closed else inside[: inside.rfind("<")] if "<" in inside[-len(_CLOSE) :] else inside
        return sure.strip()

    def thought(self, text: str) -> str:
        """What is thought behind ReAct's label in a text that was cut."""
        thoughts = [found[1].strip() for found in _THOUGHT_LINE.finditer(text)]
        if thoughts and not text.endswith("\n"):
            head, newline, last = thoughts[-1].rpartition("\n")
            thoughts[-1] = head if newline and may_become_label(last) else thoughts[-1]
        return "\n".join(show(each) for each in thoughts if each and each != NO_THOUGHT)

    def content(self, text: str, done: bool = False) -> str:
        """The content so far; what may yet turn out to be something else is held back until it is `done`."""
        start = self._start(text, done)
        if start is None:
            return ""
        text = text[start:]
        labels = [_LABEL_LINE.search(text)] if self.react else []
        ends = [found.start() for found in (*labels, _MARK.search(text)) if found]
        if ends:
            text, self.ended = text[: min(ends)], True
        elif not done:
            text = text[: self._sure(text)]
        # Answers of ReAct rows are trained with their own labels indented.
        return (show if self.react else show_control_tokens)(text.strip())

    def _start(self, text: str, done: bool) -> int | None:
        """Where the content begins; None where it has not begun."""
        head = len(text) - len(text.lstrip())
        if _OPEN.startswith(text[head : head + len(_OPEN)]):
            closed = text.find(_CLOSE)
            if closed < 0:
                return None
            head = closed + len(_CLOSE)
            head += len(text[head:]) - len(text[head:].lstrip())
        if not self.labels:
            return head
        found = _ANSWER_LINE.search(text, head)
        if found:
            return found.end()
        # Without any label it is still an answer, but only the end of the text settles that.
        return head if done and not may_become_label(text[head:].partition("\n")[0]) else None

    def _sure(self, text: str) -> int:
        """How much of a text stays as it is whatever follows."""
        line = text.rfind("\n") + 1
        if self.react and may_become_label(text[line:]):
            return line
        ends = [len(text), *(len(text) - _begun(text, word) for word in (*TAGS, *self.stop, "{" + JOINER))]
        # What was hidden is shown again once it is whole.
        hidden = text.rfind(JOINER, max(0, len(text) - _TAIL))
        return min([*ends, hidden - 1] if hidden > 0 else ends)


def _begun(text: str, word: str) -> int:
    """How many characters of a word, but not all, the text ends with."""
    return next((size for size in range(len(word) - 1, 0, -1) if text.endswith(word[:size])), 0)
