#!/usr/bin/env python3
"""What `swiftagent improve` gains on the demo's model: rounds of several seeds, each from a copy of a demo run.

benchmarks/improve.py --demo runs            # the folder that `swiftagent demo` wrote
benchmarks/improve.py --demo runs --seeds 1 --ask 100

It trains on from the adapter at a rate below the demo's (1e-3 against 1.5e-3).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, nargs="+", default=[Path("runs")], help="a folder for each seed, or one")
    parser.add_argument("--work", type=Path, default=Path("improve-benchmark"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ask", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    print("seed  round  asked  tries right  lessons  gain in exact calls (95 %)  kept  minutes")
    for seed in range(args.seeds):
        runs = args.work / f"seed-{seed}"
        if not runs.exists():
            for name in ("demo", "demo-data"):
                shutil.copytree(args.demo[seed % len(args.demo)] / name, runs / name)
        started = time.monotonic()
        words = [sys.executable, "-m", "swiftagent", "improve", "demo", "--runs", runs, "--json", "--device", "cpu"]
        words += ["--data", ROOT / "datasets" / "heldout.jsonl", "--data", ROOT / "datasets" / "general_heldout.jsonl"]
        words += ["--ask", str(args.ask), "--rounds", str(args.rounds), "--tries", "1", "--seed", str(seed)]
        words += ["--on-adapter", "--set", "train.learning_rate=1e-3"]
        done = subprocess.run([*map(str, words), "--all-rounds"], stdout=subprocess.PIPE, check=True, text=True)
        minutes = (time.monotonic() - started) / 60
        print(f"{seed:4}      0  {measured(runs / 'demo')}")
        for found in json.loads(done.stdout)["rounds"]:
            gain = found["gain"] or {}
            shown = "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**gain) if gain.get("low") is not None else "-"
            cells = [f"{seed:4}", f"{found['number']:5}", f"{found['asked']:5}"]
            cells += [f"{found['verdicts'].get('right', 0):11}", f"{sum(found['lessons'].values()):7}", f"{shown:26}"]
            cells += ["yes " if found["kept"] else "no  ", f"{minutes:7.1f}", measured(runs / found["run"])]
            print("  ".join(cells), flush=True)


def measured(run: Path) -> str:
    """What the evaluation of a run found: exact calls, calls left out rightly, bits per byte of held-out chat."""
    tuned = json.loads((run / "eval" / "metrics.json").read_text(encoding="utf-8"))["tuned"]
    exact, alone, bits = (tuned[name] for name in ("call_exact", "no_call_recall", "bits_per_byte"))
    return (
        f"exact {round(exact['value'] * exact['n'])} of {exact['n']}, no call {alone['value']:.3f}, "
        f"bits/byte {bits['value']:.3f} ({bits['low']:.3f} to {bits['high']:.3f})"
    )


if __name__ == "__main__":
    main()
