"""The check of training records and files that needs no model: fast, since it is made of every file before anything
else, in parts that tasks share."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.parts import Part, cut, numbered, parts_of
from swiftagent.io.rows import files_of, size_of
from swiftagent.io.workers import Workers
from swiftagent.masks.pieces import (
    RowReport,
    Totals,
    describe,
    is_agentic,
    is_native,
    is_trained,
    malformed,
    media_of,
    native_pieces,
    pieces,
)
from swiftagent.masks.view import records_of
from swiftagent.trajectory import react
from swiftagent.trajectory.escape import has_control_token
from swiftagent.trajectory.record import Message, Record

_ACTION_LINE, _ANSWER_LINE = f"\n{react.ACTION_LABEL}", f"\n{react.ANSWER_LABEL}"
_INPUT_SIZE, _STOP_SIZE = len(react.INPUT_LABEL), len(react.STOP)
_PART = 8 << 20  # bytes of a file that a task checks
_OWN_KEYS = 4  # messages, channel, id, source: nearly every record has these alone
_KIND_OF = {"system": "system", "user": "question"}
_system_has_control_token = lru_cache(maxsize=512)(has_control_token)  # rows of one tool set share it


def check_record(row: Record, number: int, totals: Totals) -> None:
    """Check one record without a model; counts characters. A faulty one adds its faults to `totals`."""
    totals.rows += 1
    if _count_if_as_written(row, totals):
        return
    report = RowReport(totals, number, str(row.get("id", "")) if isinstance(row, dict) else "")
    # The masks of native rows are made by an agent template, so only a check with a model can find them wrong.
    native = is_native(row)
    if not native and (problem := malformed(row)):
        report.fault(0, "malformed", problem)
        return
    messages = row["messages"]
    for piece in native_pieces(messages) if native else pieces(messages):
        length = piece.end - piece.start
        totals.count(piece.kind, length, length * piece.marked)
        if piece.trained != piece.marked:
            text = messages[piece.message]["content"][piece.start : piece.end]
            report.wrong_mask(piece.message, piece.kind, text, length, piece.trained)
    for span, message in enumerate(() if native else messages):
        role, content = message["role"], message["content"]
        if has_control_token(_own_text(role, content)):
            report.fault(span, "control", describe("control", role, content))
    if not native and (last := _masked_end(messages)) is not None:
        report.fault(last, "ends_open", "the row ends on something masked: its end token would be trained")


def _count_if_as_written(row: Record, totals: Totals) -> bool:  # noqa: C901
    """Count a row in which every message has just the form that we write, as nearly every row has; False leaves it to
    the rest.

    Each message then holds whole events of one mask, so nothing in it can leak or be lost. One pass, for speed: it is
    made of every row of every file.
    """
    try:
        messages = row["messages"]
        # Media stand under keys of their own, so a row with our four keys alone need not be searched for them.
        if len(row) > _OWN_KEYS and media_of(row):
            return False
        agentic = is_agentic(messages)
        found: list[tuple[str, int, bool]] = []
        result_next = masked = False
        role = ""
        for message in messages:
            role, content = message["role"], message["content"]
            # What has a control token may be our own reasoning markup, too.
            look = _system_has_control_token if role == "system" else has_control_token
            if ("<" in content or "[" in content or "{{" in content) and look(content):
                return False
            if role != "assistant":
                found.append((_KIND_OF[role], len(content), False))
                result_next = False
                continue
            if "loss_scale" in message:
                return False
            masked = message.get("loss") is False
            if result_next:
                if not masked or content[-1:] != "\n":
                    return False
                found.append(("observation", len(content), False))
                result_next = False
                continue
            head, kind = _parts(content, agentic)
            if not kind:
                return False
            if head:
                found.append(("thought", head, not masked))
            found.append((kind, len(content) - head, not masked))
            result_next = kind == "call"
    # Not a record; `malformed` says why.
    except (KeyError, TypeError, AttributeError, IndexError):
        return False
    # A masked last message would still train the end token of its turn.
    if role != "assistant" or masked or not content:
        return False
    # Counted only now that the whole row is known to be as written: a row may not be counted twice.
    for kind, size, trained in found:
        totals.count(kind, size, size * trained)
    return True


def _parts(content: str, agentic: bool) -> tuple[int, str]:
    """(length of the thought, "call" or "answer") of an assistant message; "" where it is not as we write it."""
    if not agentic:
        return (0, "answer") if not content.startswith(react.THINK_OPEN) else (0, "")
    thought = 0
    if content.startswith(react.THOUGHT_LABEL):
        thought = content.find(_ACTION_LINE) + 1
        answer = content.find(_ANSWER_LINE, 0, thought or len(content)) + 1
        thought = answer or thought
        if not thought:
            return 0, ""
    if content.startswith(react.ACTION_LABEL, thought):
        arguments = content.find(react.INPUT_LABEL, thought)
        newline = content.find("\n", arguments + _INPUT_SIZE)
        is_whole = arguments >= 0 and newline == len(content) - _STOP_SIZE and content.endswith(react.STOP)
        return thought, "call" if is_whole else ""
    return thought, "answer" if not content or content.startswith(react.ANSWER_LABEL, thought) else ""


def _own_text(role: str, text: str) -> str:
    """The content without the reasoning markup that we write ourselves, which is no data."""
    if role == "assistant" and text.startswith(react.THINK_OPEN):
        return text[len(react.THINK_OPEN) :].replace(react.THINK_CLOSE, "", 1)
    return text


def _masked_end(messages: list[Message]) -> int | None:
    """The last message that has a text, where it is not trained."""
    last = next((n for n in range(len(messages) - 1, -1, -1) if messages[n]["content"]), 0)
    return last if messages[last]["role"] != "assistant" or not is_trained(messages[last]) else None


def check_file(place: str, workers: Workers) -> Totals:
    """What a check of every record finds in a file, or a folder or URL of shards, JSONL or Parquet; counts characters.

    Rows of shards are numbered as in the one file that they are when joined in order. Raises ConfigError where there is
    something else than training records.
    """
    # Cut only where several processes share a file: one process reads it whole, without a count of lines beforehand.
    parts = numbered([part for file in files_of(place) for part in _file_parts(file, workers.alone)], workers.in_order)
    totals = Totals(unit="character")
    before = 0
    # Shards are reported as the one file that they make, so their rows continue the count.
    for part, found in zip(parts, workers.in_order(_check_part, parts), strict=True):
        if part.start == 0:
            before = totals.rows
        found.faults = [msgspec.structs.replace(fault, row=fault.row + before) for fault in found.faults]
        totals.add(found)
    if not totals.rows:
        raise ConfigError(f"{place}: no rows")
    return totals


def _file_parts(file: str, whole: bool) -> list[Part]:
    if file.endswith(".parquet"):
        return parts_of(file, 0)  # by row group
    size = size_of(file)
    return cut(file, size, size if whole else _PART)


def _check_part(part: Part) -> Totals:
    totals = Totals(unit="character")
    for line, record in records_of(part):
        check_record(record, line, totals)
    return totals
