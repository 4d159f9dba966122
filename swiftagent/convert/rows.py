"""What `convert` makes of one stream of rows, be it all of them or the part that one task was given."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import msgspec

from swiftagent.convert.reading import Ledger, Policy, read_trajectories, rejection
from swiftagent.errors import RowError
from swiftagent.formats.writers.table import writer_of
from swiftagent.io.jsonl import Row, encode, encode_texts
from swiftagent.io.outputs import Outputs, beside, outputs
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Trajectory


class Job(msgspec.Struct, frozen=True):
    """What `convert` does. `max_rejects` is a share of rows in, 1 = never fail. `test_share` of rows go to
    OUT.test.jsonl."""

    inputs: tuple[str, ...]
    output: Path
    policy: Policy = Policy()
    to: str = "react"
    prompt: PromptStyle = "auto"
    language: str = "auto"
    channel: str = ""
    max_rejects: float = 0.01
    test_share: float = 0.0
    dataset_name: str = ""
    report: Path | None = None
    rejects: Path | None = None
    shards: int = 0  # files that the rows become, in a folder; 0: one file
    shard_format: Literal["jsonl", "parquet"] = "jsonl"

    @property
    def places(self) -> Outputs:
        return outputs(self.output, self.report, self.rejects, self.shards, self.shard_format)

    @property
    def test_path(self) -> Path:
        return beside(self.output, ".test" + (".json" if self.is_array else ".jsonl"))

    @property
    def is_array(self) -> bool:
        return self.output.suffix == ".json"


class Spool:
    """Rows as JSONL, or as one JSON array; a part of an array has no brackets, and `join` concatenates parts."""

    def __init__(self, file: IO[bytes], array: bool = False, part: bool = False) -> None:
        self.file = file
        self.array = array
        self.opening = b"" if part else b"[\n"
        self.count = 0

    def put(self, line: bytes) -> None:
        if self.array:
            self.file.write((b",\n" if self.count else self.opening) + line)
        else:
            self.file.write(line + b"\n")
        self.count += 1

    def join(self, part: Path, count: int) -> None:
        """Append the `count` rows of a part."""
        if self.array and count:
            self.file.write(b",\n" if self.count else self.opening)
        with part.open("rb") as rows:
            shutil.copyfileobj(rows, self.file, 1 << 20)
        self.count += count

    def end(self) -> None:
        if self.array:
            self.file.write(b"\n]\n" if self.count else b"[]\n")
        self.file.flush()


class Spools(NamedTuple):
    """The open files of a conversion; `test` is `out` where no share is held out, `decisions` `rejects` where no step
    decides anything."""

    out: Spool
    test: Spool
    rejects: Spool
    decisions: Spool


def convert_rows(job: Job, rows: Iterable[Row], files: Spools) -> tuple[Ledger, dict[str, int]]:
    """Write what every row becomes; returns the ledger and what the written format cannot hold, counted by code."""
    write = writer_of(job.to, job.prompt, job.language)
    ledger = Ledger()
    losses: dict[str, int] = {}
    # A record holds texts and flags alone, which the faster encoder writes with the same bytes.
    write_bytes = encode_texts if job.to == "react" else encode

    def put_reject(reject: dict[str, Any]) -> None:
        files.rejects.put(encode(reject))

    step, channel, test_share = job.policy.step, job.channel, job.test_share
    for found in read_trajectories(rows, job.policy, ledger, put_reject):
        try:
            row, lost = write(msgspec.structs.replace(found, channel=channel) if channel else found)
            if lost and "mask-widened" in lost and not _trains(row):
                raise RowError("nothing-trained", f"{job.to} masks whole steps, of which each has a masked part here")
            line = write_bytes(row)
        except Exception as error:  # of this one row
            refused = rejection(found.source, error, to_record(found))
            ledger.retract(refused["code"])
            put_reject(refused)
            continue
        for code in lost:
            losses[code] = losses.get(code, 0) + 1
        (files.test if test_share and _is_test(found, test_share) else files.out).put(line)
        if step:
            _put_decisions(step, files.decisions)
    _put_decisions(job.policy.step, files.decisions)
    return ledger, losses


def _put_decisions(step: Any, decisions: Spool) -> None:
    for decision in step.drain() if step else ():
        decisions.put(encode(decision))


def _trains(row: dict[str, Any]) -> bool:
    """Whether a message of a row with masks is trained (openai, native)."""
    by_model = [message for message in row["messages"] if message["role"] in ("assistant", "tool_call")]
    return any(message.get("loss", True) and message.get("weight", 1) for message in by_model)


def _is_test(trajectory: Trajectory, share: float) -> bool:
    """By a hash of the conversation, so that a row and its copies land on one side."""
    import hashlib  # which loads OpenSSL

    digest = hashlib.blake2b(encode(trajectory.events), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
