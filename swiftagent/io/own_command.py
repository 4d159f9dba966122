"""Our own commands as processes: what one command runs of another is what a user would run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from swiftagent.errors import SetupError


def own_command(*words: str) -> list[str]:
    """The command line of this installation's own `swiftagent WORDS`."""
    return [sys.executable, "-m", "swiftagent", *words]


def run_command(words: Sequence[str], log: Path, *, passes: Collection[int] = (0,)) -> str:
    """Run `swiftagent WORDS`; its stderr goes to `log`, its stdout comes back. passes: exit codes that are no failure.

    Raises SetupError with its last line where it fails, KeyboardInterrupt where it was interrupted.
    """
    done = subprocess.run(own_command(*words), capture_output=True, text=True)
    log.write_text(done.stderr, encoding="utf-8")
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode not in passes:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetupError(f"`swiftagent {words[0]}` ended with {done.returncode}: {last}; see {log}")
    return done.stdout
