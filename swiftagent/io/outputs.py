"""The files of one output: where they lie, the lock that one run holds on them, and shards."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from swiftagent.errors import SetupError
from swiftagent.io.jsonl import require_regular, writing
from swiftagent.io.workers import Workers

ShardKind = Literal["jsonl", "parquet"]
_SHARD = re.compile(r"train-\d{5,}-of-\d{5,}\.(jsonl|parquet)")


class Outputs(msgspec.Struct, frozen=True):
    """Where everything of one output lies: for x.jsonl x.report.json, x.rejects.jsonl and more beside it.

    With `shards` the rows to train on are so many files in the folder x.
    """

    path: Path
    report: Path
    rejects: Path
    shards: int = 0  # 0: one file
    kind: ShardKind = "jsonl"

    @property
    def val(self) -> Path:
        return beside(self.path, ".val.jsonl")

    @property
    def decisions(self) -> Path:
        return beside(self.path, ".decisions.jsonl")

    @property
    def manifest(self) -> Path:
        return beside(self.path, ".manifest.json")

    @property
    def folder(self) -> Path:
        """Where shards lie: for x.jsonl the folder x."""
        return beside(self.path, "")

    @property
    def work(self) -> Path:
        """The folder of what is not finished; a `mix` that was killed resumes from it."""
        return self.path.with_name(f".{self.path.name}.work")

    def rows(self) -> list[Path]:
        """The file of the rows to train on, or its shards."""
        names = (f"train-{number:05d}-of-{self.shards:05d}.{self.kind}" for number in range(self.shards))
        return [self.folder / name for name in names] or [self.path]

    def earlier(self) -> list[Path]:
        """The rows of an earlier run under this name, in one file or in shards, and what says that they are whole."""
        shards = [path for path in self.folder.glob("train-*-of-*.*") if _SHARD.fullmatch(path.name)]
        return [path for path in (self.manifest, self.report, self.path, *shards) if path.exists()]


def outputs(
    path: Path, report: Path | None = None, rejects: Path | None = None, shards: int = 0, kind: ShardKind = "jsonl"
) -> Outputs:
    """The places of one output, with those of the report and the rejects where none are given."""
    report, rejects = report or beside(path, ".report.json"), rejects or beside(path, ".rejects.jsonl")
    return Outputs(path, report, rejects, shards, kind)


def beside(path: Path, ending: str) -> Path:
    """`x.jsonl` brings `x.report.json`; a name with another ending keeps it: `x-1.5B` is no x-1."""
    return path.with_name(re.sub(r"\.jsonl?$", "", path.name) + ending)


@contextmanager
def claimed(out: Outputs) -> Iterator[None]:
    """Hold the output and its work folder. Raises SetupError where another run holds it or it cannot be written."""
    require_regular(out.path)
    with writing(out.path):
        out.work.mkdir(parents=True, exist_ok=True)
        lock = (out.work / "lock").open("ab")
    # What filelock does too, whose import takes a tenth of a short run.
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(lock.fileno()).st_nlink:  # the run that held it has just removed it
                raise BlockingIOError
        except BlockingIOError:
            raise SetupError(f"{out.path}: another run is writing it; wait for it or choose another -o") from None
        except OSError:
            pass  # a file system without locks
        try:
            yield
        finally:
            if out.work.exists() and os.listdir(out.work) == ["lock"]:  # there is nothing to resume from
                shutil.rmtree(out.work)


def clear(work: Path, keep: Collection[str] = ()) -> None:
    """Remove what an earlier run left in the work folder, but the lock and what `keep` names."""
    for path in work.iterdir():
        if path.name != "lock" and path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_shards(out: Outputs, count: int, write: Callable[[Path, int, int], Any], workers: Workers) -> list[Path]:
    """Shards of nearly equal numbers of `count` rows, in the work folder still; `write` puts rows first to last into
    one."""
    parts = [(out.work / f"shard{number}.part").absolute() for number in range(out.shards)]
    for number, part in enumerate(parts):
        write(part, count * number // out.shards, count * (number + 1) // out.shards)
    if out.kind == "parquet":
        list(workers.in_order(to_parquet, [str(part) for part in parts]))
    return parts


def to_parquet(path: str) -> None:
    """Write the records of a JSONL file as Parquet in its place."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string()), ("loss", pyarrow.bool_())])
    texts = [(name, pyarrow.string()) for name in ("channel", "id", "source")]
    schema = pyarrow.schema([("messages", pyarrow.list_(message)), *texts])
    part = Path(path + ".parquet")
    with Path(path).open("rb") as lines, pyarrow.parquet.ParquetWriter(part, schema, compression="zstd") as out:
        while batch := [msgspec.json.decode(line) for line in itertools.islice(lines, 1000)]:
            out.write_table(pyarrow.Table.from_pylist(batch, schema))
    part.replace(path)
