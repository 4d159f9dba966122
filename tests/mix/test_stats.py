"""`swiftagent stats`: what is in a file, as a table, as JSON and as a page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mix_data import agent_row, chat_row, jsonl

from swiftagent.mix.stats import spread

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mixed(swiftagent: Run, tmp_path: Path) -> Path:
    (tmp_path / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(40)]))
    (tmp_path / "chat.jsonl").write_bytes(jsonl([chat_row(number % 30) for number in range(60)]))
    words = (
        "--agent",
        40,
        "--agent-source",
        "agent.jsonl",
        "--general",
        60,
        "--general-source",
        "chat.jsonl",
        "--val",
        0,
    )
    assert swiftagent("mix", *words, "-o", "mix.jsonl", "-q").returncode == 0
    return tmp_path / "mix.jsonl"


def test_every_channel_is_told(swiftagent: Run, mixed: Path):
    told = json.loads(swiftagent("stats", "mix.jsonl", "--json").stdout)
    agent, general = told["channels"]["agent"], told["channels"]["general"]
    assert (told["rows"], told["rejected"], agent["rows"], general["rows"]) == (100, 0, 40, 60)
    assert (agent["calls"], agent["turns"], general["calls"]) == ({"1": 40}, {"1": 40}, {"0": 60})
    assert agent["tools"]["distinct"] == 7 and sum(agent["tools"]["calls"].values()) == 40
    assert (agent["duplicates"], general["duplicates"]) == (0, 30)
    assert 0 < agent["trained_tokens"] < agent["tokens"]
    manifest = json.loads(mixed.with_name("mix.manifest.json").read_text())
    assert {name: counts["tokens"] for name, counts in told["channels"].items()} == {
        name: counts["tokens"] for name, counts in manifest["channels"].items()
    }


def test_raw_rows_and_a_page(swiftagent: Run, mixed: Path, tmp_path: Path):
    done = swiftagent("stats", "agent.jsonl", "--near", "--html", "s.html", env={"COLUMNS": "160"})
    assert done.returncode == 0, done.stderr
    assert [line.split("│")[5].strip() for line in done.stdout.splitlines() if line.startswith("agent")] == [
        "1"
    ]  # turns
    page = (tmp_path / "s.html").read_text()
    assert page.startswith("<!doctype html>") and "weather_3" in page and "http" not in page


def test_a_file_without_rows_is_one_line(swiftagent: Run, tmp_path: Path):
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n')
    done = swiftagent("stats", "x.jsonl")
    assert (done.returncode, done.stderr) == (2, "error: x.jsonl: no row that can be read (1 unknown-format)\n")


def test_a_spread():
    assert spread([5, 1, 3]) == {"min": 1, "p25": 1, "p50": 3, "p75": 5, "p95": 5, "max": 5, "mean": 3.0}
    assert spread([]) == {}
