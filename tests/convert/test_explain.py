"""What `convert --explain` says of the texts of one row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.convert.explain import explain, find_row
from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.wellformed import DEFAULT, Policy

RUN = {
    "messages": [
        {"role": "user", "content": "Tide at Nes?"},
        {"role": "assistant", "content": "Thought: I look.\nAction: tide\nAction Input: {}\nObservation: LOW 4"},
        {"role": "assistant", "content": "It is low.", "loss": False},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "Welcome."},
    ],
    "id": "q",
    "remark": "seen by Ann",
}


def fates(row: Any, policy: Policy = DEFAULT) -> dict[str, tuple[str, str]]:
    return {text.path: (text.fate, text.events) for text in explain(Row(row, "x:1"), policy).texts}


def test_each_text_of_a_row_has_its_fate_by_key_path() -> None:
    assert fates(RUN) == {
        "messages[0].role": ("metadata", ""),
        "messages[0].content": ("not trained", "question"),
        "messages[1].role": ("metadata", ""),
        "messages[1].content": ("trained", "thought, call, observation (not trained), tool (not trained)"),
        "messages[2].role": ("metadata", ""),
        "messages[2].content": ("not trained", "answer"),
        "messages[3].role": ("metadata", ""),
        "messages[3].content": ("not trained", "question"),
        "messages[4].role": ("metadata", ""),
        "messages[4].content": ("trained", "answer"),
        "id": ("metadata", ""),
        "remark": ("unread", ""),
    }


def test_a_rejected_row_says_why_and_which_key_was_not_read() -> None:
    steps = [{"role": "user", "content": "Lock?"}, {"role": "assistant", "content": "Open."}]
    row = {"question": "Tide?", "answer": "It is low.", "log": steps, "other": steps}
    told = explain(Row(row, "x:1"), DEFAULT)
    assert told.records == 0 and told.rejects == [("unread-turns", "what stands under 'other' was not read")]
    assert fates(row)["answer"] == ("rejected", "unread-turns") and fates(row)["log[1].content"] == ("unread", "")
    assert fates(row, Policy(on={"unread-turns": "keep"}))["answer"] == ("trained", "answer")


def test_a_line_is_explained_with_the_lines_that_it_is_read_with(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day", "why": "manners"}]
    file.write_text("".join(json.dumps({**line, "session_id": "s"}) + "\n" for line in lines) + "not json\n")
    told = explain(find_row(f"{file}:2"), DEFAULT)
    assert [(text.path, text.fate) for text in told.texts if text.fate != "metadata"] == [
        ("[0].content", "not trained"),
        ("[1].content", "trained"),
        ("[1].why", "unread"),
    ]
    assert explain(find_row(f"{file}:3"), DEFAULT).rejects[0][0] == "not-json"
    with pytest.raises(ConfigError, match="has no row 9"):
        find_row(f"{file}:9")
