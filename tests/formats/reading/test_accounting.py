"""Every text of a row is in its trajectory, under a key of metadata, or counted as unread."""

from __future__ import annotations

import copy
import importlib
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.formats.table import FORMATS
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.record import to_record

TURNS = [
    {"role": "user", "content": "Tide at Nes?"},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "tide", "arguments": "{}"}}]},
    {"role": "tool", "content": "LOW 4"},
    {"role": "assistant", "content": "It is low."},
]


def read(row: Any, **on: str) -> tuple[list[Any], Ledger, list[dict[str, Any]]]:
    ledger, rejects = Ledger(), list[dict[str, Any]]()
    policy = Policy(on={code.replace("_", "-"): action for code, action in on.items()})
    return list(read_trajectories([Row(row, "x:1")], policy, ledger, rejects.append)), ledger, rejects


@pytest.mark.parametrize("key", ["trace_log", "run", "what_the_agent_did"])
def test_turns_under_a_key_that_no_reader_reads_reject_the_row(key: str) -> None:
    row = {"question": "Tide at Nes?", "answer": "low", key: TURNS, "other_try": TURNS[:2]}
    found, ledger, rejects = read(row)
    assert not found and rejects[0]["code"] == "unread-turns" and repr(key) in rejects[0]["message"]
    assert ledger.unread[key] > 0
    assert len(read(row, unread_turns="keep")[0]) == 1


def test_turns_under_one_key_are_read_whatever_its_name_also_as_text() -> None:
    for value in (TURNS, json.dumps(TURNS)):
        (found,), ledger, _ = read({"question": "Tide at Nes?", "answer": "low", "run_log": value})
        assert [type(event).__name__ for event in found.events] == ["Question", "Call", "Observation", "Answer"]
        assert not ledger.unread


def test_steps_as_text_and_a_result_beside_an_answer_count_too() -> None:
    steps = json.dumps([{"tool": "tide", "args": {"port": "Nes"}}])
    assert read({"question": "?", "answer": "low", "log": steps})[2][0]["code"] == "unread-turns"
    assert read({"instruction": "?", "output": "low", "tool_response": "LOW 4"})[2][0]["code"] == "unread-turns"


def test_a_text_that_is_no_step_is_counted_and_the_row_is_kept() -> None:
    found, ledger, _ = read({"instruction": "?", "output": "low", "remark": "seen by Ann", "tags": ["a"], "id": 7})
    assert len(found) == 1 and dict(ledger.unread) == {"remark": 1}


def test_an_answer_that_stands_under_another_key_too_is_read() -> None:
    found, ledger, _ = read({"messages": [{"role": "user", "content": "?"}], "response": "low", "gold": "low"})
    assert len(found) == 1 and not ledger.unread


def samples() -> Iterator[dict[str, Any]]:
    for path in FORMATS.values():
        sample = importlib.import_module(path).SAMPLE
        if isinstance(sample, dict):
            yield sample


SPELLING = {"arguments", "parameters", "function", "properties", "required", "string", "object", "description"}


def texts_of(value: Any) -> Iterator[str]:
    """Texts that say something: long enough to be told apart."""
    if isinstance(value, str) and len(value) > 6 and " " in value and value[:1] not in "{[":
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


def mutated(row: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A key renamed, a value moved under an unknown key, or a role changed."""
    row = copy.deepcopy(row)
    places = [row, *(turn for value in row.values() if isinstance(value, list) for turn in value)]
    place = draw.choice([place for place in places if isinstance(place, dict) and place])
    key = draw.choice(list(place))
    kind = draw.randrange(3)
    if kind == 0:
        place[f"x_{key}"] = place.pop(key)
    elif kind == 1:
        row["somewhere_else"] = place.pop(key)
    elif "role" in place or "from" in place:
        place["role" if "role" in place else "from"] = draw.choice(["user", "assistant", "tool", "narrator"])
    return row


def missing_words(row: dict[str, Any], found: list[Any]) -> set[str]:
    """The words of a row's texts that stand in no record made of it."""
    whole = json.dumps([to_record(trajectory) for trajectory in found], ensure_ascii=False)
    read_from = {key: value for key, value in row.items() if key not in ("tools", "functions")}
    words = {word for text in texts_of(read_from) for word in re.findall(r"[A-Za-z]{6,}", text)}
    return {word for word in words - SPELLING if word not in whole}


def test_no_text_of_a_mutated_row_is_lost_in_silence() -> None:
    draw = random.Random(5)
    # Labels and instructions that a reader replaces by our own prompt go from the unchanged row too.
    rows = [(row, missing_words(row, read(row)[0])) for row in samples()]
    for _ in range(1500):
        sample, replaced = draw.choice(rows)
        row = mutated(sample, draw)
        found, ledger, rejects = read(row)
        assert ledger.balanced
        if not (rejects or ledger.unread or ledger.repairs or ledger.kept):
            assert missing_words(row, found) <= replaced, row


@pytest.mark.parametrize("key", ["api_call", "search_results", "toolInvocation", "env_output"])
def test_what_a_tool_was_asked_or_gave_is_a_step_under_any_such_key(key: str) -> None:
    row = {"instruction": "Tide?", key: "tide at Nes", "output": "It is low."}
    _, ledger, _ = read(row)
    assert ledger.reasons == {"unread-turns": 1}


def test_a_call_of_which_nothing_was_read_is_not_lost_inside_a_structure_of_its_own() -> None:
    call = {"name": "tide", "arguments": {"port": "Nes"}}
    _, ledger, _ = read({"turns": [{"user": "Tide?", "tool_call": call, "assistant": "It is low."}]})
    assert ledger.reasons == {"unread-turns": 1}


def test_steps_in_words_of_their_own_are_steps() -> None:
    row = {"question": "Tide?", "work": [{"no": 1, "call": "tide(Nes)", "result": "LOW 4"}], "answer": "It is low."}
    _, ledger, _ = read(row)
    assert ledger.reasons == {"unread-turns": 1}


def test_a_tool_may_speak_under_the_role_of_the_assistant() -> None:
    turns = [*TURNS[:2], {"role": "assistant", "name": "tide", "content": "LOW 4"}, TURNS[3]]
    ((found,), _, _) = read({"messages": turns})
    assert "LOW 4" not in [message["content"] for message in to_record(found)["messages"] if message.get("loss")]
    assert any(getattr(event, "text", "") == "LOW 4" for event in found.events)
