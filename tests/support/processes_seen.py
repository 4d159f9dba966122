"""Processes as /proc has them."""

from __future__ import annotations

from pathlib import Path


def is_running(process: str) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return bool((Path("/proc") / process / "cmdline").read_bytes())
    except OSError:
        return False
