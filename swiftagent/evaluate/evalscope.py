"""Public benchmarks through evalscope, where it is installed: it is run as a program and asks our own server, with the
prompts of training; its reports are read back.

These are evalscope's own scores of plain chat, each with the number of its questions. They come without an interval:
what evalscope reports is not scored row by row here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swiftagent.backend.loading import Loading
from swiftagent.errors import ConfigError, LaunchError, SetupError
from swiftagent.io.own_command import own_command

Sets = dict[str, dict[str, Any]]  # by name of the set: value, n, and what evalscope calls the score
_POLL = 0.1  # seconds between two looks at the server's log
_AT = " at http://"  # in the line that the server writes once it listens


def check_installed() -> None:
    """Raise SetupError where evalscope cannot be imported."""
    if importlib.util.find_spec("evalscope") is None:
        raise SetupError(f"--evalscope: evalscope is not installed; {sys.executable} -m pip install evalscope")


def serve_words(loading: Loading, name: str) -> list[str]:
    """The command that serves one model on a free port."""
    what = {"--adapter": loading.adapter} if loading.adapter else {"--model": loading.model}
    options = {**what, "--template": loading.template, "--model-type": loading.model_type, "--device": loading.device}
    given = [word for option, value in options.items() if value is not None for word in (option, value)]
    trust = ["--trust-remote-code"] if loading.trust_remote_code else []
    return own_command("serve", "--port", "0", "--name", name, *given, *trust)


def evalscope_words(
    name: str, url: str, sets: Sequence[str], limit: int | None, more: str | None, folder: Path
) -> list[str]:
    """The command that lets evalscope ask a server. more: its `--dataset-args`, JSON text."""
    words = [sys.executable, "-m", "evalscope.cli.cli", "eval", "--model", name, "--api-url", url, "--api-key", "EMPTY"]
    words += ["--eval-type", "openai_api", "--work-dir", str(folder), "--datasets", *sets]
    words += ["--limit", str(limit)] if limit is not None else []
    return [*words, "--dataset-args", more] if more else words


def run_sets(
    loading: Loading, name: str, sets: Sequence[str], limit: int | None, more: str | None, folder: Path
) -> Sets:
    """The scores of one model. Raises LaunchError with the log's place where the server or evalscope ends with an
    error."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with served(serve_words(loading, name), folder / "server.txt") as url:
        log = folder / "log.txt"
        with log.open("wb") as out:
            words = evalscope_words(name, url, sets, limit, more, folder)
            done = subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, cwd=folder, check=False)
    if done.returncode:
        raise LaunchError(
            f"evalscope on {', '.join(sets)} ended with exit code {done.returncode}: {_last(log)}; see {log}"
        )
    return read_reports(folder)


@contextlib.contextmanager
def served(words: list[str], log: Path) -> Iterator[str]:
    """The URL of a server that lives as long as the block. It writes to a file: a pipe that nobody reads would stop
    it."""
    # A file and not a pipe: a pipe that is not read would block the server.
    with log.open("wb") as out, subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=out) as server:
        try:
            yield _address(server, log)
        finally:
            server.terminate()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, once it does. Raises LaunchError where it ends before."""
    while True:
        ended = server.poll() is not None
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for line in lines:
            if _AT in line and line.endswith("\n"):
                return "http://" + line.partition(_AT)[2].split()[0]
        if ended:
            raise LaunchError(f"the server for evalscope did not start: {_last(log)}")
        time.sleep(_POLL)


def _last(log: Path) -> str:
    return (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it wrote nothing"])[-1][:300]


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
