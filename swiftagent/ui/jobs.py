"""Command lines that run on their own: a job outlives the server that started it, and its folder tells what became of
it.

A job folder holds job.json (the command), out (its stdout), log (its stderr), pid and, once it has ended, end.json. The
process that runs a job holds `lock`, so that a killed one is never taken for a running one.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import write_json
from swiftagent.io.own_command import own_command
from swiftagent.models.files import read_object

State = Literal["running", "done", "failed", "stopped"]
_TAIL, _LINES = 20_000, 100  # bytes and lines of a log that a page shows
_INTERRUPTED = (130, -signal.SIGINT)


class UiJob:
    """One command line and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        facts = read_object(folder / "job.json")
        self.argv: list[str] = [str(word) for word in facts.get("argv", [])]
        self.page = str(facts.get("page", "/"))
        self.started = str(facts.get("started", ""))
        self.result_at = str(facts.get("result_at", ""))

    @property
    def line(self) -> str:
        """The command as a terminal takes it."""
        return command_line([word for word in self.argv if word != "--json"])

    @property
    def state(self) -> State:
        end = read_object(self.folder / "end.json")
        if not end:
            return "running" if _is_locked(self.folder / "lock") else "stopped"
        code = end.get("code")
        return "done" if code == 0 else "stopped" if code in _INTERRUPTED else "failed"

    @property
    def log(self) -> str:
        """The end of what it wrote on stderr, without the trace of a progress bar."""
        return log_tail(self.folder / "log")

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object that it printed; {} where there is none (yet)."""
        with suppress(OSError, ValueError, IndexError):
            found = json.loads((self.folder / "out").read_text(encoding="utf-8").splitlines()[-1])
            return found if isinstance(found, dict) else {}
        return {}

    def stop(self) -> None:
        """Ask it to end as Ctrl-C does: a training run saves at the end of its step."""
        with suppress(OSError, ValueError):
            if self.state == "running":
                os.kill(int((self.folder / "pid").read_text()), signal.SIGINT)


class Jobs:
    """The jobs of one working folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self, argv: list[str], page: str, result_at: str = "") -> UiJob:
        """Start `swiftagent ARGV` in a session of its own. page: where it was asked for; result_at: the address that
        shows its result."""
        folder = self.root / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"
        folder.mkdir(parents=True)
        facts = {"argv": argv, "page": page, "result_at": result_at, "started": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(folder / "job.json", facts)
        runner = [sys.executable, "-m", "swiftagent.ui.jobs", str(folder.resolve())]
        subprocess.run(runner, stdin=subprocess.DEVNULL, check=True)
        return UiJob(folder)

    def find(self, name: str) -> UiJob:
        """Raises ConfigError where there is no such job."""
        folder = self.root / Path(name).name
        if not (folder / "job.json").is_file():
            raise ConfigError(f"{name}: no such job")
        return UiJob(folder)

    def all(self, page: str = "") -> list[UiJob]:
        """Newest first; those of one page where it is named."""
        found = [UiJob(path.parent) for path in self.root.glob("*/job.json")]
        return sorted((job for job in found if page in ("", job.page)), key=lambda job: job.id, reverse=True)


def command_line(argv: list[str]) -> str:
    return shlex.join(["swiftagent", *argv])


def run_job(folder: Path) -> int:
    """Run the job of a folder to its end, and write down how it ended. Returns the exit code."""
    argv = [str(word) for word in read_object(folder / "job.json")["argv"]]
    with FileLock(folder / "lock"), (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        # A Ctrl-C is meant for the command alone.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process = subprocess.Popen(own_command(*argv), stdout=out, stderr=log, preexec_fn=_take_interrupts)
        write_json(folder / "pid", process.pid)
        code = process.wait()
        write_json(folder / "end.json", {"code": code, "ended": time.strftime("%Y-%m-%d %H:%M:%S")})
    return code


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_locked(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def log_tail(path: Path) -> str:
    """The end of a log, of each line what a progress bar left there; "" where there is none."""
    with suppress(OSError), path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _TAIL))
        lines = stream.read().decode("utf-8", "replace").splitlines()
        return "\n".join(line.rpartition("\r")[2] for line in lines[-_LINES:])
    return ""


def run_detached(folder: Path) -> None:
    """Run the job in a process that has neither parent nor terminal; returns once the command has started."""
    if os.fork() == 0:
        os.setsid()
        os._exit(run_job(folder))
    while not any((folder / name).exists() for name in ("pid", "end.json")):
        time.sleep(0.01)


if __name__ == "__main__":
    run_detached(Path(sys.argv[1]))
