"""How fast `inspect --check` is: against ms-swift's own encode on one core, and without a model against `orjson.loads`.

    python benchmarks/inspect_speed.py mix.jsonl --model Qwen/Qwen2.5-7B-Instruct [--rows 2000] [--json]

wall: rows a second by the clock, at steady state: models, rows and processes are loaded before it starts. cpu: the same
by the processor time that was used, so that other work on the machine does not count; for all cores it is one core's
rate times their number. Goals: check 1.8 times encode, with parity 1.0; without a model at most 4 times `orjson.loads`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from swiftagent.backend import labels
from swiftagent.backend.template import open_trainer, quiet
from swiftagent.masks.check import check_record
from swiftagent.masks.pieces import Totals
from swiftagent.masks.view import read_records


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    facts = without_model(args.file)
    if args.model:
        facts |= with_model(args.file, args.model, args.rows)
    print(json.dumps(facts) if args.json else "\n".join(f"{name:<28} {value:,.2f}" for name, value in facts.items()))
    return 0


def without_model(path: Path) -> dict[str, float]:
    def parse() -> None:
        with path.open("rb") as lines:
            for line in lines:
                orjson.loads(line)

    def check() -> None:
        totals = Totals(unit="character")
        for line, record in read_records(path):
            check_record(record, line, totals)

    least = min(cpu(parse) for _ in range(3))
    return {"no_model_times_orjson": min(cpu(check) for _ in range(3)) / least}


def with_model(path: Path, model: str, most: int) -> dict[str, float]:
    with open_trainer(model) as trainer, quiet():
        source = labels.RowSource(path, trainer)
        count = len(source.offsets)
        numbers = list(range(0, count, max(1, count // most)))[:most]
        loaded = trainer.lazily_encoded(source.loaded)
        tokens = sum(len(loaded[source.place[number]]["input_ids"]) for number in numbers[:100]) / len(numbers[:100])
        encode = measure(lambda: [loaded[source.place[number]] for number in numbers], len(numbers))
        facts = {"rows": float(len(numbers)), "tokens_a_row": tokens, "encode_wall": encode[0], "encode_cpu": encode[1]}
        cores = len(os.sched_getaffinity(0))
        for name, parity in (("check", False), ("check_with_parity", True)):
            subject = labels.LabelJob(str(path), model, None, "{}", parity, False)
            labels._check_task((subject, numbers[:1]))  # opens the model
            one = measure(lambda: labels._check_task((subject, numbers)), len(numbers))  # noqa: B023 (called at once)
            facts[f"{name}_cpu"] = one[1] * cores
            with multiprocessing.get_context("fork").Pool(cores) as pool:
                pool.map(labels._check_task, [(subject, numbers[:8])] * cores, 1)  # caches are warm
                tasks = [(subject, numbers[start : start + 32]) for start in range(0, len(numbers), 32)]
                began = time.perf_counter()
                pool.map(labels._check_task, tasks, 1)
                facts[f"{name}_wall"] = len(numbers) / (time.perf_counter() - began)
            facts[f"{name}_times_encode_wall"] = facts[f"{name}_wall"] / encode[0]
            facts[f"{name}_times_encode_cpu"] = facts[f"{name}_cpu"] / encode[1]
        facts["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return facts


def measure(work: Callable[[], Any], rows: int) -> tuple[float, float]:
    """(rows a second by the clock, by processor time)."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return rows / (time.perf_counter() - began), rows / (time.process_time() - used)


def cpu(work: Callable[[], Any]) -> float:
    used = time.process_time()
    work()
    return time.process_time() - used


if __name__ == "__main__":
    raise SystemExit(main())
