"""Command lines that run on their own: a job outlives the server that started it, and its folder tells what became of
it.

A job folder holds job.json (the command), out (its stdout), log (its stderr), pid and, once it has ended, end (its exit
code). The command holds `lock`, so that a killed one is never taken for a running one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from filelock import FileLock, Timeout

from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import write_json
from swiftagent.io.own_command import own_command
from swiftagent.models.files import read_object

State = Literal["running", "done", "failed", "stopped"]
_TAIL, _LINES = 20_000, 100  # bytes and lines of a log that a page shows
_INTERRUPTED = 130
# Ctrl-C reaches both: the command ends by it, and the shell notes how.
_SHELL = 'trap : INT; "$@" >"$0/out" 2>"$0/log"; echo $? >"$0/end"'


class UiJob(msgspec.Struct, frozen=True):
    """One command line and what became of it. page: where it was asked for; result_at: the address that shows its
    result."""

    folder: Path
    argv: list[str]
    page: str
    result_at: str
    started: str

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def line(self) -> str:
        """The command as a terminal takes it."""
        return command_line([word for word in self.argv if word != "--json"])

    @property
    def state(self) -> State:
        with suppress(OSError, ValueError):
            code = int((self.folder / "end").read_text())
            return "done" if code == 0 else "stopped" if code == _INTERRUPTED else "failed"
        try:
            with FileLock(self.folder / "lock", timeout=0):
                return "stopped"
        except Timeout:
            return "running"

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
                os.killpg(int((self.folder / "pid").read_text()), signal.SIGINT)


class Jobs(msgspec.Struct, frozen=True):
    """The jobs of one working folder."""

    root: Path

    def start(self, argv: list[str], page: str, result_at: str = "") -> UiJob:
        """Start `swiftagent ARGV` in a session of its own. page: where it was asked for; result_at: the address that
        shows its result."""
        folder = self.root / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"
        folder.mkdir(parents=True)
        job = UiJob(folder, argv, page, result_at, time.strftime("%Y-%m-%d %H:%M:%S"))
        write_json(folder / "job.json", {**msgspec.structs.asdict(job), "folder": str(folder)})
        words = ["sh", "-c", _SHELL, str(folder.resolve()), *own_command(*argv)]
        with (folder / "lock").open("w") as lock:
            # It is held until the last of those that inherit it has ended.
            fcntl.flock(lock, fcntl.LOCK_EX)
            inherited, nothing = [lock.fileno()], subprocess.DEVNULL
            process = subprocess.Popen(
                words, stdin=nothing, start_new_session=True, pass_fds=inherited, preexec_fn=_take_interrupts
            )
        threading.Thread(target=process.wait, daemon=True).start()
        write_json(folder / "pid", process.pid)
        return job

    def find(self, name: str) -> UiJob:
        """Raises ConfigError where there is no such job."""
        folder = self.root / Path(name).name
        if not (folder / "job.json").is_file():
            raise ConfigError(f"{name}: no such job")
        return _read(folder)

    def all(self, page: str = "") -> list[UiJob]:
        """Newest first; those of one page where it is named."""
        found = [_read(path.parent) for path in self.root.glob("*/job.json")]
        return sorted((job for job in found if page in ("", job.page)), key=lambda job: job.id, reverse=True)


def command_line(argv: list[str]) -> str:
    return shlex.join(["swiftagent", *argv])


def _take_interrupts() -> None:
    """A server that was started in the background ignores Ctrl-C, and what it starts would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read(folder: Path) -> UiJob:
    facts = {"argv": [], "page": "/", "result_at": "", "started": "", **read_object(folder / "job.json")}
    return UiJob(folder, *(facts[name] for name in UiJob.__struct_fields__[1:]))


def log_tail(path: Path) -> str:
    """The end of a log, of each line what a progress bar left there; "" where there is none."""
    with suppress(OSError), path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _TAIL))
        lines = stream.read().decode("utf-8", "replace").splitlines()
        return "\n".join(line.rpartition("\r")[2] for line in lines[-_LINES:])
    return ""
