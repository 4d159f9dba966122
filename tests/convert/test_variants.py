"""Rows in keys, marks and languages that no reader is made for: read as calls and results, or refused by a code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.convert.reading import read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Call, Observation

GIVEN = {"port": "Nes"}
DECLARED = [{"name": "tide", "description": "the tide", "parameters": {"type": "object", "properties": {"port": {}}}}]
STEP = {"tool": "tide", "tool_input": GIVEN, "log": "Thought: I look.\nAction: tide\nAction Input: {}"}
READ: dict[str, Any] = {
    "pairs of LangChain": {"input": "Tide?", "intermediate_steps": [[STEP, "LOW 4"]], "output": "Low."},
    "the last key of an agent's log": {
        "task": "Tide?",
        "steps": [{"thought": "I look.", "tool": "tide", "tool_input": GIVEN, "output": "LOW 4"}],
        "result": "Low.",
    },
    "a result inside its call": {
        "prompt": "Tide?",
        "tool_invocations": [{"toolName": "tide", "args": GIVEN, "result": "LOW 4"}],
        "completion": "Low.",
    },
    "a call of a server's tool": {
        "input": [{"role": "user", "content": "Tide?"}],
        "output": [
            {"type": "mcp_call", "id": "m", "name": "tide", "arguments": json.dumps(GIVEN), "output": "LOW 4"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Low."}]},
        ],
    },
}
REFUSED = {
    "Gedanke: ich schaue\nAktion: tide\nEingabe: {}\nBeobachtung: LOW 4\nAntwort: Niedrig.": "unread-result",
    "思考: 調べる\n行動: tide\n行動入力: {}\n観察: LOW 4\n最終回答: 低い": "unread-result",
    '<details type="tool_calls" name="tide" result="LOW 4">\n</details>\nLow.': "unread-result",
    '«call» tide {"port": "Nes"} «/call»': "unread-call",
    "```yaml\ntool: tide\nargs:\n  port: Nes\n```": "unread-call",
}


def read(row: Any) -> tuple[list[Any], list[Any]]:
    rejects: list[Any] = []
    return list(read_trajectories([Row(row, "x:1")], reject=rejects.append)), rejects


@pytest.mark.parametrize("row", READ.values(), ids=READ)
def test_a_variant_keeps_its_call_and_its_result(row: Any) -> None:
    (found,), _ = read(row)
    call = next(place for place, event in enumerate(found.events) if isinstance(event, Call))
    assert found.events[call : call + 2] == (Call("tide", GIVEN, "c0"), Observation("LOW 4", "c0"))


@pytest.mark.parametrize("text", REFUSED)
def test_a_step_in_words_of_its_own_is_refused(text: str) -> None:
    turns = [{"role": "user", "content": "Tide?"}, {"role": "assistant", "content": text}]
    for row in ({"messages": turns, "tools": DECLARED}, *([{"messages": turns}] if "LOW 4" in text else [])):
        found, rejects = read(row)
        assert not found and rejects[0]["code"] == REFUSED[text]


def test_a_result_that_the_model_says_behind_its_call_is_refused() -> None:
    asked = {"role": "user", "content": "Tide?"}
    call = {"role": "assistant", "content": '<tool_call>{"name": "tide", "arguments": {}}</tool_call>'}
    found, rejects = read({"messages": [asked, call, {"role": "assistant", "content": "Tool result: LOW 4"}]})
    assert not found and rejects[0]["code"] == "unread-result"
