"""The demo, run once for all tests that want a trained model: `demo_run.results`, `demo_run.checkpoint`, ..."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from filelock import FileLock

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
    # Where tests run in several processes, one of them runs it and the others read what came of it.
    session, kept = os.environ.get("PYTEST_XDIST_TESTRUNUID", ""), out / "demo_run.json"
    with FileLock(out / "demo_run.lock"):
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        if not session or known.get("session") != session:
            known = {"session": session, **_run(out)}
            kept.write_text(json.dumps(known), encoding="utf-8")
    results = known["results"]
    checkpoint = Path(results["checkpoint"])
    return DemoRun(out, checkpoint.parent, checkpoint, root / "datasets" / "tiny-base", results, known["stderr"])


def _run(out: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "swiftagent", "demo", "-o", out, "--name", NAME, "--author", AUTHOR, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=out, timeout=1800)
    assert done.returncode == 0, done.stderr[-4000:]
    return {"results": json.loads(done.stdout), "stderr": done.stderr}
