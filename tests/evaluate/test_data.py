"""Files read for an evaluation."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from swiftagent.errors import ConfigError, SwiftAgentError
from swiftagent.evaluate.data import read_gold, read_seen
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.style import prompt_style
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

WEATHER = Tool(
    "weather", "of a city", {"type": "object", "properties": {"city": {"type": "object", "properties": {"zip": {}}}}}
)
ROW = Trajectory(
    (Question("Oslo?"), Call("weather", {"city": {"zip": 1}}, "c0"), Observation("3C", "c0"), Answer("3C")),
    (WEATHER,),
    "r",
)
CHAT = Trajectory((Question("hello"), Answer("hi")), (), "c", channel="general")


def file_of(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("style", ["ms-agent", "schema"])
def test_prompts_are_written_as_in_the_data(tmp_path: Path, style: PromptStyle):
    path = file_of(tmp_path / "v.jsonl", to_record(CHAT), to_record(ROW, style))
    found = read_gold([path])
    assert (found.prompt, prompt_style([path])) == (style, style)
    assert [row.id for row in found.rows] == ["c", "r"]


def test_plain_conversations_say_nothing_of_prompts(tmp_path: Path):
    path = file_of(
        tmp_path / "v.jsonl", {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    )
    assert read_gold([path]).prompt is None


def test_what_cannot_be_read_is_told(tmp_path: Path):
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    found = read_gold([file_of(tmp_path / "v.jsonl", good, {"what": "is this"})])
    assert (len(found.rows), len(found.rejected)) == (1, 1)
    with pytest.raises(SwiftAgentError, match="no row can be evaluated"):
        read_gold([file_of(tmp_path / "w.jsonl", {"what": "is this"})])
    with pytest.raises(SwiftAgentError, match="the file holds no row"):
        read_gold([file_of(tmp_path / "e.jsonl")])


def test_what_training_saw(tmp_path: Path):
    seen = read_seen([file_of(tmp_path / "t.jsonl", to_record(ROW), to_record(CHAT))])
    assert (len(seen.places), seen.tools) == (2, {"weather"})


def test_gold_in_a_pipe_is_refused_since_it_is_read_more_than_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="save them as a file"):
        read_gold([str(tmp_path / "pipe")])
