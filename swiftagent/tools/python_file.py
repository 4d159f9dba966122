"""A file of plain Python functions as tools, run in a worker process with limits on time, memory and environment."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError, ToolError
from swiftagent.tools.processes import TOO_LARGE_CODE, supervised
from swiftagent.tools.source import STATE_FUNCTIONS, Options, ToolSource, scrubbed_environment
from swiftagent.trajectory.types import Json, Tool

_START = """
import sys
sys.path.insert(0, sys.argv[3])
from swiftagent.tools.worker import main
main(sys.argv[1], int(sys.argv[2]))
"""
_LONGEST_ANSWER = 64 << 20
_IMPORT_SECONDS, _END_SECONDS = 60.0, 5.0


class PythonFile:
    """The public functions of one file. A worker that hangs or dies is ended, and a fresh one is started for the next
    call."""

    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        self.name = path.stem
        self.options = options
        self._worker: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], Any] = lambda: None
        self._lock = threading.Lock()
        if not path.is_file():
            raise ConfigError(f"--tools {path}: no such file")
        try:
            listed = self._start()
        except ToolError as error:
            raise ConfigError(f"--tools {path}: cannot be imported: {error}") from None
        tools = [Tool(tool["name"], tool["description"], tool["parameters"]) for tool in listed["tools"]]
        # Together they set and read the state of a task, and no model is to call them.
        self.holds_state = {tool.name for tool in tools}.issuperset(STATE_FUNCTIONS)
        self.tools = tuple(tool for tool in tools if not (self.holds_state and tool.name in STATE_FUNCTIONS))
        if not self.tools:
            self.close()
            raise ConfigError(f"--tools {path}: holds no public function; define one with type hints and a docstring")

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """Raises ToolError with what the function raised, or with the limit that it broke."""
        with self._lock:
            # The last call hung or broke a limit, and its worker was ended with it.
            if self._worker is None:
                self._start()
            request = json.dumps({"tool": tool, "arguments": arguments}).encode() + b"\n"
            answer = self._ask(request, self.options.seconds)
        if "error" in answer:
            raise ToolError(answer["error"])
        value, printed = answer["value"], answer.get("printed", "")
        return printed if value is None and printed else value

    def close(self) -> None:
        self._worker = None
        self._end()

    def _start(self) -> dict[str, Any]:
        package = str(Path(__file__).resolve().parents[2])
        command = [sys.executable, "-c", _START, str(self.path), str(self.options.memory), package]
        words, seen = supervised(command, _LONGEST_ANSWER), scrubbed_environment(self.options.environment)
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        # Ctrl-C stops the step, not the worker; and its children end with it.
        self._worker = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=null, env=seen, start_new_session=True)
        # No worker outlives its file, whoever forgets to close it.
        self._end = weakref.finalize(self, _end, self._worker)
        listed = self._ask(b"", _IMPORT_SECONDS)
        if listed["problem"]:
            self.close()
            raise ToolError(listed["problem"])
        return listed

    def _ask(self, request: bytes, seconds: float) -> dict[str, Any]:
        """Send a line and wait for the answer. Raises ToolError where the worker hangs, dies or says too much."""
        worker = self._worker
        assert worker is not None and worker.stdin is not None and worker.stdout is not None
        try:
            if request:
                worker.stdin.write(request)
                worker.stdin.flush()
            line = _read_line(worker.stdout.fileno(), time.monotonic() + seconds)
        except TimeoutError:
            self.close()
            raise ToolError(f"the tool did not answer within {seconds:g} seconds and was stopped") from None
        except (BrokenPipeError, EOFError):
            code = worker.wait()
            self.close()
            if code == TOO_LARGE_CODE:
                raise ToolError(f"the result is larger than {_LONGEST_ANSWER >> 20} MB") from None
            raise ToolError(f"the tool's process ended ({_ending(code)})") from None
        # An interrupt in the middle of a call: its answer must not be taken for the next one's.
        except BaseException:
            self.close()
            raise
        return dict(json.loads(line))


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End a worker and, through the process before it, all that its tools started."""
    # A request that was not taken is still in its pipe.
    with contextlib.suppress(OSError), worker:
        worker.terminate()
        try:
            worker.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)


def _read_line(descriptor: int, deadline: float) -> bytes:
    """Raises TimeoutError or EOFError."""
    pieces: list[bytes] = []
    while not pieces or not pieces[-1].endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError
        pieces.append(os.read(descriptor, 1 << 16))
        if not pieces[-1]:
            raise EOFError
    return b"".join(pieces)


def _ending(code: int) -> str:
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code if code < 0 else code - 128).name}"
    return f"exit code {code}"


def open_source(word: str, options: Options) -> list[ToolSource]:
    return [PythonFile(Path(word), options)]
