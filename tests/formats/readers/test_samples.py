"""Every format: its sample row is recognised as its own and says what it says in every other."""

from __future__ import annotations

import importlib

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories, recognise
from swiftagent.formats.table import FORMATS
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Trajectory


def read(name: str, format: str = "auto") -> list[Trajectory]:
    sample = importlib.import_module(FORMATS[name]).SAMPLE
    ledger = Ledger()
    rejected: list[dict[str, object]] = []
    found = list(read_trajectories([Row(sample, "sample:1")], Policy(format), ledger, rejected.append))
    assert not rejected and ledger.balanced
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_is_recognised_as_its_own_format(name: str) -> None:
    assert recognise(importlib.import_module(FORMATS[name]).SAMPLE) == name


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_reads_the_same_by_name_and_by_auto(name: str) -> None:
    assert read(name) == read(name, name) != []


WEATHER = [
    name
    for name in FORMATS
    if name in ("ms-agent", "openai", "sharegpt", "anthropic", "hermes", "glaive", "adp", "seal-tools")
]


@pytest.mark.parametrize("name", WEATHER)
def test_the_same_call_stands_in_every_dialect(name: str) -> None:
    call = next(event for event in read(name)[0].events if isinstance(event, Call))
    assert (call.tool, call.arguments, call.id) == ("weather", {"city": "Oslo"}, "c0")


@pytest.mark.parametrize("name", [name for name in WEATHER if name != "seal-tools"])
def test_the_same_answer_stands_in_every_dialect(name: str) -> None:
    assert read(name)[0].events[-1] == Answer("It is 3C.")
