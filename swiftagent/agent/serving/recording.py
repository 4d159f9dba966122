"""Conversations that were served, as rows of OpenAI messages in a file: each once, whatever ends the server.

A conversation that continues gets a longer row behind the others, then its shorter row is blanked with spaces, so the
file can be read at any time. What a kill between the two leaves twice has one id, and the next start keeps the last.

Only what was sampled in a conversation is trained: in a branch and after a compaction, what the request brought along
has weight 0, so no turn is trained twice.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from swiftagent.console import warn
from swiftagent.errors import RowError, SetupError
from swiftagent.formats.writers.openai import render
from swiftagent.io.jsonl import encode, parse_json, put_in_place, unfinished, writing
from swiftagent.tools.secrets import Redactor, secrets_of
from swiftagent.trajectory.types import Event, Trajectory

# Bytes of blanks from which on they are left out of the file, where they are more than half of it.
MOST_BLANKS = 64 << 20
# What each row begins with.
_BEGINS = b'{"messages"'
_Row = dict[str, Any]
_Ids = Sequence[int]
_Headers = Mapping[str, str] | None


class Recording:
    """The file of recorded conversations. Raises SetupError where it cannot be written or holds other rows.

    model: what the rows say of who wrote them. One server at a time records into a file.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        self.model = model
        self._variables = secrets_of(os.environ)
        self._guard = threading.Lock()
        self._lock = FileLock(f"{path}.lock")
        # Row ids by the keys of the messages that were recorded last in a row at some time.
        self._known: dict[bytes, str] = {}
        # (first byte, bytes) of each row by its id.
        self._places: dict[str, tuple[int, int]] = {}
        with writing(path, "--record"):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise SetupError(f"--record {path}: another server records into it; choose another place") from None
            self._file = self._tidied()
        for name in self._places:
            row = self._read(name)
            for key, message in zip(_keys(row), row["messages"], strict=True):
                if message["role"] == "assistant" and "weight" not in message:
                    self._known[key] = name

    def add(
        self, history: Trajectory, reply: Sequence[Event], ids: _Ids = (), model: str = "", headers: _Headers = None
    ) -> None:
        """Record one finished turn. ids: the tokens that were sampled for it. headers: of the request, whose secrets
        are redacted too. A turn that cannot be written is reported, and the client still gets its reply."""
        given, _ = render(Trajectory((*history.events, *reply), history.tools))
        redacted: _Row = Redactor({**self._variables, **secrets_of(headers or {})}).value(given)
        # The tokens of a secret would spell it.
        if ids and redacted["messages"][-1] == given["messages"][-1]:
            redacted["messages"][-1]["token_ids"] = list(ids)
        with self._guard:
            keys = _keys(redacted)
            if keys[-1] in self._known:
                return
            try:
                row = {**self._joined(redacted, keys), "model": model or self.model}
                self._write(row)
                self._known[keys[-1]] = row["id"]
            except OSError as error:
                warn(f"--record {self.path}: {error.strerror}; a turn was not recorded")

    def close(self) -> None:
        """Leave the blanks out, and let others record."""
        self._file.close()
        self._tidied().close()
        self._lock.release()

    def _joined(self, row: _Row, keys: list[bytes]) -> _Row:
        """The row with what is recorded of its beginning: the same conversation where that is all of a row, else a
        branch of it."""
        messages = row["messages"]
        cut = next((size for size in range(len(messages) - 1, 0, -1) if keys[size - 1] in self._known), 0)
        earlier = self._read(self._known[keys[cut - 1]]) if cut else {"messages": []}
        # Readers renumber calls, so the ids of this request fit each other.
        ids, pairs = {"tool_calls", "tool_call_id"}, zip(earlier["messages"], messages[:cut], strict=False)
        before = [{**old, **{name: new[name] for name in ids.intersection(new)}} for old, new in pairs]
        after = [*map(_as_context, messages[cut:-1]), messages[-1]]
        if cut and cut == len(earlier["messages"]):
            return {**earlier, "messages": [*before, *after]}
        # A branch is called after what it parts from.
        name = f"{earlier['id']}.{secrets.token_hex(4)}" if cut else f"{self.path.stem}-{secrets.token_hex(8)}"
        return {**row, "id": name, "messages": [*map(_as_context, before), *after]}

    def _read(self, name: str) -> _Row:
        start, size = self._places[name]
        self._file.seek(start)
        row: _Row = parse_json(self._file.read(size))[0]
        return row

    def _write(self, row: _Row) -> None:
        line = encode(row) + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) < len(line):
                raise OSError(28, "the disk is full")
        except OSError:
            self._file.truncate(end)
            raise
        if row["id"] in self._places:
            start, size = self._places[row["id"]]
            self._file.seek(start)
            self._file.write(b" " * (size - 1))
        self._places[row["id"]] = (end, len(line))
        blanks = end + len(line) - sum(size for _, size in self._places.values())
        if blanks > MOST_BLANKS and 2 * blanks > end:
            self._file.close()
            self._file = self._tidied()

    def _tidied(self) -> BinaryIO:
        """The file, opened for writing, without blanks, rows that a longer one replaces, and a last line that was only
        begun."""
        with self.path.open("a+b") as old, unfinished(self.path) as [part]:
            old.seek(0)
            lines, end = dict[str, tuple[int, int]](), 0
            for line in old:
                if name := self._id_of(line):
                    lines[name] = (end, len(line))
                end += len(line)
            if sum(size for _, size in lines.values()) < end:
                with part.open("wb") as new:
                    for name, (start, size) in lines.items():
                        old.seek(start)
                        lines[name] = (new.tell(), new.write(old.read(size)))
                put_in_place([(part, self.path)])
        self._places = lines
        return self.path.open("r+b", buffering=0)

    def _id_of(self, line: bytes) -> str:
        """The id of a row; "" for blanks, also where a kill has left them or the row half written."""
        try:
            row, _ = parse_json(line)
        except RowError:
            is_begun = not line.endswith(b"\n") and line.startswith(_BEGINS[: len(line)])
            row = {"id": "", "messages": []} if line.startswith(b" ") or is_begun else None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or "messages" not in row:
            raise SetupError(f"--record {self.path}: it holds other rows than recorded ones; choose another place")
        return str(row["id"])


def _keys(row: _Row) -> list[bytes]:
    """One key for each message: of the tools and of what was said up to there. Reasoning and ids of calls do not count,
    since clients send them back or not."""
    digest = blake2b(encode(row.get("tools") or []), digest_size=16)
    keys = []
    for message in row["messages"]:
        calls = [call["function"] for call in message.get("tool_calls", ())]
        digest.update(encode([message["role"], calls or message["content"]]))
        keys.append(digest.digest())
    return keys


def _as_context(message: _Row) -> _Row:
    """A message that is not trained in this row."""
    if message["role"] != "assistant":
        return message
    return {**{name: value for name, value in message.items() if name != "token_ids"}, "weight": 0}
