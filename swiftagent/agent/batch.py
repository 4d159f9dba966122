"""Many questions to one file of traces: several at a time, resumed where it stopped, one bad row harming no other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.agent.drive import Dialog, RequestRefused, Runtime
from swiftagent.agent.loop import Grammar, Limits, start
from swiftagent.agent.traces import trace
from swiftagent.errors import RowError, SetupError
from swiftagent.io.jsonl import BadRow, Row, encode, parse_json, writing
from swiftagent.io.rows import read_rows
from swiftagent.trajectory.types import Trajectory

_REFUSED_IN_A_ROW = 5


class Counts(msgspec.Struct):
    """Rows of a batch: answered now, failed now, done by an earlier run."""

    answered: int = 0
    failed: int = 0
    resumed: int = 0


class Asked(msgspec.Struct, frozen=True):
    """One input row: the questions that a user asks one after another, and a system prompt of its own."""

    row: int
    id: str
    questions: tuple[str, ...]
    system: str | None = None


def read_asked(row: int, given: Row) -> Asked:
    """A row as text, {"question"}, {"questions"} or {"messages"} with user turns. Raises RowError("bad-question", ...),
    or with what keeps it from being read."""
    if isinstance(given, BadRow):
        raise given.error
    raw = given.value if isinstance(given.value, (dict, str)) else {}
    value = {"question": raw} if isinstance(raw, str) else raw
    system = value.get("system")
    found = value.get("questions", value.get("question", value.get("query", value.get("prompt"))))
    if found is None and isinstance(value.get("messages"), list):
        messages = [message for message in value["messages"] if isinstance(message, dict)]
        found = [message.get("content") for message in messages if message.get("role") == "user"]
        system = next((message.get("content") for message in messages if message.get("role") == "system"), system)
    # Refused here, since a model would answer an empty question with something.
    questions = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    if not questions or not all(isinstance(text, str) and text.strip() for text in questions):
        need = "a row must hold question, questions or messages with user turns, all of them texts"
        raise RowError("bad-question", need)
    return Asked(row, str(value.get("id", row)), tuple(questions), system if isinstance(system, str) else None)


def run_batch(
    source: Path,
    target: Path,
    open_runtime: Callable[[], Runtime],
    before: Trajectory,
    limits: Limits,
    grammar: Grammar,
    jobs: int = 1,
    done_row: Callable[[Dialog | None], None] = lambda dialog: None,
) -> Counts:
    """Answer every row of `source` into `target`, one JSON line each with its row number.

    open_runtime: makes what one thread works with. done_row: called with each row's conversation, one at a time; None
    where it failed.
    Raises ConfigError where the input cannot be read, SetupError where the engine is gone for good.
    """
    done = _already_done(target)
    counts = Counts(resumed=len(done))
    local, lock = threading.local(), threading.Lock()
    # Requests in a row, after the last one that was answered.
    refused = 0

    def one(row: int, found: Row) -> None:
        nonlocal refused
        dialog: Dialog | None = None
        try:
            asked = read_asked(row, found)
            # A worker process of a Python tool answers one call at a time.
            if not hasattr(local, "runtime"):
                local.runtime = open_runtime()
            own = before if asked.system is None else start(before.tools, asked.system)
            dialog = Dialog(local.runtime, own, limits, grammar)
            out = _answered(dialog, asked)
            refused = 0
        except SetupError as error:
            refused += 1
            # Where the engine refuses so many in a row, it is not the row.
            if not isinstance(error, RequestRefused) or refused >= _REFUSED_IN_A_ROW:
                raise
            out = {"row": row, "error": str(error)}
        # The per-sample boundary: one bad row harms no other.
        except Exception as error:
            kind = "" if isinstance(error, RowError) else f"{type(error).__name__}: "
            out = {"row": row, "error": f"{kind}{error}"}
        with lock:
            counts.failed += "error" in out
            counts.answered += "error" not in out
            with writing(target, "--output"), target.open("ab") as lines:
                lines.write(encode(out) + b"\n")
            done_row(None if "error" in out else dialog)

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        try:
            rows = enumerate(read_rows(str(source)), 1)
            for future in as_completed([pool.submit(one, row, found) for row, found in rows if row not in done]):
                future.result()
        # Ctrl-C, or an engine that is gone: what runs is finished, what waits is left for the next time.
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return counts


def _answered(dialog: Dialog, asked: Asked) -> dict[str, Any]:
    """The traces of one row's questions."""
    for question in asked.questions:
        if dialog.ask(question).stopped_by == "interrupt":
            raise KeyboardInterrupt
    traces = [trace(turn) for turn in dialog.turns]
    return {"row": asked.row, "id": asked.id, **(traces[0] if len(traces) == 1 else {"turns": traces})}


# What each line of a file of traces begins with.
_BEGINS = b'{"row"'


def _already_done(target: Path) -> set[int]:
    """The rows that an earlier run wrote; a last line that it only began is cut away.

    Raises SetupError where the file holds anything else, which is left as it is.
    """
    with writing(target, "--output"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a+b") as lines:
            lines.seek(0)
            done: set[int] = set()
            whole = 0
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") and line.startswith(_BEGINS[: len(line)]):
                    break
                done.add(_row_of(line, f"--output {target}:{number}"))
                whole += len(line)
            os.truncate(target, whole)
    return done


def _row_of(line: bytes, place: str) -> int:
    try:
        value, _ = parse_json(line)
    except RowError:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("row"), int):
        raise SetupError(f"{place}: no trace of an earlier run, so nothing is written there; choose another place")
    return int(value["row"])
