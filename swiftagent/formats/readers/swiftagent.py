"""The project's own training record, read back exactly."""

from __future__ import annotations

from typing import Any

from swiftagent.trajectory.record import from_record, is_record
from swiftagent.trajectory.types import Trajectory

ABOUT = "the training record that `mix` and `convert` write"
KEYS = frozenset(("channel",))
READS = KEYS | {"messages"}
SAMPLE = {
    "messages": [{"role": "user", "content": "Hello", "loss": False}, {"role": "assistant", "content": "Hi!"}],
    "channel": "general",
    "id": "1",
    "source": "rows.jsonl:1",
}


def looks_like(row: Any) -> bool:
    return is_record(row)


def parse(row: Any) -> Trajectory:
    return from_record(row)
