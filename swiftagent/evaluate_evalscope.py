"""Public benchmarks through evalscope, where it is installed: `swift eval` runs them as a program, its reports are read back.

These are evalscope's own scores of plain chat, each with the number of its questions. They come without an interval: what
evalscope reports is not scored row by row here.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swiftagent.backend.engine import Loading
from swiftagent.errors import ConfigError, LaunchError, SetupError

Sets = dict[str, dict[str, Any]]  # by name of the set: value, n, and what evalscope calls the score


def check_installed() -> None:
    """Raise SetupError where evalscope cannot be imported."""
    if importlib.util.find_spec("evalscope") is None:
        raise SetupError(f"--evalscope: evalscope is not installed; {sys.executable} -m pip install evalscope")


def words(loading: Loading, sets: Sequence[str], limit: int | None, folder: Path) -> list[str]:
    """The command that evaluates one model."""
    options = {
        "--model": loading.model,
        "--adapters": loading.adapter,
        "--model_type": loading.model_type,
        "--template": loading.template,
        "--eval_output_dir": str(folder),
        "--eval_limit": limit,
    }
    given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return [sys.executable, "-m", "swift.cli.eval", *given, "--check_model", "false", "--eval_dataset", *sets]


def run_sets(loading: Loading, sets: Sequence[str], limit: int | None, folder: Path) -> Sets:
    """The scores of one model. Raises LaunchError with the log's place where evalscope ends with an error."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    with log.open("wb") as out:
        done = subprocess.run(words(loading, sets, limit, folder), stdout=out, stderr=subprocess.STDOUT, cwd=folder, check=False)
    if done.returncode:
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise LaunchError(f"`swift eval` on {', '.join(sets)} ended with exit code {done.returncode}: {last[:300]}; see {log}")
    return read_reports(folder)


def read_reports(folder: Path) -> Sets:
    """evalscope's JSON reports below a folder, the newest of each set. Raises ConfigError where there is none."""
    found: Sets = {}
    for path in sorted(folder.rglob("reports/**/*.json"), key=lambda path: path.stat().st_mtime):
        report = json.loads(path.read_text(encoding="utf-8"))
        metrics = report.get("metrics") or [{}]
        name = str(report.get("dataset_name") or path.stem)
        found[name] = {"value": report.get("score"), "n": metrics[0].get("num"), "score": metrics[0].get("name")}
    if not found:
        raise ConfigError(f"{folder}: evalscope left no report there")
    return found
