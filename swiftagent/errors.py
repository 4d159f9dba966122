"""Every failure that a user can cause, as one small tree, and text from outside as an error or a terminal shows it;
anything else that is raised is a bug."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

# What moves the cursor, changes the terminal or the direction of text, or is seen by no reader: controls but tab and
# newline, marks of direction, line and paragraph separators, halves of surrogate pairs, tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)

_MACHINE_IS_FULL = {
    errno.EMFILE: "raise the limit with `ulimit -n 4096`, or use fewer processes",
    errno.ENFILE: "the machine has too many open files; end other programs",
    errno.ENOSPC: "make room on that disk, or choose another place",
    errno.EDQUOT: "make room in your quota, or choose another place",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), or choose another place",
    errno.ENOMEM: "end other programs, or use fewer processes",
    errno.EAGAIN: "the limit of processes is reached (`ulimit -u`); use fewer",
}


def remedy_of(error: OSError) -> str:
    """What helps against a limit of the machine; "" where the error is about something else."""
    return _MACHINE_IS_FULL.get(error.errno or 0, "")


def visible(text: str) -> str:
    """Text from outside with such characters as escapes, so that it shows all of itself and steers no terminal."""
    return _UNSEEN.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def reason_in(log: str) -> str:
    """The last line of a program's output that names an error, else its last line; "" where it wrote nothing."""
    lines = [line.strip()[:300] for line in log.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")


class SwiftAgentError(Exception):
    """A failure that is reported in one line for each problem: place, fact, remedy. `exit_code` is the program's."""

    exit_code = 1
    has_result = False  # whether it is the verdict on a result that was printed before it

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__(self.message)
        self.where = ""

    @property
    def message(self) -> str:
        return "\n".join(self.problems)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class ConfigError(SwiftAgentError):
    """Wrong arguments or a wrong config. Holds every problem found, not the first alone."""

    exit_code = 2


def refuse(problems: Mapping[str, object]) -> None:
    """Raise ConfigError with every problem that is so."""
    if found := [problem for problem, is_so in problems.items() if is_so]:
        raise ConfigError(found)


class RowError(SwiftAgentError):
    """One row of data that cannot be used. `code` is the reason that the ledger counts."""

    exit_code = 3

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{super().__str__()} [{self.code}]"


class RejectsError(SwiftAgentError):
    """More rows were rejected than `--max-rejects` allows; the output is written whole before it is raised."""

    exit_code = 3


class SetupError(SwiftAgentError):
    """Something is missing on this machine, or an output is in use; the message names the remedy."""

    exit_code = 4


class LaunchError(SwiftAgentError):
    """The trainer failed: its exit code, the likely cause and where its log is."""

    exit_code = 5


class CheckError(SwiftAgentError):
    """`inspect --check` found a fault, or an export would not equal its model."""

    exit_code = 6


class FaultsError(CheckError):
    """`inspect --check` found faults, which its result lists."""

    has_result = True


class GateError(SwiftAgentError):
    """The evaluation gate failed."""

    exit_code = 7
    has_result = True


class ToolError(Exception):
    """For the model, never for the user: its text becomes the Observation and the run continues."""


@contextmanager
def at(where: str) -> Iterator[None]:
    """Add a place (`file:line`) to a SwiftAgentError raised inside; the innermost place wins."""
    try:
        yield
    except SwiftAgentError as error:
        error.where = error.where or where
        raise
