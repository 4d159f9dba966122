#!/usr/bin/env python3
"""What `swiftagent improve` gains on the demo's model: rounds of several seeds, each from a copy of one demo run.

benchmarks/improve.py --demo runs            # the folder that `swiftagent demo` wrote
benchmarks/improve.py --demo runs --seeds 1 --ask 100
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
    parser.add_argument("--demo", type=Path, default=Path("runs"))
    parser.add_argument("--work", type=Path, default=Path("improve-benchmark"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ask", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    print("seed  round  asked  tries right  lessons  gain in exact calls (95 %)  kept  minutes")
    for seed in range(args.seeds):
        runs = args.work / f"seed-{seed}"
        if not runs.exists():
            for name in ("demo", "demo-data"):
                shutil.copytree(args.demo / name, runs / name)
        started = time.monotonic()
        words = [sys.executable, "-m", "swiftagent", "improve", "demo", "--runs", runs, "--json", "--device", "cpu"]
        words += ["--data", ROOT / "datasets" / "heldout.jsonl", "--data", ROOT / "datasets" / "general_heldout.jsonl"]
        words += ["--ask", str(args.ask), "--rounds", str(args.rounds), "--tries", "1", "--seed", str(seed)]
        done = subprocess.run([*map(str, words), "--all-rounds"], stdout=subprocess.PIPE, check=True, text=True)
        minutes = (time.monotonic() - started) / 60
        for found in json.loads(done.stdout)["rounds"]:
            gain = found["gain"] or {}
            shown = "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**gain) if gain.get("low") is not None else "-"
            print(
                f"{seed:4}  {found['number']:5}  {found['asked']:5}  {found['verdicts'].get('right', 0):11}  "
                f"{sum(found['lessons'].values()):7}  {shown:26}  {'yes' if found['kept'] else 'no':4}  {minutes:7.1f}"
            )


if __name__ == "__main__":
    main()
