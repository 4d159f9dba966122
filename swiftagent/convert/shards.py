"""The rows of a conversion as files of nearly equal numbers in a folder, joined in order the one file that it would be
else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import msgspec

from swiftagent.convert.rows import Job, Output
from swiftagent.io.outputs import Outputs, put_in_place, to_parquet
from swiftagent.io.workers import Workers


def places_of(job: Job) -> Outputs:
    """Where everything lies: for x.jsonl shards in the folder x, what is not finished in a folder beside it."""
    return Outputs(job.output, job.report_path, job.rejects_path, job.shards, job.shard_format)


def problems_of(job: Job) -> list[str]:
    """What is wrong with the shards that are asked for."""
    found = []
    if job.shard_format == "parquet" and (not job.shards or job.to != "react"):
        found.append("--shard-format parquet needs --shards N, and is for training records (--to react)")
    if job.shards and (job.is_array or job.dataset_name):
        found.append("--shards writes .jsonl or Parquet files that no --dataset-name can stand for: name -o OUT.jsonl")
    elif job.shards:
        places = places_of(job)
        names = {places.shard(number) for number in range(job.shards)}
        other = sorted(path.name for path in places.folder.glob("*") if path.name not in names)
        if other:
            found.append(f"{places.folder}: holds {other[0]}, which a training run would read too; remove it")
    return found


class Pieces(Output):
    """Rows that become shards: the files that tasks have written stay as they are until then."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.files: list[tuple[Path, int]] = []

    def join(self, part: Path, count: int) -> None:
        self.files.append((part.rename(part.with_suffix(".rows")), count))

    def end(self) -> None:
        self.file.flush()
        self.files.append((Path(self.file.name), self.count))


class _Shard(msgspec.Struct):
    path: str
    rows: list[tuple[str, int, int]]  # (file, rows left out at its start, rows taken)
    parquet: bool


def write_shards(job: Job, rows: Pieces, workers: Workers) -> None:
    """Divide the rows among the shards, each written by a task, and put them in place."""
    places = places_of(job)
    count = sum(number for _, number in rows.files)
    parts, tasks = [], []
    for number in range(job.shards):
        first, last = (count * end // job.shards for end in (number, number + 1))
        part = (places.work / f"shard{number}.part").absolute()
        parts.append((part, places.folder / places.shard(number)))
        tasks.append(_Shard(str(part), list(_between(rows.files, first, last)), job.shard_format == "parquet"))
    for _ in workers.map(_write_shard, tasks):
        pass
    put_in_place(parts)


def _between(files: list[tuple[Path, int]], first: int, last: int) -> Iterator[tuple[str, int, int]]:
    """Where rows first to last of all files lie."""
    at = 0
    for file, count in files:
        skipped, end = max(0, first - at), min(count, last - at)
        if skipped < end:
            yield str(file.absolute()), skipped, end - skipped
        at += count


def _write_shard(shard: _Shard) -> None:
    with Path(shard.path).open("wb", buffering=1 << 20) as out:
        for file, skipped, taken in shard.rows:
            with Path(file).open("rb", buffering=1 << 20) as lines:
                out.writelines(islice(lines, skipped, skipped + taken))
    if shard.parquet:
        to_parquet(shard.path)
