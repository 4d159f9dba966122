"""The files of a mix: written under other names beside their places, synced, and put in place together, the mix
last."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from swiftagent.errors import SetupError
from swiftagent.io.jsonl import require_regular
from swiftagent.io.workers import Workers

_BUCKETS = 256
_SEGMENT = 8 << 20  # bytes that one task writes
_SHARD = re.compile(r"train-\d{5,}-of-\d{5,}\.(jsonl|parquet)")


class Outputs(msgspec.Struct, frozen=True):
    """Where everything of one mix lies: for x.jsonl x.val.jsonl, x.manifest.json, x.report.json and x.rejects.jsonl."""

    mix: Path
    report: Path
    rejects: Path
    shards: int = 0  # of the rows to train on, in a folder; 0: one file
    kind: Literal["jsonl", "parquet"] = "jsonl"  # of the shards

    @property
    def stem(self) -> str:
        return self.mix.name.removesuffix(".jsonl")

    @property
    def val(self) -> Path:
        return self.mix.with_name(f"{self.stem}.val.jsonl")

    @property
    def manifest(self) -> Path:
        return self.mix.with_name(f"{self.stem}.manifest.json")

    @property
    def folder(self) -> Path:
        """Where shards lie: for x.jsonl the folder x."""
        return self.mix.with_name(self.stem)

    def shard(self, number: int) -> str:
        return f"train-{number:05d}-of-{self.shards:05d}.{self.kind}"

    def earlier(self) -> list[Path]:
        """The rows of an earlier mix under this output's name, in one file or in shards, and what says that they are
        whole."""
        shards = [path for path in self.folder.glob("train-*-of-*.*") if _SHARD.fullmatch(path.name)]
        return [path for path in (self.manifest, self.mix, *shards) if path.exists()]

    @property
    def work(self) -> Path:
        """The folder of what is not finished; a run that was killed goes on from it."""
        return self.mix.with_name(f".{self.mix.name}.work")


def outputs(
    mix: str,
    report: str | None = None,
    rejects: str | None = None,
    shards: int = 0,
    kind: Literal["jsonl", "parquet"] = "jsonl",
) -> Outputs:
    path = Path(mix)
    stem = path.name.removesuffix(".jsonl")
    return Outputs(
        path,
        Path(report) if report else path.with_name(f"{stem}.report.json"),
        Path(rejects) if rejects else path.with_name(f"{stem}.rejects.jsonl"),
        shards,
        kind,
    )


@contextmanager
def claimed(out: Outputs) -> Iterator[None]:
    """Hold the output and its work folder. Raises SetupError where another run holds it or it cannot be written."""
    require_regular(out.mix)
    lock = _lock(out)
    try:
        yield
    finally:
        if out.work.exists() and os.listdir(out.work) == ["lock"]:  # nothing was begun that one could go on with
            shutil.rmtree(out.work)
        os.close(lock)


def _lock(out: Outputs) -> int:
    while True:
        try:
            out.work.mkdir(parents=True, exist_ok=True)
            lock = os.open(out.work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise SetupError(f"cannot write {out.mix}: {error.strerror}; choose another place with -o") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise SetupError(f"{out.mix}: another run is writing it; wait for it or choose another -o") from None
        except OSError:
            pass  # a file system without locks
        if _is_still(lock, out.work / "lock"):
            return lock
        os.close(lock)  # the run that held it has just finished and removed it


def _is_still(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except OSError:
        return False


def clear(work: Path, keep: Collection[str] = ()) -> None:
    """Remove what an earlier run left in the work folder, but the lock and what `keep` names."""
    for path in work.iterdir():
        if path.name != "lock" and path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class Rows:
    """Records of the output by where they lie in spool files; 40 bytes a record."""

    def __init__(self) -> None:
        self.places = array("Q")  # the order in the output
        self.prints = array("Q")
        self.groups = array("Q")
        self.offsets = array("Q")
        self.lengths = array("I")
        self.spools = array("H")
        self.names: list[str] = []

    def __len__(self) -> int:
        return len(self.places)

    def spool(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def add_all(self, *columns: Iterable[int]) -> None:
        """Add records by their columns: places, prints, groups, spools, offsets and lengths."""
        own = (self.places, self.prints, self.groups, self.spools, self.offsets, self.lengths)
        for column, values in zip(own, columns, strict=True):
            column.extend(values)

    def in_order(self, indexes: Sequence[int]) -> Iterator[int]:
        """The indexes sorted by place; a part at a time, so that no list of all is made."""
        buckets = [array("I") for _ in range(_BUCKETS)]
        for index in indexes:
            buckets[self.places[index] >> 56].append(index)
        for bucket in buckets:
            yield from sorted(bucket, key=lambda index: (self.places[index], self.prints[index], index))


class _Segment(msgspec.Struct):
    """A stretch of an output file and where its records lie."""

    path: str
    folder: str
    names: list[str]
    start: int
    spools: bytes
    offsets: bytes
    lengths: bytes


def write_rows(path: Path, rows: Rows, order: Iterable[int], folder: Path, workers: Workers) -> int:
    """Write records in order to `path` (not yet synced), by all workers; returns the bytes written."""
    with path.open("wb"):
        pass
    segments, end = [], 0
    spools, offsets, lengths, start = array("H"), array("Q"), array("I"), 0
    for index in order:
        spools.append(rows.spools[index])
        offsets.append(rows.offsets[index])
        lengths.append(rows.lengths[index])
        end += rows.lengths[index]
        if end - start >= _SEGMENT:
            segments.append(_segment(path.absolute(), folder.absolute(), rows, start, spools, offsets, lengths))
            spools, offsets, lengths, start = array("H"), array("Q"), array("I"), end
    if lengths:
        segments.append(_segment(path.absolute(), folder.absolute(), rows, start, spools, offsets, lengths))
    for _ in workers.map(write_segment, segments):
        pass
    return end


def _segment(
    path: Path, folder: Path, rows: Rows, start: int, spools: array[int], offsets: array[int], lengths: array[int]
) -> _Segment:
    return _Segment(str(path), str(folder), rows.names, start, spools.tobytes(), offsets.tobytes(), lengths.tobytes())


def write_segment(segment: _Segment) -> None:
    """Copy records from spool files to their stretch of the output."""
    spools, offsets, lengths = array("H", segment.spools), array("Q", segment.offsets), array("I", segment.lengths)
    files = [os.open(Path(segment.folder) / name, os.O_RDONLY) for name in segment.names]
    target = os.open(segment.path, os.O_WRONLY)
    try:
        stretch = b"".join(map(os.pread, (files[spool] for spool in spools), lengths, offsets))
        if len(stretch) != sum(lengths):
            raise SetupError(f"{segment.folder}: a file of this run was cut short; run again")
        written = 0
        while written < len(stretch):
            written += os.pwrite(target, stretch[written:], segment.start + written)
    finally:
        for file in (*files, target):
            os.close(file)


def to_parquet(path: str) -> None:
    """Write the records of a JSONL file as Parquet in its place."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string()), ("loss", pyarrow.bool_())])
    schema = pyarrow.schema(
        [("messages", pyarrow.list_(message)), *((name, pyarrow.string()) for name in ("channel", "id", "source"))]
    )
    part = Path(path + ".parquet")
    with Path(path).open("rb") as lines, pyarrow.parquet.ParquetWriter(part, schema, compression="zstd") as out:
        while batch := [msgspec.json.decode(line) for line in itertools.islice(lines, 1000)]:
            out.write_table(pyarrow.Table.from_pylist(batch, schema))
    part.replace(path)


def put_in_place(parts: Sequence[tuple[Path, Path]], earlier: Iterable[Path] = ()) -> None:
    """Sync every part, then rename them in this order; the last is the mix itself, so a whole mix has all its
    companions.

    What lies there of an earlier mix goes first: killed in between, there is no mix rather than parts of two.
    """
    folders = {final.parent for _, final in parts}
    for part, final in parts:
        final.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb") as file:
            os.fsync(file.fileno())
    for path in earlier:
        path.unlink()
    for part, final in parts:
        part.replace(final)
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
