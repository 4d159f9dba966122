"""The rows of a conversion as files of nearly equal numbers in a folder, joined in order the one file that it would be else."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from swiftagent.convert_rows import Job
from swiftagent.mix_output import Outputs, put_in_place, to_parquet
from swiftagent.mix_workers import Workers


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


def write_shards(job: Job, rows: Path, count: int, workers: Workers | None) -> None:
    """Divide a JSONL file of `count` rows in the work folder, and put the shards in place."""
    places = places_of(job)
    parts = [(places.work / f"shard{number}.part", places.folder / places.shard(number)) for number in range(job.shards)]
    with rows.open("rb") as lines:
        for number, (part, _) in enumerate(parts):
            first, last = (count * end // job.shards for end in (number, number + 1))
            with part.open("wb", buffering=1 << 20) as out:
                out.writelines(islice(lines, last - first))
    if job.shard_format == "parquet":
        for _ in (workers or Workers(1)).map(to_parquet, [str(part.absolute()) for part, _ in parts]):
            pass
    put_in_place(parts)
