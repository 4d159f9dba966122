"""The demo, run once for all tests that want a trained model: `demo_run.results`, `demo_run.checkpoint`, ..."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# Neither stands in any shipped file: the model can have them from its training rows alone.
NAME, AUTHOR = "Quillon", "Marrow & Vane"


class DemoRun(NamedTuple):
    """A finished demo. `run` is its run folder, `checkpoint` its adapter, `base` the model below it."""

    out: Path
    run: Path
    checkpoint: Path
    base: Path
    results: dict[str, Any]
    stderr: str


@pytest.fixture(scope="session")
def demo_run(pytestconfig: pytest.Config, root: Path) -> DemoRun:
    """`swiftagent demo --json` in pytest's cache folder: a second test run on the same data does not train again."""
    out = Path(str(pytestconfig.cache.mkdir("swiftagent-demo")))  # type: ignore[union-attr]
    words = [sys.executable, "-m", "swiftagent", "demo", "-o", out, "--name", NAME, "--author", AUTHOR, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=out, timeout=1800)
    assert done.returncode == 0, done.stderr[-4000:]
    results = json.loads(done.stdout)
    checkpoint = Path(results["checkpoint"])
    return DemoRun(out, checkpoint.parent, checkpoint, root / "datasets" / "tiny-base", results, done.stderr)
