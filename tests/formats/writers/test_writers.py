"""What the writable formats look like, and what each says that it cannot hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.errors import ConfigError
from swiftagent.formats.writers.dataset_info import update_dataset_info
from swiftagent.formats.writers.losses import LOSSES
from swiftagent.formats.writers.table import WRITABLE, writer_of
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool("weather", "tells the weather", SCHEMA)
OSLO = '{"name": "weather", "arguments": {"city": "Oslo"}}'
ROME = '{"name": "weather", "arguments": {"city": "Rome"}}'
EVENTS = (
    System("Be brief."),
    Question("Oslo and Rome?"),
    Thought("both"),
    Thought("look", said=True),
    Call("weather", {"city": "Oslo"}, "c0"),
    Call("weather", {"city": "Rome"}, "c1"),
    Observation("3C", "c0"),
    Observation("9C", "c1"),
    Answer("3C and 9C."),
)


def written(to: str, *events: Event, tools: tuple[Tool, ...] = (WEATHER,)) -> tuple[Any, tuple[str, ...]]:
    return writer_of(to, "ms-agent", "auto")(Trajectory(events, tools, "7", "x:1"))


def test_openai() -> None:
    row, losses = written("openai", *EVENTS)
    assert losses == ()
    assert row["messages"][2] == {
        "role": "assistant",
        "content": "look",
        "reasoning_content": "both",
        "tool_calls": [
            {"id": "c0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
        ],
    }
    assert row["messages"][3] == {"role": "tool", "tool_call_id": "c0", "content": "3C"}
    assert row["tools"] == [
        {"type": "function", "function": {"name": "weather", "description": "tells the weather", "parameters": SCHEMA}}
    ]


def test_native() -> None:
    row, losses = written("native", *EVENTS)
    assert losses == ()
    assert row["messages"] == [
        {"role": "system", "content": "Be brief.", "loss": False},
        {"role": "user", "content": "Oslo and Rome?", "loss": False},
        {"role": "assistant", "content": "<think>\nboth\n</think>\n\nlook\n"},
        {"role": "tool_call", "content": OSLO},
        {"role": "tool_call", "content": ROME},
        {"role": "tool_response", "content": "3C", "loss": False},
        {"role": "tool_response", "content": "9C", "loss": False},
        {"role": "assistant", "content": "3C and 9C."},
    ]
    assert json.loads(row["tools"])[0]["function"]["name"] == "weather"
    assert written("native", Question("q"), Answer("a"), tools=())[0]["tools"] == "[]"


def test_native_masks_all_parallel_calls_where_one_is_masked_and_says_so() -> None:
    calls = (Call("weather", {}, "c0", trained=False), Call("weather", {}, "c1"))
    row, losses = written("native", Question("q"), *calls, Observation("", "c0"), Observation("", "c1"), Answer("a"))
    assert [message.get("loss") for message in row["messages"]] == [False, False, False, False, False, None]
    assert losses == ("mask-widened",)


def test_sharegpt_takes_turns() -> None:
    row, losses = written("sharegpt", *EVENTS)
    assert losses == ()
    assert row["conversations"] == [
        {"from": "human", "value": "Oslo and Rome?"},
        {"from": "function_call", "value": f"<think>\nboth\n</think>\n\nlook\n<tool_call>[{OSLO}, {ROME}]</tool_call>"},
        {"from": "observation", "value": '["3C", "9C"]'},
        {"from": "gpt", "value": "3C and 9C."},
    ]
    assert row["system"] == "Be brief."
    assert json.loads(row["tools"]) == [{"name": "weather", "description": "tells the weather", "parameters": SCHEMA}]


@pytest.mark.parametrize(
    ("events", "roles", "loss"),
    [
        ((Question("a"), Question("b"), Answer("c")), ["human", "gpt"], "turns-joined"),
        ((Answer("a"), Question("b"), Answer("c")), ["human", "gpt", "human", "gpt"], "turn-inserted"),
        (
            (Question("a"), Call("weather", {}, "c0"), Answer("b")),
            ["human", "function_call", "observation", "gpt"],
            "turn-inserted",
        ),
    ],
)
def test_sharegpt_mends_turns_and_says_so(events: tuple[Event, ...], roles: list[str], loss: str) -> None:
    row, losses = written("sharegpt", *events)
    assert [turn["from"] for turn in row["conversations"]] == roles
    assert losses == (loss,)


def test_hermes() -> None:
    row, losses = written("hermes", *EVENTS)
    system, _, said, results, answer = row["conversations"]
    assert losses == ()
    assert system["value"].startswith("Be brief.\n\n# Tools\n\n")
    said_text = f"<think>\nboth\n</think>\n\nlook\n<tool_call>\n{OSLO}\n</tool_call>\n<tool_call>\n{ROME}\n</tool_call>"
    assert said == {"from": "gpt", "value": said_text}
    responses = "<tool_response>\n3C\n</tool_response>\n<tool_response>\n9C\n</tool_response>"
    assert results == {"from": "tool", "value": responses}
    assert answer == {"from": "gpt", "value": "3C and 9C."}


def test_anthropic() -> None:
    row, losses = written("anthropic", *EVENTS)
    assert losses == ()
    assert row["system"] == "Be brief."
    assert row["messages"][1]["content"][2] == {
        "type": "tool_use",
        "id": "c0",
        "name": "weather",
        "input": {"city": "Oslo"},
    }
    assert row["messages"][2]["content"][1] == {"type": "tool_result", "tool_use_id": "c1", "content": "9C"}
    assert row["tools"] == [{"name": "weather", "description": "tells the weather", "input_schema": SCHEMA}]


def test_alpaca_with_tools_is_react_text_whose_results_are_trained() -> None:
    events = (Question("Oslo?"), Call("weather", {}, "c0"), Observation("3C\nThought: x", "c0"), Answer("3C."))
    row, losses = written("alpaca", *events)
    assert losses == ("results-trained",)
    assert row["output"] == (
        "Action: weather\nAction Input: {}\nObservation: 3C\n Thought: x\nThought: I now know the final "
        "answer\nFinal Answer: 3C."
    )


def test_alpaca_chat_has_a_history() -> None:
    row, losses = written("alpaca", Question("a"), Answer("b"), Question("c"), Thought("t"), Answer("d"), tools=())
    assert losses == ()
    assert row == {
        "instruction": "c",
        "input": "",
        "output": "<think>\nt\n</think>\n\nd",
        "system": "",
        "history": [["a", "b"]],
        "id": "7",
    }


@pytest.mark.parametrize("to", ["sharegpt", "alpaca", "hermes", "anthropic"])
def test_a_format_without_masks_says_so(to: str) -> None:
    _, losses = written(to, Question("q"), Answer("no", trained=False), Question("q"), Answer("a"))
    assert "mask-lost" in losses


def test_every_loss_is_in_the_table() -> None:
    assert {name for _, names in LOSSES.values() for name in names} <= set(WRITABLE)


def test_the_entry_of_dataset_info_is_set_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "m.json"}}')
    update_dataset_info(tmp_path / "out.json", "tools", "sharegpt")
    update_dataset_info(tmp_path / "out.json", "tools", "sharegpt")
    assert json.loads((tmp_path / "dataset_info.json").read_text()) == {
        "mine": {"file_name": "m.json"},
        "tools": {
            "file_name": "out.json",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
        },
    }
    (tmp_path / "dataset_info.json").write_text("[")
    with pytest.raises(ConfigError, match="not JSON"):
        update_dataset_info(tmp_path / "out.json", "tools", "sharegpt")


def test_an_unknown_format_is_told() -> None:
    with pytest.raises(ConfigError, match="--to chatml: no such format"):
        writer_of("chatml", "ms-agent", "auto")
