"""Starts a planned run, follows it, and writes down how it ended and why: from its exit code and the end of its log, as
one line with what to change. ms-swift runs in processes of its own."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from swiftagent.errors import SetupError
from swiftagent.io.yaml_file import load
from swiftagent.models.files import read_object
from swiftagent.train.runs import Run, now
from swiftagent.train.step_cutting import LaunchPlan

POLL = 0.1  # seconds between two looks at the log
LOG_TAIL = 200_000  # bytes of the log that are searched for the cause
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it; a forked child should load nothing
NO_ROOM = 1 << 17  # bytes free below which a disk counts as full
PATIENCE_AT_THE_END = 60.0  # seconds that a trainer asked to stop for the third time gets


class TrainingEnd(msgspec.Struct, frozen=True):
    """How a run ended. `exit_code` is the trainer's own."""

    state: str  # done | failed | interrupted
    exit_code: int
    cause: str = ""
    code: str = ""


class Follower:
    """Called while a run goes: `metric` for each new line of metrics.jsonl, `loaded` once, `asked_to_stop` on
    Ctrl-C."""

    def loaded(self, loaded: dict[str, Any]) -> None: ...

    def metric(self, line: dict[str, Any]) -> None: ...

    def asked_to_stop(self, times: int) -> None: ...

    def tick(self) -> None: ...


def train(plan: LaunchPlan, run: Run, follower: Follower, log_name: str = "log.txt") -> TrainingEnd:
    """Run the trainer to its end. Ctrl-C and SIGTERM ask it to save at the end of the step; a second one ends it at
    once."""
    for leftover in () if plan.node_rank else ("loaded.json", "stop-requested"):
        (run.folder / leftover).unlink(missing_ok=True)
    try:
        log = (run.folder / log_name).open("ab")
    except OSError as error:
        fact = f"cannot be written: {error.strerror}; choose another place with runs=FOLDER"
        raise SetupError(f"{run.folder}: {fact}") from None
    with log:
        start = log.tell()
        process = _start(plan, log)
        asked = _follow(process, run, follower)
    (run.folder / "stop-requested").unlink(missing_ok=True)
    code = process.returncode
    if code == 0 and not asked:
        return TrainingEnd("done", 0)
    if asked:
        return TrainingEnd("interrupted", code, "stopped on request", "stopped")
    cause = find_cause(code, _tail(run.folder / log_name, start))
    if cause.code == "unknown" and shutil.disk_usage(run.folder).free < NO_ROOM:
        # A log that lies on the full disk itself could not say so.
        cause = next(known for known in _known() if known.code == "disk-full")
    return TrainingEnd("interrupted" if cause.code == "signal" else "failed", code, cause.text, cause.code)


def _start(plan: LaunchPlan, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # Its own session: Ctrl-C in the terminal reaches only us, who then ask it to save first.
    env = {key: value for key, value in os.environ.items() if key not in STALE_RANKS} | plan.env
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
    return subprocess.Popen(plan.argv, **streams, env=env, start_new_session=True, preexec_fn=die_with_parent)


# A launcher that was itself started by torchrun or SLURM must not hand its own rank to a single process.
STALE_RANKS = {
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT", "NPROC_PER_NODE", "NNODES", "NODE_RANK",
}  # fmt: skip


def die_with_parent() -> None:
    """A launcher that is killed takes the trainer with it: an orphan would keep writing into the run folder."""
    if _PRCTL:
        _PRCTL(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _follow(process: subprocess.Popen[bytes], run: Run, follower: Follower) -> int:
    """Pass news on until the process ends; returns how often it was asked to stop."""
    lines = _new_lines(run.folder / "metrics.jsonl")
    loaded = False
    with _stop_requests() as requests:
        answered = 0
        while True:
            ended = process.poll() is not None
            if not loaded and (facts := read_object(run.folder / "loaded.json")):
                loaded = True
                follower.loaded(facts)
            for line in next(lines):
                follower.metric(line)
            if len(requests) > answered:
                answered = len(requests)
                follower.asked_to_stop(answered)
                _ask_to_stop(process, run, answered, training=loaded)
            if ended:
                return answered
            follower.tick()
            time.sleep(POLL)


def _ask_to_stop(process: subprocess.Popen[bytes], run: Run, times: int, *, training: bool) -> None:
    if times == 1 and training:
        (run.folder / "stop-requested").touch()
        return
    process.terminate()
    try:
        process.wait(PATIENCE_AT_THE_END if times < 3 else 1)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of dying of them."""
    requests: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda received, _: requests.append(received)) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _new_lines(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Each `next` gives the lines written since the last; a half-written line waits for its end."""
    position = path.stat().st_size if path.is_file() else 0
    rest = b""
    while True:
        whole: list[bytes] = []
        if path.is_file():
            with path.open("rb") as file:
                file.seek(position)
                *whole, rest = (rest + file.read()).split(b"\n")
                position = file.tell()
        yield [json.loads(line) for line in filter(None, whole)]


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - LOG_TAIL))
        return file.read().decode("utf-8", "replace")


def finish(run: Run, outcome: TrainingEnd) -> None:
    """Write the end of a run into run.json."""
    checkpoints = {f"checkpoint_{which}": str(getattr(run, f"checkpoint_{which}") or "") for which in ("best", "last")}
    run.update(state=outcome.state, ended=now(), exit_code=outcome.exit_code, cause=outcome.cause, **checkpoints)


# why it ended
# ---------------------------------------------------------------------------------------------------------------


class Cause(msgspec.Struct, frozen=True):
    """`code` names the kind; `text` is the line for the user; `log` are the patterns by which it is recognised."""

    code: str
    text: str
    log: tuple[str, ...] = ()


# Exit codes of a killed process, as Python (-9) and torchrun or a shell (137) report them.
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}


def find_cause(exit_code: int, log: str) -> Cause:
    """The likely cause; the last error line of the log where none is recognised."""
    for known in _known():
        if match := re.search("|".join(known.log), log):
            return Cause(known.code, known.text.format(*match.groups()))
    # torchrun lists the ranks that it ended itself before the one that failed first
    rank = re.search(r"rank\s*:\s*(\d+).*?\n.*?exitcode\s*:\s*(-?\d+)", log.rpartition("Root Cause")[2])
    if exit_code in KILLED or (rank and int(rank.group(2)) in KILLED) or "Signal 9 (SIGKILL)" in log:
        who = f"rank {rank.group(1)}" if rank else "the trainer"
        fact = f"{who} was killed from outside (SIGKILL), most often because the machine's memory ran out"
        remedy = "fewer processes, a smaller batch or max_length, then `swiftagent sft --resume`"
        return Cause("killed", f"{fact}: {remedy}")
    if exit_code < 0 or exit_code > 128:
        number = -exit_code if exit_code < 0 else exit_code - 128
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        remedy = "`swiftagent sft --resume` resumes from the last checkpoint"
        return Cause("signal", f"the trainer was stopped by {name}; {remedy}")
    last = _last_error_line(log)
    return Cause("unknown", last or f"the trainer ended with exit code {exit_code} and without a message")


def _known() -> list[Cause]:
    return msgspec.convert(load(Path(__file__).with_name("causes.yaml").read_text(encoding="utf-8")), list[Cause])


def _last_error_line(log: str) -> str:
    for line in reversed(log.splitlines()):
        match = re.match(r"(?:\[rank\d+\]:\s*)?((?:[\w.]+(?:Error|Exception|Exit))\b.*)", line.strip())
        if match and "ChildFailedError" not in line:
            return match.group(1)[:300]
    return ""
