"""The work of one process: raw rows of one file become training records in a spool file, each with its size.

The parent gets a few bytes a record, by which it decides what is taken without reading a row again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import xxhash

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row, encode, encode_texts
from swiftagent.mix.augment import augmented
from swiftagent.mix.fingerprints import Fingerprint, fingerprint_of, needs_fingerprints
from swiftagent.mix.recipe import Filter, Recipe, Source
from swiftagent.mix.restraint import restraint_rows
from swiftagent.mix.rules import fill_in, left_out, too_long_or_short, train_only
from swiftagent.mix.scan import SourceFile, read_candidates
from swiftagent.mix.sizes import size_of
from swiftagent.mix.spool import RECORD, NotTaken
from swiftagent.trajectory.prompts import style_for
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Trajectory

LEFT_OUT = "left out by the recipe"


class MixTask(msgspec.Struct):
    """Rows of one file by their (offset, line), in the order of their offsets."""

    file: SourceFile
    source: Source
    recipe: Recipe
    places: list[tuple[int, int]]
    folder: str  # of spool files


class Converted(msgspec.Struct):
    """What a task made: its spool file, a row of RECORD for each record, where the recipe needs them their
    fingerprints, rows that became none (their rank is that in the task), its ledger."""

    spool: str
    records: Any
    fingerprints: list[Fingerprint]
    not_taken: list[NotTaken]
    ledger: dict[str, Any]


def convert(task: MixTask) -> Converted:
    """Convert the task's rows and append their records to this process's spool file."""
    path = Path(task.folder) / f"{_name_of(os.getpid())}.spool"
    with path.open("ab", buffering=1 << 20) as out:
        return _Conversion(task, out, path.name).run()


@cache
def _name_of(process: int) -> str:
    """A name that no other process has, on this machine or another."""
    return os.urandom(8).hex()


class _Conversion:
    def __init__(self, task: MixTask, out: IO[bytes], spool: str) -> None:
        self.task, self.out, self.spool = task, out, spool
        self.end = out.tell()
        self.row, self.value = -1, None
        self.records: list[tuple[int, ...]] = []
        self.fingerprints: list[Fingerprint] = []
        self.needs_fingerprints = needs_fingerprints(task.recipe)
        self.has_rules = bool(task.source.leave_out) or task.source.filter != Filter()
        self.not_taken: list[NotTaken] = []
        self.made: Counter[str] = Counter()
        self.ledger = Ledger()

    def run(self) -> Converted:
        options = Policy(format=self.task.source.format, merge=False)
        for trajectory in read_trajectories(self._rows(), options, self.ledger, self._reject):
            self._take(trajectory)
        ledger = {**self.ledger.as_dict(), "made": dict(self.made)}
        return Converted(self.spool, np.array(self.records, RECORD), self.fingerprints, self.not_taken, ledger)

    def _rows(self) -> Iterator[Row]:
        for number, row in enumerate(read_candidates(self.task.file, self.task.places)):
            self.row, self.value = number, row.value
            yield fill_in(row, self.task.source) if self.task.source.name else row

    def _take(self, trajectory: Trajectory) -> None:
        source = self.task.source
        code, kept = left_out(trajectory, source) if self.has_rules else ("", trajectory)
        if code:
            self._leave_out(trajectory.source, code)
            return
        recipe = self.task.recipe
        changed, ways = augmented(kept, recipe.augment) if recipe.augment else (kept, ())
        prompt = recipe.prompt
        # Augmentation asks for the style that the row would not have.
        if "prompt" in ways:
            prompt = "schema" if style_for(changed.tools, prompt) == "ms-agent" else "ms-agent"
        record = to_record(train_only(changed, source.train), prompt, recipe.language)
        record["channel"] = source.channel
        if not self._write(record, kept):
            return
        for way in ways:
            self.made[f"augmented-{way}"] += 1
        for kind, row in restraint_rows(kept, recipe.no_call) if recipe.no_call else ():
            if self._write(to_record(row, recipe.prompt, recipe.language), row, synthetic=True):
                self.made[kind] += 1

    def _write(self, record: dict[str, Any], trajectory: Trajectory, synthetic: bool = False) -> bool:
        """Append one record, unless its size is not what the recipe wants."""
        messages = encode_texts(record["messages"])
        # Hashed below too, so they are encoded once.
        line = encode({**record, "messages": msgspec.Raw(messages)}) + b"\n"
        size = size_of(record["messages"])
        if self.has_rules and (code := too_long_or_short(size, self.task.source.filter)):
            self._leave_out(record["source"], code)
            return False
        self.out.write(line)
        question = next((message["content"] for message in record["messages"] if message["role"] == "user"), "")
        group = xxhash.xxh3_64_intdigest(question.encode())
        hashes = (xxhash.xxh3_64_intdigest(messages), group)
        self.records.append((0, 0, self.row, synthetic, 0, self.end, len(line), *size, *hashes))
        self.end += len(line)
        if self.needs_fingerprints:
            self.fingerprints.append(fingerprint_of(trajectory, self.task.recipe))
        return True

    def _leave_out(self, source: str, code: str) -> None:
        self._reject({"source": source, "code": code, "message": LEFT_OUT, "row": self.value}, False)

    def _reject(self, reject: dict[str, Any], fault: bool = True) -> None:
        line = encode(reject) + b"\n"
        self.out.write(line)
        self.not_taken.append(NotTaken(self.row, reject["code"], 0, self.end, len(line), fault))
        self.end += len(line)
