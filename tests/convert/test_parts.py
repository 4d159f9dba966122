"""Conversion in parts: the bytes of one process, conversations never divided, shards, and nothing left by a killed
run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from convert_inputs import several_inputs, transcript
from mix_data import agent_row, chat_row, jsonl, read

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def convert(swiftagent: Run, *words: object) -> dict[str, Any]:
    done = swiftagent("convert", *words, "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "output": "", "said": done.stderr}


def same_by_one_and_two(swiftagent: Run, folder: Path, *words: object, out: str = "out.jsonl") -> dict[str, Any]:
    one, two = (convert(swiftagent, *words, "-o", f"{number}/{out}", "-j", number) for number in (1, 2))
    assert {**one, "said": ""} == {**two, "said": ""}
    names = sorted(path.name for path in (folder / "1").iterdir())
    assert names == sorted(path.name for path in (folder / "2").iterdir())
    for name in names:
        if not name.endswith(".report.json") and (folder / "1" / name).is_file():
            assert (folder / "1" / name).read_bytes() == (folder / "2" / name).read_bytes(), name
    return two


@pytest.mark.parametrize(
    "words", [(), ("--to", "openai", "--test-share", "0.2", "--channel", "general", "--on", "wrong-type=reject")]
)
@pytest.mark.parametrize("out", ["out.jsonl", "out.json"])
def test_two_processes_write_the_bytes_of_one(swiftagent: Run, tmp_path: Path, out: str, words: tuple[str, ...]):
    found = same_by_one_and_two(swiftagent, tmp_path, *several_inputs(tmp_path), *words, out=out)
    assert found["rows_in"] == 6062 and found["said"] == ""


def test_turns_that_lie_apart_are_put_together_by_one_process(swiftagent: Run, tmp_path: Path):
    turn = {"messages": [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": "3C."}], "id": "x"}
    rows = [
        {**turn, "turn": 1},
        *({**chat_row(number), "source": "s" * 500} for number in range(6000)),
        {**turn, "turn": 2},
    ]
    (tmp_path / "a.jsonl").write_bytes(jsonl(rows))
    found = same_by_one_and_two(swiftagent, tmp_path, "a.jsonl")
    assert found["merged"] == 1
    assert found["said"] == (
        "a.jsonl:1: a turn of a conversation that other rows continue, so one process converts everything\n"
    )


def test_a_transcript_that_begins_in_the_middle_of_a_file_is_never_divided(swiftagent: Run, tmp_path: Path):
    rows = [*({**chat_row(number), "source": "s" * 500} for number in range(6000)), *transcript("a"), *transcript("b")]
    (tmp_path / "a.jsonl").write_bytes(jsonl(rows))
    found = same_by_one_and_two(swiftagent, tmp_path, "a.jsonl")
    assert (found["merged"], found["said"].count("\n")) == (6, 1)


def test_shards_hold_the_rows_in_order_and_go_where_a_url_says(swiftagent: Run, tmp_path: Path):
    inputs = several_inputs(tmp_path)
    convert(swiftagent, *inputs, "-o", "one/out.jsonl")
    convert(swiftagent, *inputs, "-o", "two/out.jsonl", "--shards", 3, "-j", 2, "--upload", f"file://{tmp_path}/up")
    shards = sorted((tmp_path / "two" / "out").iterdir())
    assert [path.name for path in shards] == [f"train-0000{number}-of-00003.jsonl" for number in range(3)]
    assert b"".join(path.read_bytes() for path in shards) == (tmp_path / "one" / "out.jsonl").read_bytes()
    names = {*(path.name for path in shards), "out.rejects.jsonl", "out.report.json"}
    assert {path.name for path in (tmp_path / "up").iterdir()} == names
    convert(swiftagent, *inputs, "-o", "alone/out.jsonl", "--shards", 3, "-j", 1)
    assert [path.read_bytes() for path in sorted((tmp_path / "alone" / "out").iterdir())] == [
        path.read_bytes() for path in shards
    ]
    refused = swiftagent("convert", *inputs, "-o", "two/out.jsonl", "--shards", 2)
    assert refused.returncode == 2 and "a training run would read too" in refused.stderr


def test_parquet_shards_are_read_again_as_the_same_records(swiftagent: Run, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(30)]))
    convert(swiftagent, "a.jsonl", "-o", "one.jsonl")
    convert(swiftagent, "a.jsonl", "-o", "two.jsonl", "--shards", 2, "--shard-format", "parquet")
    convert(swiftagent, "two", "-o", "again.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    messages = [row["messages"] for row in read(tmp_path / "one.jsonl")]
    assert [row["messages"] for row in read(tmp_path / "again.jsonl")] == messages
    assert swiftagent("convert", "a.jsonl", "-o", "x.jsonl", "--shard-format", "parquet").returncode == 2


def test_a_killed_run_leaves_no_output_and_the_next_one_clears_up(swiftagent: Run, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(30_000)]))
    words = [sys.executable, "-m", "swiftagent", "convert", "a.jsonl", "-o", "out/x.jsonl", "-j", "2", "-q"]
    run = subprocess.Popen(words, cwd=tmp_path)
    work = tmp_path / "out" / ".x.jsonl.work"
    while not list(work.glob("*.out")) and run.poll() is None:
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL and not (tmp_path / "out" / "x.jsonl").exists() and work.exists()
    assert convert(swiftagent, "a.jsonl", "-o", "out/x.jsonl", "-j", 2)["rows_out"] == 30_000
    assert not work.exists()


def test_a_check_by_two_processes_says_what_one_says(swiftagent: Run, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(12_000)]))
    convert(swiftagent, "a.jsonl", "-o", "x.jsonl", "-j", 1)
    rows = (tmp_path / "x.jsonl").read_bytes().splitlines(keepends=True)
    rows[11_000] = rows[11_000].replace(b',"loss":false', b"")
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(rows))
    one, two = (swiftagent("inspect", "x.jsonl", "--check", "--json", "-j", number) for number in (1, 2))
    assert (one.returncode, one.stdout, one.stderr) == (two.returncode, two.stdout, two.stderr)
    assert one.returncode == 6 and json.loads(one.stdout)["faults"][0]["row"] == 22_001


def test_shards_are_checked_as_the_one_file_that_they_are(swiftagent: Run, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(300)]))
    convert(swiftagent, "a.jsonl", "-o", "one.jsonl")
    convert(swiftagent, "a.jsonl", "-o", "clean.jsonl", "--shards", 2, "--shard-format", "parquet")
    lines = (tmp_path / "one.jsonl").read_bytes().splitlines(keepends=True)
    lines[250] = lines[250].replace(b',"loss":false', b"")
    (tmp_path / "faulty").mkdir()
    for number in range(3):
        (tmp_path / "faulty" / f"train-0000{number}-of-00003.jsonl").write_bytes(
            b"".join(lines[number * 100 : (number + 1) * 100])
        )
    (tmp_path / "joined.jsonl").write_bytes(b"".join(lines))
    checked = {
        place: swiftagent("inspect", place, "--check", "--json").stdout
        for place in ("one.jsonl", "clean", "joined.jsonl", "faulty", f"file://{tmp_path}/faulty")
    }
    one, clean, joined, faulty, url = checked.values()
    assert one == clean and joined == faulty == url
    assert [fault["row"] for fault in json.loads(joined)["faults"]] == [251]
