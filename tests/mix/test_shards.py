"""Shards, Parquet and URLs: what leaves the machine, and what comes from elsewhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mix_data import agent_row, chat_row, jsonl, read

from swiftagent.io.jsonl import put_in_place

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(60)]))
    (tmp_path / "chat.jsonl").write_bytes(jsonl([chat_row(number) for number in range(60)]))
    return tmp_path


def mix(swiftagent: Run, *words: object, source: str = "agent.jsonl") -> dict[str, Any]:
    done = swiftagent(
        "mix",
        "--agent",
        50,
        "--agent-source",
        source,
        "--general",
        50,
        "--general-source",
        "chat.jsonl",
        *words,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_shards_hold_the_same_rows_in_the_same_order(swiftagent: Run, data: Path):
    whole = mix(swiftagent, "-o", "one/mix.jsonl")
    shards = mix(swiftagent, "-o", "two/mix.jsonl", "--shards", 4)
    assert shards == whole
    names = sorted(path.name for path in (data / "two/mix").iterdir())
    assert names == [f"train-0000{number}-of-00004.jsonl" for number in range(4)]
    joined = b"".join((data / "two/mix" / name).read_bytes() for name in names)
    assert joined == (data / "one/mix.jsonl").read_bytes()
    assert not (data / "two/mix.jsonl").exists()


def test_no_rows_of_an_earlier_mix_stay_beside_it(swiftagent: Run, data: Path):
    for words in (("--shards", 4), ("--shards", 3, "--shard-format", "parquet"), ()):
        mix(swiftagent, "-o", "two/mix.jsonl", *words)
    assert list((data / "two/mix").iterdir()) == []
    mix(swiftagent, "-o", "two/mix.jsonl", "--shards", 2)
    assert sorted(path.name for path in (data / "two/mix").iterdir()) == [
        f"train-0000{n}-of-00002.jsonl" for n in range(2)
    ]
    assert not (data / "two/mix.jsonl").exists()


def test_ended_between_two_renames_there_is_no_mix_rather_than_parts_of_two(tmp_path: Path):
    for name in ("mix", "new", "val"):
        (tmp_path / name).write_text(name)
    (tmp_path / "val.jsonl").mkdir()  # the rename onto it fails, as a kill would end it
    with pytest.raises(OSError):
        put_in_place(
            [(tmp_path / "val", tmp_path / "val.jsonl"), (tmp_path / "new", tmp_path / "mix")], [tmp_path / "mix"]
        )
    assert not (tmp_path / "mix").exists()
    assert (tmp_path / "new").read_text() == "new"


def test_parquet_shards_hold_the_same_records(swiftagent: Run, data: Path):
    import pyarrow.parquet

    mix(swiftagent, "-o", "one/mix.jsonl")
    mix(swiftagent, "-o", "two/mix.jsonl", "--shards", 2, "--shard-format", "parquet")
    rows = [
        row for path in sorted((data / "two/mix").iterdir()) for row in pyarrow.parquet.read_table(path).to_pylist()
    ]
    for row in rows:
        row["messages"] = [
            {key: value for key, value in message.items() if value is not None} for message in row["messages"]
        ]
    assert rows == read(data / "one/mix.jsonl")


def test_sources_and_outputs_may_be_urls(swiftagent: Run, data: Path):
    plain = mix(swiftagent, "-o", "one/mix.jsonl")
    there = data / "store"
    made = mix(
        swiftagent, "-o", "two/mix.jsonl", "--upload", f"file://{there}/mixes", source=f"file://{data}/agent.jsonl"
    )
    assert made["content"] == plain["content"]
    assert (there / "mixes/mix.jsonl").read_bytes() == (data / "two/mix.jsonl").read_bytes()
    assert sorted(path.name for path in (there / "mixes").iterdir()) == sorted(
        path.name for path in (data / "two").iterdir()
    )
