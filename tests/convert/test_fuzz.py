"""A short run of the fuzzer; `scripts/fuzz_convert --rows 1000000` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_mutated_rows_of_every_format_end_in_no_traceback(root: Path) -> None:
    argv = [sys.executable, root / "scripts" / "fuzz_convert", "--rows", "1500", "--seed", "7"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"rows_in": 1500' in done.stdout
