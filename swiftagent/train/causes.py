"""Why a training run ended: its exit code and the end of its log, as one line with what to change."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import msgspec

from swiftagent.io.yaml_file import load


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


def disk_full() -> Cause:
    """For a log that could not be written, since it lies on the full disk itself."""
    return next(known for known in _known() if known.code == "disk-full")


def _known() -> list[Cause]:
    return msgspec.convert(load(Path(__file__).with_name("causes.yaml").read_text(encoding="utf-8")), list[Cause])


def _last_error_line(log: str) -> str:
    for line in reversed(log.splitlines()):
        match = re.match(r"(?:\[rank\d+\]:\s*)?((?:[\w.]+(?:Error|Exception|Exit))\b.*)", line.strip())
        if match and "ChildFailedError" not in line:
            return match.group(1)[:300]
    return ""
