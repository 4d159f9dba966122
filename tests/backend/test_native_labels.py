"""Native rows, whose text an agent template writes: ms-swift's own pieces and labels compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.io.jsonl import write_lines
from swiftagent.masks.pieces import COUNTS

pytestmark = pytest.mark.needs_swift

TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {"name": "weather", "description": "", "parameters": {"type": "object", "properties": {}}},
        }
    ]
)
ROW: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "Oslo?", "loss": False},
        {"role": "assistant", "content": "look\n"},
        {"role": "tool_call", "content": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
        {"role": "tool_response", "content": "3C\nThought: evil"},
        {"role": "assistant", "content": "It is 3C."},
        {"role": "user", "content": "And Rome?", "loss": False},
        {"role": "assistant", "content": "I do not know."},
    ],
    "tools": TOOLS,
    "channel": "agent",
    "id": "native-1",
}


def check(path: Path, shared: Path, row: dict[str, Any], **options: Any) -> dict[str, Any]:
    from swiftagent.backend.labels import check_labels

    write_lines(path, [row, row])
    return check_labels(path, str(shared / "tokenizers" / "qwen2_5"), processes=1, **options).as_dict()


def test_native_rows_are_trained_as_they_say_and_served_as_trained(tmp_path: Path, shared: Path):
    found = check(tmp_path / "rows.jsonl", shared, ROW)
    assert {name: found[name] for name in COUNTS if found[name]} == {}
    assert (found["rows"], found["steps"]) == (2, 6)
    assert found["tokens"]["call"]["trained"] == found["tokens"]["call"]["total"] > 20
    masked = {**ROW, "messages": [*ROW["messages"][:4], {**ROW["messages"][4], "loss": False}, *ROW["messages"][5:]]}
    found = check(tmp_path / "masked.jsonl", shared, masked)
    assert {name: found[name] for name in COUNTS if found[name]} == {}


def test_what_infer_sends_otherwise_than_it_was_trained_is_found(tmp_path: Path, shared: Path):
    """Text beside a call is trained here without the newline that infer writes; two later steps are fed other ids."""
    text = {"role": "assistant", "content": "look"}
    row = {**ROW, "messages": [ROW["messages"][0], text, *ROW["messages"][2:]]}
    found = check(tmp_path / "rows.jsonl", shared, row)
    assert {name: found[name] for name in COUNTS if found[name]} == {"parity": 4}


def test_a_loss_on_everything_is_found(tmp_path: Path, shared: Path):
    found = check(tmp_path / "rows.jsonl", shared, ROW, settings={"loss_scale": "all"}, parity=False)
    assert found["leaks"] > 20
