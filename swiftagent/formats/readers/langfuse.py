"""Langfuse traces: observations, each with the input and the output of a call of a model, in the dialect of its
framework."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.readers import exchange, wrapped
from swiftagent.formats.reading.branches import each_once
from swiftagent.trajectory.types import Trajectory

ABOUT = "Langfuse traces: observations with input and output; of several that tell the same conversation the longest"
SAMPLE = {
    "trace": {"id": "t"},
    "observations": [
        {
            "type": "GENERATION",
            "name": "chat",
            "input": '[{"role": "user", "content": "Oslo?"}]',
            "output": '{"role": "assistant", "content": "The capital of Norway."}',
        }
    ],
}

KEYS = frozenset(("observations",))


def looks_like(row: Any) -> bool:
    told = row.get("observations") if type(row) is dict else None
    return isinstance(told, list) and any(type(item) is dict and "type" in item and _reader_of(item) for item in told)


def _reader_of(item: dict[str, Any]) -> Any:
    """Who reads an observation: its input and output together, or one of them that holds all."""
    return next((reader for reader in (exchange, wrapped) if reader.looks_like(item)), None)


def parse(row: Any) -> list[Trajectory]:
    """Every conversation once. Raises RowError where no observation can be read."""
    found: list[Trajectory] = []
    fault: RowError | None = None
    for item in row["observations"]:
        reader = _reader_of(item) if type(item) is dict else None
        try:
            pieces = reader.parse(item) if reader else []
        except RowError as error:
            fault = error
            continue
        found += pieces if isinstance(pieces, list) else [pieces]
    if not found:
        raise fault or RowError("not-a-conversation", "no observation holds a conversation")
    return each_once(found)
