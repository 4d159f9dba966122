"""Time the default preflight of 10,000 rows without a GPU; it is to take under 20 s.

python benchmarks/preflight.py [--rows 10000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
LIMIT = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    import made

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made.make_tiny_model(work / "tiny")
        made.write_rows(work / "data.jsonl", rows)
        (work / "a.yaml").write_text(
            "model: tiny\ndata: data.jsonl\ngpus: 0\ntrain:\n  model_type: qwen2\n  template: qwen2_5\n  max_length: 1400\n"
        )
        began = time.monotonic()
        command = [sys.executable, "-m", "swiftagent", "doctor", "a.yaml", "--json"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        seconds = time.monotonic() - began
    found = json.loads(done.stdout)
    print(
        f"{found['data']['rows']:,} rows, {found['measured']['sampled']} measured: {seconds:.1f} s (limit {LIMIT:.0f} s)"
    )
    return int(seconds > LIMIT or not found["ok"])


if __name__ == "__main__":
    sys.exit(main())
