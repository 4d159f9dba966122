"""The work of one process: raw rows of one file become training records in a spool file, each with its size.

What a row became is told in a few bytes a record, so that the parent can decide what is taken without seeing a row
again.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import xxhash

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row, encode, encode_texts
from swiftagent.mix.augment import augmented
from swiftagent.mix.notes import Note, needs_notes, note_of
from swiftagent.mix.recipe import Recipe, Source
from swiftagent.mix.restraint import restraint_rows
from swiftagent.mix.rules import fill_in, left_out, too_long_or_short, train_only
from swiftagent.mix.scan import Places, SourceFile, read_places
from swiftagent.mix.sizes import size_of
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Trajectory

CARD = struct.Struct("<IQIIIIQQ")  # row of the task, offset, length, characters, tokens, trained tokens, print, group
LEFT_OUT = "left out by the recipe"
SYNTHETIC = 1 << 31  # set in the row of a CARD: a record made from the one before it


class Task(msgspec.Struct):
    """Rows of one file, in the order of their offsets. `copy` n > 0 is said in the ids of its records: ID#n."""

    file: SourceFile
    source: Source
    recipe: Recipe
    places: Places
    spool: str  # the folder that spool files go to


class Left(msgspec.Struct):
    """A row, or a part of one, that became no record: its line for rejects.jsonl lies in the spool too."""

    row: int
    code: str
    offset: int
    length: int
    fault: bool  # False where a rule of the recipe left it out, rather than a fault of its own


class Done(msgspec.Struct):
    """What a task made: its spool file, a CARD for each record and where the recipe needs them a note, rows left out,
    its ledger.

    The print of a record is a hash of its messages, its group a hash of its first question: what is one conversation.
    """

    spool: str
    cards: bytes
    notes: list[Note]
    left: list[Left]
    ledger: dict[str, Any]


def convert(task: Task) -> Done:
    """Convert the task's rows and append their records to this process's spool file."""
    path = Path(task.spool) / f"{_process_name()}.spool"
    with path.open("ab", buffering=1 << 20) as out:
        return _Conversion(task, out, path.name).run()


_names: dict[int, str] = {}


def _process_name() -> str:
    """A name that no other process has, on this machine or another."""
    return _names.setdefault(os.getpid(), uuid.uuid4().hex[:16])


class _Conversion:
    def __init__(self, task: Task, out: IO[bytes], spool: str) -> None:
        self.task = task
        self.out = out
        self.spool = spool
        self.end = out.tell()
        self.row = -1
        self.raw = b""
        self.value: Any = None
        self.cards = bytearray()
        self.notes: list[Note] = []
        self.noting = needs_notes(task.recipe)
        self.left: list[Left] = []
        self.made: Counter[str] = Counter()
        self.ledger = Ledger()

    def run(self) -> Done:
        options = Policy(format=self.task.source.format, merge=False)
        for trajectory in read_trajectories(self._rows(), options, self.ledger, self._rejected):
            self._take(trajectory)
        return self._done()

    def _done(self) -> Done:
        return Done(
            self.spool, bytes(self.cards), self.notes, self.left, {**self.ledger.as_dict(), "made": dict(self.made)}
        )

    def _rows(self) -> Iterator[Row]:
        for number, (raw, row) in enumerate(read_places(self.task.file, self.task.places)):
            self.row, self.raw, self.value = number, raw, row.value
            yield fill_in(row, self.task.source) if self.task.source.name else row

    def _take(self, trajectory: Trajectory) -> None:
        source = self.task.source
        code, kept = left_out(trajectory, source, self.raw)
        if code:
            self._leave({"source": trajectory.source, "code": code, "message": LEFT_OUT, "row": self.value}, False)
            return
        recipe = self.task.recipe
        changed, ways = augmented(kept, recipe.augment) if recipe.augment else (kept, [])
        prompt = recipe.prompt if "prompt" not in ways else "schema" if recipe.prompt == "ms-agent" else "ms-agent"
        record = to_record(train_only(changed, source.train), prompt, recipe.language)
        record["channel"] = source.channel
        if not self._write(record, self.row):
            return
        self.made.update(f"augmented-{way}" for way in ways)
        if self.noting:
            self.notes.append(note_of(kept, recipe))
        for kind, row in restraint_rows(kept, recipe.no_call) if recipe.no_call else ():
            if self._write(to_record(row, recipe.prompt, recipe.language), self.row | SYNTHETIC):
                self.made[kind] += 1
                if self.noting:
                    self.notes.append(note_of(row, recipe))

    def _write(self, record: dict[str, Any], row: int) -> bool:
        """Append one record, unless its size is not what the recipe wants."""
        messages = encode_texts(record["messages"])
        line = (
            b'{"messages":' + messages + b',"channel":' + encode(record["channel"]) + b',"id":' + encode(record["id"])
        )
        line += b',"source":' + encode(record["source"]) + b"}\n"
        size = size_of(record["messages"])
        if (code := too_long_or_short(size, self.task.source.filter)) != "":
            self._leave({"source": record["source"], "code": code, "message": LEFT_OUT, "row": self.value}, False)
            return False
        self.out.write(line)
        question = next((message["content"] for message in record["messages"] if message["role"] == "user"), "")
        group = xxhash.xxh3_64_intdigest(question.encode())
        self.cards += CARD.pack(row, self.end, len(line), *size, xxhash.xxh3_64_intdigest(messages), group)
        self.end += len(line)
        return True

    def _rejected(self, reject: dict[str, Any]) -> None:
        self._leave(reject, True)

    def _leave(self, reject: dict[str, Any], fault: bool) -> None:
        line = encode(reject) + b"\n"
        self.out.write(line)
        self.left.append(Left(self.row, reject["code"], self.end, len(line), fault))
        self.end += len(line)
