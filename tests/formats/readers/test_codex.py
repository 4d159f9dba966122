"""Codex transcripts: lines of sessions in one file become rows."""

from __future__ import annotations

from typing import Any

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.formats.readers.codex import SAMPLE
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought


def test_two_sessions_of_one_file() -> None:
    lines: list[dict[str, Any]] = [*SAMPLE, {"type": "session_meta", "payload": {"id": "t", "instructions": None}}]
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"}
    lines += [
        SAMPLE[1],
        {"type": "event_msg", "payload": {"type": "token_count"}},
        {"type": "response_item", "payload": thought},
    ]
    lines += [SAMPLE[4]]
    ledger = Ledger()
    first, second = read_trajectories(
        [Row(line, f"x:{number}") for number, line in enumerate(lines, 1)], Policy(), ledger
    )
    assert first.events == (
        *(Question("List"), Call("shell", {"command": "ls"}, "c0"), Observation("a.py", "c0"), Answer("a.py")),
    )
    assert second.events == (Question("List"), Thought("Hm."), Answer("a.py")) and (first.id, second.id) == ("s", "t")
    assert ledger.balanced and (ledger.rows_in, ledger.rows_out, ledger.merged) == (10, 2, 8)
