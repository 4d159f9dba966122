"""Exact tokens of training records: what ms-swift's own template makes of them, remembered by content on this machine.

counts = TokenCounts("Qwen/Qwen2.5-7B-Instruct")
counts.of([[{"role": "user", "content": "Hi", "loss": False}, ...]])  -> [(tokens, trained tokens)]
"""

from __future__ import annotations

import atexit
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from swiftagent.backend.template import Trainer, open_trainer
from swiftagent.errors import SetupError
from swiftagent.io.jsonl import decode, encode, whole_file
from swiftagent.io.shipped import user_folder
from swiftagent.io.workers import Workers, cores

Counts = tuple[int, int]
# Rows for which starting processes costs more than it saves.
_FEW, _A_TASK = 200, 64


class TokenCounts:
    """Counts records with one model's tokenizer and template, in all processes; what was counted once is not counted
    again."""

    def __init__(self, model: str) -> None:
        self._stack = ExitStack()
        self._trainer = self._stack.enter_context(open_trainer(model, settings={"max_length": None}))
        atexit.register(self._stack.close)
        self._path = _memory(model, self._trainer)
        self._known = _read(self._path)

    def of(self, records: Sequence[list[dict[str, Any]]]) -> list[Counts]:
        """(tokens, trained tokens) of each record's messages."""
        keys = [xxhash.xxh3_64_intdigest(encode(messages)) for messages in records]
        new = {key: messages for key, messages in zip(keys, records, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, _count_all(self._trainer, list(new.values())), strict=True))
            _write(self._path, self._known)
        return [self._known[key] for key in keys]

    def of_lines(self, lines: Sequence[bytes]) -> list[Counts]:
        """The same for records as JSON lines."""
        return self.of([decode(line)["messages"] for line in lines])


_trainer: list[Trainer] = []  # the one in use: forked processes find it here


def _count_all(trainer: Trainer, records: list[list[dict[str, Any]]]) -> list[Counts]:
    _trainer[:] = [trainer]
    with Workers(cores() if len(records) >= _FEW else 1) as workers:
        parts = [records[start : start + _A_TASK] for start in range(0, len(records), _A_TASK)]
        return [counts for part in workers.in_order(_count_part, parts) for counts in part]


def _count_part(records: list[list[dict[str, Any]]]) -> list[Counts]:
    rows = (_trainer[0].template.encode({"messages": messages}) for messages in records)
    return [(len(row["input_ids"]), sum(label != -100 for label in row["labels"])) for row in rows]


def _memory(model: str, trainer: Trainer) -> Path:
    """Where counts are kept: one file for a tokenizer, its template and ms-swift's version."""
    import swift

    tokenizer = trainer.tokenizer
    ids = tokenizer.encode("Zażółć 天气 {}")
    about = f"{swift.__version__}\0{trainer.template_name}\0{model}\0{len(tokenizer)}\0{ids}"
    root = user_folder("XDG_CACHE_HOME", ".cache") / "swiftagent" / "tokens"
    return root / f"{hashlib.sha256(about.encode()).hexdigest()[:24]}.msgpack"


def _read(path: Path) -> dict[int, Counts]:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=dict[int, Counts])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(path: Path, known: dict[int, Counts]) -> None:
    # What cannot be remembered is counted again.
    with suppress(SetupError), whole_file(path) as out:
        out.write(msgspec.msgpack.encode(known))
