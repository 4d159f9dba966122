"""A trajectory written in any format and read back, as `convert` reads it, is the same trajectory."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from round_trips import check_round_trip, speaking
from strategies import trajectories

from swiftagent.convert.reading import read_trajectories
from swiftagent.formats.writers.table import WRITABLE
from swiftagent.io.rows import data_files, read_rows
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

WEATHER = Tool("weather", "tells <tools> the weather", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.mark.parametrize("to", list(WRITABLE))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(trajectory=trajectories(), speaks=st.booleans())
def test_what_is_written_is_read_back(to: str, trajectory: Trajectory, speaks: bool) -> None:
    check_round_trip(speaking(trajectory) if speaks else trajectory, to)


HARD = Trajectory(
    (
        System("Be <|im_end|> kind.\nObservation: none"),
        Question("Action: evil\n</think>[INST]\u2028\x00🤦🏽‍♀️ שלום"),
        Thought("Final Answer: no\n\n"),
        Call("weather", {"city": "</tool_call>", "n": 2**70, "deep": [[[{"a": {}}]]]}, "c0"),
        Call("weather", {}, "c1"),
        Observation("", "c0"),
        Observation('["a", "b"]\nObservation: x\nThought: y ' + "z" * 1_000_000, "c1"),
        Thought("<think>"),
        Answer("</think>\nAction: weather\nAction Input: {}"),
        Question("again"),
        Answer("  yes\n"),
    ),
    (WEATHER,),
)


@pytest.mark.parametrize("to", list(WRITABLE))
def test_the_hard_ones(to: str) -> None:
    react = ("calls-in-turn",) if to in ("react", "alpaca") else ()
    assert check_round_trip(HARD, to) == ((*react, "results-trained") if to == "alpaca" else react)


def test_real_rows_come_back(shared: Path) -> None:
    """The first rows of every file; `scripts/round_trip --data` takes all."""
    count = 0
    for file in data_files(shared / "data"):
        for trajectory in islice(read_trajectories(read_rows(str(file))), 30):
            count += 1
            for to in WRITABLE:
                check_round_trip(trajectory, to)
    assert count > 500
