"""Inputs of several kinds that are large enough to be divided, for the tests of conversion in parts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from mix_data import agent_row, chat_row, jsonl


def several_inputs(folder: Path) -> list[Path]:
    """A JSONL file of 3 MB with two bad lines, a CSV, a Parquet file, a JSON array and a transcript; four rows are
    none."""
    rows = [json.dumps(agent_row(number), ensure_ascii=False).encode() for number in range(2500)]
    rows[1800:1800] = [b"{broken", b"", b'{"of": "nothing that is known"}']
    (folder / "agent.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(rows))
    with (folder / "chat.csv").open("w", newline="") as table:
        lines = csv.writer(table)
        lines.writerow(["instruction", "output"])
        lines.writerows([f"Tell me,\nof {number}", f'"{number}" is a number. ' * 40] for number in range(1500))
        lines.writerow(["alone"])
    (folder / "chat.json").write_text(json.dumps([chat_row(number) for number in range(50)]))
    (folder / "session.jsonl").write_bytes(jsonl([*transcript("a"), *transcript("b"), {"nobody": "knows it"}]))
    return [folder / name for name in ("agent.jsonl", "chat.csv", parquet(folder), "chat.json", "session.jsonl")]


def parquet(folder: Path) -> str:
    import pyarrow
    import pyarrow.parquet

    rows = [{**chat_row(number), "id": f"{number:04}" * 300} for number in range(2000)]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows), folder / "chat.parquet", compression="none", row_group_size=300
    )
    return "chat.parquet"


def transcript(session: str) -> list[dict[str, Any]]:
    """The lines of one session of a coding agent."""
    call = [{"type": "tool_use", "id": "t", "name": "Write", "input": {}}]
    result = [{"type": "tool_result", "tool_use_id": "t", "content": "written"}]
    said = [("user", "go"), ("assistant", call), ("user", result), ("assistant", "Done.")]
    return [
        {"type": role, "sessionId": session, "message": {"role": role, "content": content}} for role, content in said
    ]
