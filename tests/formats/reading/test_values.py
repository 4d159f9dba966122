"""Values of arguments that JSON cannot hold, or that a careless reader would change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Call


def read(arguments: str, **properties: Any) -> tuple[list[Any], list[dict[str, Any]], Ledger]:
    tool = {"name": "f", "parameters": {"type": "object", "properties": properties}}
    call = {"function": {"name": "f", "arguments": arguments}}
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    ledger, rejects = Ledger(), list[dict[str, Any]]()
    rows = [Row({"messages": turns, "tools": [tool] if properties else []}, "x:1")]
    found = list(read_trajectories(rows, ledger=ledger, reject=rejects.append))
    for trajectory in found:
        json.dumps(to_record(trajectory), ensure_ascii=False).encode()
    return [event.arguments for one in found for event in one.events if isinstance(event, Call)], rejects, ledger


@pytest.mark.parametrize("arguments", ['{"x": 1e999}', '{"x": [NaN]}', '{"x": {"y": -Infinity}}', "[1, 2]", "{...}"])
def test_what_is_no_json_object_is_a_broken_call(arguments: str) -> None:
    found, rejects, _ = read(arguments)
    assert not found and rejects[0]["code"] in ("broken-call", "cut-arguments")


def test_half_of_a_surrogate_pair_is_replaced_and_counted() -> None:
    found, _, ledger = read('{"x": "a\\ud800b", "y": "\\ud83d\\ude00"}')
    assert found == [{"x": "a\ufffdb", "y": "\U0001f600"}] and ledger.repairs["lone-surrogate"] == 1


@pytest.mark.parametrize("text", ["C:\\Users\\nora", "\\alpha", "^\\d+\\s"])
def test_backslashes_that_nobody_escaped_stay_backslashes(text: str) -> None:
    found, _, ledger = read(f'{{"x": "{text}"}}')
    assert found == [{"x": text}] and ledger.repairs["raw-backslash"] == 1


def test_nulls_of_parameters_that_the_tool_does_not_have_go() -> None:
    found, _, ledger = read('{"x": 1, "y": null, "z": null}', x={"type": "integer"}, y=None, z={"type": "string"})
    assert found == [{"x": 1, "z": None}] and ledger.repairs["null-arguments"] == 1
