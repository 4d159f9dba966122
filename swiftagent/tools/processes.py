"""Processes of tools: each is ended with all that it started, and a line of its output has a largest size.

Run as a script it is the pipe between an MCP server and its client: `processes.py LARGEST COMMAND [ARGUMENT ...]`.
It imports the standard library alone, so that it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

MARK = "SWIFTAGENT_TOOL_PROCESS"
TOO_LARGE = "swiftagent: the answer is larger than"
_ROUNDS = 50


def marked(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a mark of its own, which all inherit that a process starts, in whatever session."""
    return {**environment, MARK: uuid.uuid4().hex}


def end_marked(mark: str) -> None:
    """Kill every process that inherited a mark; more than once, since one that is being copied is two afterwards."""
    for _ in range(_ROUNDS):
        found = list(_members(f"{MARK}={mark}".encode()))
        if not found:
            return
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _members(entry: bytes) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        # One that has ended, or is another user's.
        with contextlib.suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                yield int(folder.name)


def _pipe(largest: int, command: list[str]) -> int:
    """Hand on the output of a command until it ends, or a line of it is larger than `largest` bytes."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    assert server.stdout is not None
    length = 0
    try:
        while piece := os.read(server.stdout.fileno(), 1 << 16):
            last = piece.rfind(b"\n")
            length = length + len(piece) if last < 0 else len(piece) - last - 1
            if length > largest:
                print(f"{TOO_LARGE} {largest >> 20} MB", file=sys.stderr, flush=True)
                return 1
            _write_all(1, piece)
        return server.wait()
    finally:
        server.kill()
        server.wait()
        end_marked(os.environ[MARK])


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    sys.exit(_pipe(int(sys.argv[1]), sys.argv[2:]))
