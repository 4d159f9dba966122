"""The process between a tool's program and this one: with it the program ends, and all that the program started.

Run as a script: `processes.py LARGEST COMMAND [ARGUMENT ...]`. It imports the standard library alone, so that it starts
in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TOO_LARGE = "swiftagent: the answer is larger than"
TOO_LARGE_CODE = 125
# Of Linux's prctl.
_SUBREAPER, _DIES_WITH_PARENT = 36, 1
# Bytes of stderr that are handed on.
_MOST_NOISE = 1 << 20
_ROUNDS = 200
# Between two looks at who still runs.
_LOOK_SECONDS = 0.2


def supervised(command: Sequence[str], largest: int) -> list[str]:
    """The command with this process before it. largest: bytes of one line of its output."""
    return [sys.executable, "-I", "-S", __file__, str(largest), *command]


def main(largest: int, command: list[str]) -> int:
    """The exit code of the command, 128 and more where a signal ended it; TOO_LARGE_CODE where a line is too large.

    Two processes watch over it, and each ends everything where the other is gone: the program may kill the one that
    started it, and what is orphaned by that goes to the other.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run, first, (reads, writes) = os.getppid(), os.getpid(), os.pipe()
    _prctl(_SUBREAPER, 1)
    second = os.fork()
    try:
        if not second:
            _prctl(_SUBREAPER, 1)
            return _run(largest, command, first)
        os.close(writes)
        # The second has ended where the pipe has, of which the command knows nothing.
        while os.getppid() == run and not select.select([reads], [], [], _LOOK_SECONDS)[0]:
            pass
        return _exit_code(os.waitstatus_to_exitcode(os.waitpid(second, 0)[1])) if os.getppid() == run else 1
    finally:
        _end_descendants()


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def _run(largest: int, command: list[str], parent: int) -> int:
    pipe = subprocess.PIPE
    die = lambda: _prctl(_DIES_WITH_PARENT, signal.SIGKILL)  # noqa: E731
    program = subprocess.Popen(command, stdout=pipe, stderr=pipe, preexec_fn=die)
    try:
        _hand_on(program, largest, parent)
        return _exit_code(program.wait(1))
    except OverflowError:
        print(f"{TOO_LARGE} {largest >> 20} MB", file=sys.stderr, flush=True)
        return TOO_LARGE_CODE
    # It closed its output and runs on; or nobody reads it any more.
    except (subprocess.TimeoutExpired, BrokenPipeError):
        return 1
    finally:
        program.kill()


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _hand_on(program: subprocess.Popen[bytes], largest: int, parent: int) -> None:
    """Copy output until the program or this process's parent ends. Raises OverflowError for a line too large."""
    assert program.stdout is not None and program.stderr is not None
    out, errors = program.stdout.fileno(), program.stderr.fileno()
    waiting, length, noise = {out, errors}, 0, 0
    while out in waiting and os.getppid() == parent:
        ready = select.select(list(waiting), [], [], _LOOK_SECONDS)[0]
        # What it started holds its pipes.
        if not ready and program.poll() is not None:
            return
        for source in ready:
            piece = os.read(source, 1 << 16)
            if not piece:
                waiting.remove(source)
            elif source == errors:
                noise += len(piece)
                _write_all(2, piece if noise <= _MOST_NOISE else b"")
            else:
                last = piece.rfind(b"\n")
                length = length + len(piece) if last < 0 else len(piece) - last - 1
                if length > largest:
                    raise OverflowError
                _write_all(1, piece)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _end_descendants() -> None:
    """Kill all that the program started. A process whose parent ends becomes this one's child, whatever its session and
    environment; more than once, since one that forks is two afterwards."""
    for _ in range(_ROUNDS):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        found = list(_descendants())
        if not found:
            return
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def _descendants() -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The name of the program before it may hold brackets.
            parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(folder.name))
    waiting = [os.getpid()]
    while waiting:
        found = children.get(waiting.pop(), [])
        waiting += found
        yield from found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
