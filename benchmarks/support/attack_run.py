"""What every attack shares: a command line under limits, measured, and a scripted server that stands for the model."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# The working folder would else come before PYTHONPATH, as with `python -m`.
START = "import runpy; runpy.run_module('swiftagent', run_name='__main__')"


class Outcome(NamedTuple):
    """One attack. fault: what went wrong, "" where it held. megabytes: the most that one process held."""

    part: str
    name: str
    fault: str = ""
    seconds: float = 0.0
    megabytes: int = 0


class Finished(NamedTuple):
    """A command line that has ended. code: negative where a signal ended it; None where it was killed at `seconds`."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float
    megabytes: int

    @property
    def fault(self) -> str:
        """What no input may cause: a traceback, the exit code of a bug, or no end."""
        if self.code is None:
            return f"no end within {self.seconds:.0f} s"
        if "Traceback (most recent call last)" in self.stderr + self.stdout or self.code == 1 or self.code < 0:
            return f"exit code {self.code}: {self.stderr.strip()[-300:]}"
        return ""


class Target(NamedTuple):
    """What is attacked: the checkout that holds the package, and a folder for the files of one attack."""

    checkout: Path
    folder: Path
    seed: int

    def inside(self, name: str) -> Target:
        folder = self.folder / name
        folder.mkdir(parents=True)
        return self._replace(folder=folder)

    def run(
        self,
        *words: str,
        seconds: float = 60.0,
        limits: dict[int, int] | None = None,
        environment: dict[str, str] | None = None,
        kill: int = signal.SIGKILL,
    ) -> Finished:
        """Run a command line in the folder; what is still running after `seconds` is killed with all that it started.

        limits: resource.RLIMIT_* -> its value.
        """
        plain = {"PYTHONPATH": str(self.checkout), "PATH": os.environ["PATH"], "HOME": str(self.folder)}
        began = time.monotonic()
        with (self.folder / ".stdout").open("w+b") as out, (self.folder / ".stderr").open("w+b") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", START, *words],
                cwd=self.folder,
                env={**plain, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                preexec_fn=lambda: [resource.setrlimit(which, (most, most)) for which, most in (limits or {}).items()],
            )
            code, peak = _ended(process, began + seconds, kill)
            lasted = time.monotonic() - began
            texts = [(file.seek(0), file.read().decode(errors="replace"))[1] for file in (out, errors)]
        return Finished(code, *texts, lasted, peak)


def _peak_so_far(pid: int) -> int:
    """The most memory that a process has held since it was started, in kilobytes; 0 where it has ended."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _ended(process: subprocess.Popen[bytes], deadline: float, kill: int) -> tuple[int | None, int]:
    """(exit code, or None where it had to be killed; megabytes)."""
    killed, peak = False, 0
    while True:
        peak = max(peak, _peak_so_far(process.pid))
        found, status, usage = os.wait4(process.pid, os.WNOHANG)
        if found:
            process.returncode = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # The peak of a child counts what its parent held when it was forked: below that, the samples are believed.
            own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            peak = usage.ru_maxrss if usage.ru_maxrss > own else peak
            return None if killed else process.returncode, peak >> 10
        if not killed and time.monotonic() > deadline:
            killed = True
            os.killpg(process.pid, kill)
        time.sleep(0.005)


@contextlib.contextmanager
def listening(handler: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of an HTTP server of which one function answers every request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            # A client that has had enough goes away.
            with contextlib.suppress(OSError):
                handler(self)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def reply(request: http.server.BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


class Model(NamedTuple):
    """A scripted model. words: of a command line, that take it. asked: when it was asked, in seconds."""

    words: list[str]
    asked: list[float]


@contextlib.contextmanager
def model(*texts: str) -> Iterator[Model]:
    """It writes one text after another, the last one for ever."""
    left, asked = list(texts), []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(time.monotonic())
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        text = left.pop(0) if len(left) > 1 else left[0]
        event = json.dumps({"choices": [{"delta": {"content": text}}]})
        reply(request, f"data: {event}\n\ndata: [DONE]\n\n".encode(), Content_Type="text/event-stream")

    with listening(answer) as url:
        yield Model(["--engine", "openai", "--base-url", f"{url}/v1", "--model", "scripted"], asked)


def step(tool: str, arguments: Any) -> str:
    """A ReAct step that calls a tool."""
    return f"Thought: look\nAction: {tool}\nAction Input: {json.dumps(arguments)}\nObservation:"


FINAL = "Thought: I now know the final answer\nFinal Answer: done"


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a part: attacks, failures, the slowest and the largest."""
    lines = [f"{'part':<10} {'attacks':>7} {'failed':>7} {'slowest s':>10} {'largest MB':>11}"]
    for part in dict.fromkeys(outcome.part for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.part == part]
        failed = sum(bool(outcome.fault) for outcome in own)
        slowest, largest = max(each.seconds for each in own), max(each.megabytes for each in own)
        lines.append(f"{part:<10} {len(own):>7,} {failed:>7} {slowest:>10.1f} {largest:>11}")
    return "\n".join(lines)
