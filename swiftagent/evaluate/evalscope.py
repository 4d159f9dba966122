"""Public benchmarks through evalscope, where it is installed: it is run as a program and asks our own server, with the
prompts of training; its reports are read back.

These are evalscope's own scores of plain chat, each with the number of its questions. They come without an interval:
what evalscope reports is not scored row by row here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swiftagent.agent.loop import DEFAULT_LIMITS, Grammar
from swiftagent.errors import ConfigError, LaunchError, SetupError, reason_in

Sets = dict[str, dict[str, Any]]  # by name of the set: value, n, and what evalscope calls the score


def check_installed() -> None:
    """Raise SetupError where evalscope cannot be imported."""
    if importlib.util.find_spec("evalscope") is None:
        raise SetupError(f"--evalscope: evalscope is not installed; {sys.executable} -m pip install evalscope")


def evalscope_words(
    name: str, url: str, sets: Sequence[str], limit: int | None, more: str | None, folder: Path
) -> list[str]:
    """The command that lets evalscope ask a server. more: its `--dataset-args`, JSON text."""
    words = [sys.executable, "-m", "evalscope.cli.cli", "eval", "--model", name, "--api-url", url, "--api-key", "EMPTY"]
    words += ["--eval-type", "openai_api", "--work-dir", str(folder), "--datasets", *sets]
    words += ["--limit", str(limit)] if limit is not None else []
    return [*words, "--dataset-args", more] if more else words


def run_sets(
    engine: Any, grammar: Grammar, name: str, sets: Sequence[str], limit: int | None, more: str | None, folder: Path
) -> Sets:
    """The scores of one model. Raises LaunchError with the log's place where evalscope ends with an error."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    with served(engine, grammar, name) as url, log.open("wb") as out:
        words = evalscope_words(name, url, sets, limit, more, folder)
        done = subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, cwd=folder, check=False)
    if done.returncode:
        reason = reason_in(log.read_text(encoding="utf-8", errors="replace")) or "it wrote nothing"
        ended = f"ended with exit code {done.returncode}: {reason}"
        raise LaunchError(f"evalscope on {', '.join(sets)} {ended}; see {log}")
    return read_reports(folder)


@contextlib.contextmanager
def served(engine: Any, grammar: Grammar, name: str) -> Iterator[str]:
    """The URL at which our own server answers with a model as long as the block lasts."""
    import uvicorn

    from swiftagent.agent.serving.server import Settings, make_app

    app = make_app(engine, grammar, DEFAULT_LIMITS, Settings(name))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def read_reports(folder: Path) -> Sets:
    """evalscope's JSON reports below a folder, the newest of each set. Raises ConfigError where there is none."""
    found: Sets = {}
    for path in sorted(folder.rglob("reports/**/*.json"), key=lambda path: path.stat().st_mtime):
        report = json.loads(path.read_text(encoding="utf-8"))
        found[str(report.get("dataset_name") or path.stem)] = _main_score(report)
    if not found:
        raise ConfigError(f"{folder}: evalscope left no report there")
    return found


def _main_score(report: dict[str, Any]) -> dict[str, Any]:
    """What evalscope itself calls the score of a set; reports of evalscope 1.0 name it by its place, the first."""
    metrics = report.get("metrics") or [{}]
    identity = report.get("primary_metric_identity")
    chosen = next((metric for metric in metrics if identity and metric.get("identity") == identity), metrics[0])
    parts = [identity["name"], *identity.get("dimensions", {}).values()] if identity else []
    name = chosen.get("name") or " ".join(map(str, parts))
    return {"value": chosen.get("score"), "n": chosen.get("num"), "score": name or None}
