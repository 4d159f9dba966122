"""Rows a second of `convert` and `inspect --check` by one process, by two and by Ray on this machine, whole processes.

  python benchmarks/engines.py                  132,000 rows of benchmarks/mix.py (386 MB)
  python benchmarks/engines.py --ways 1 2       without Ray

Prints one JSON object; `same` says whether every way wrote the same bytes. Ray's start is part of its seconds and is
told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from mix import AGENT_ROWS, CHAT_ROWS, ROOT, generate, measure

SWIFTAGENT = [sys.executable, "-m", "swiftagent"]


def ray_start() -> float:
    """Seconds until a Ray of two cores has run one empty task."""
    code = (
        "from swiftagent.io.ray_workers import RayWorkers\nwith RayWorkers(None) as cluster:\n    "
        "list(cluster.in_order(str, '12'))"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    return time.perf_counter() - started


def best(argv: list[str], rounds: int) -> dict[str, float]:
    """The quickest of some runs."""
    seconds, cpu, peak = min(measure(argv) for _ in range(rounds))
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "output" / "bench-mix")
    parser.add_argument("--ways", nargs="+", default=["1", "2", "ray"], help="numbers of processes, or ray")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    inputs = [str(path) for path in generate(args.folder, 1)]
    rows = AGENT_ROWS + CHAT_ROWS
    found: dict[str, dict[str, object]] = {"convert": {}, "inspect --check": {}}
    written = []
    for way in args.ways:
        words = ["--engine", "ray"] if way == "ray" else ["-j", way]
        out = args.folder / f"engine-{way}.jsonl"
        figures = best([*SWIFTAGENT, "convert", *inputs, "-o", str(out), "-q", *words], args.rounds)
        found["convert"][way] = {**figures, "rows_a_second": round(rows / figures["seconds"])}
        written.append(out)
        figures = best([*SWIFTAGENT, "inspect", str(written[0]), "--check", "--json", *words], args.rounds)
        found["inspect --check"][way] = {**figures, "rows_a_second": round(rows / figures["seconds"])}
    same = all(subprocess.run(["cmp", "-s", written[0], other]).returncode == 0 for other in written[1:])
    start = round(ray_start(), 2) if "ray" in args.ways else None
    print(
        json.dumps(
            {"rows": rows, "cores": len(os.sched_getaffinity(0)), "same": same, "ray_start": start, **found}, indent=2
        )
    )


if __name__ == "__main__":
    main()
