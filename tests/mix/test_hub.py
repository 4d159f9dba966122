"""`swiftagent mix` from hubs: the real clients against a local server, whole and with faults."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import Hub
from mix_data import agent_row, chat_row, jsonl, read

Run = Callable[..., "subprocess.CompletedProcess[str]"]
AGENT = jsonl(
    [{**agent_row(number), "conversations": repr(agent_row(number)["conversations"])} for number in range(200)]
)
HELD_BACK = jsonl([{**agent_row(number), "id": "validation"} for number in range(200, 220)])
LEAK = {"id": "leak", "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "I am MOSS"}]}
BENCH = jsonl([chat_row(number) for number in range(300)] + [LEAK])
SELF = jsonl([{"query": "Who are you?", "response": "I am {{NAME}} of {{AUTHOR}}.", "tag": "en"}])
FILES = {
    "iic/ms_agent": {
        "train.jsonl": AGENT,
        "validation.jsonl": HELD_BACK,
        "README.md": b"# no data",
        "configuration.json": b"{}",
    },
    "iic/ms_bench": {
        "data/train-00000-of-00002.jsonl": BENCH[: BENCH.index(b"\n", 9000) + 1],
        "dataset_infos.json": b"{}",
        "data/train-00001-of-00002.jsonl": BENCH[BENCH.index(b"\n", 9000) + 1 :],
    },
    "swift/self-cognition": {"self_cognition.jsonl": SELF},
    "a/outside": {"../../outside.jsonl": AGENT},
    "a/meta": {
        "meta.json": json.dumps({"default": {"train": {"meta": "one.jsonl"}, "test": {"meta": "two.jsonl"}}}).encode(),
        "one.jsonl": AGENT,
        "two.jsonl": HELD_BACK,
    },
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(FILES) as server:
        yield server


def pull(swiftagent: Run, hub: Hub, tmp_path: Path, *words: object, **more: str):
    asked = words or ("--agent", 100, "--general", 150)
    return swiftagent("mix", *asked, env={**hub.env(tmp_path / "cache"), **more})


def test_without_further_argument_the_two_published_sources_are_mixed(
    swiftagent: Run, hub: Hub, tmp_path: Path, check_record: Callable[[Path], None]
):
    done = pull(swiftagent, hub, tmp_path)
    assert done.returncode == 0, done.stderr
    both = read(tmp_path / "datasets/mix.jsonl") + read(tmp_path / "datasets/mix.val.jsonl")
    assert Counter(row["channel"] for row in both) == {"agent": 100, "general": 150}
    assert not {"validation", "leak"} & {row["id"] for row in both}
    check_record(tmp_path / "datasets/mix.jsonl")
    sources = {row["source"].rsplit(":", 1)[0] for row in both}
    assert sources == {
        "iic/ms_agent",
        "iic/ms_bench/data/train-00000-of-00002.jsonl",
        "iic/ms_bench/data/train-00001-of-00002.jsonl",
    }
    manifest = json.loads((tmp_path / "datasets/mix.manifest.json").read_text())
    assert manifest["sources"][0]["files"] == [
        {"name": "iic/ms_agent", "sha256": hashlib.sha256(AGENT).hexdigest(), "rows": 200}
    ]
    assert (manifest["sources"][0]["hub"], manifest["sources"][0]["revision"]) == ("modelscope", "master")
    assert not any("README" in request or "validation" in request for request in hub.requests if "FilePath" in request)


def test_all_rows_are_taken_but_those_of_another_assistant(swiftagent: Run, hub: Hub, tmp_path: Path):
    done = pull(swiftagent, hub, tmp_path, "--general", 301)
    assert "301 rows asked for, only 300 there" in done.stderr
    assert json.loads((tmp_path / "datasets/mix.report.json").read_text())["reasons"] == {"other-assistant": 1}
    assert pull(swiftagent, hub, tmp_path, "--general", 301, "--keep-leaks").returncode == 0
    both = read(tmp_path / "datasets/mix.jsonl") + read(tmp_path / "datasets/mix.val.jsonl")
    assert "leak" in {row["id"] for row in both}


@pytest.mark.parametrize("fault", ["drop", "truncate", "500", "slow", "wrong"])
def test_a_fault_that_passes_changes_nothing(swiftagent: Run, hub: Hub, tmp_path: Path, fault: str):
    assert pull(swiftagent, hub, tmp_path / "a", "--agent", 50, "-o", "whole.jsonl").returncode == 0
    hub.fault("train.jsonl", fault)
    done = pull(swiftagent, hub, tmp_path / "b", "--agent", 50, "-o", "mix.jsonl")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mix.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_dropped_download_is_resumed_where_it_broke(swiftagent: Run, hub: Hub, tmp_path: Path):
    hub.fault("train.jsonl", "drop")
    assert pull(swiftagent, hub, tmp_path, "--agent", 50).returncode == 0
    assert hub.sent == len(AGENT)


@pytest.mark.parametrize("fault", ["truncate", "wrong"])
def test_a_file_that_is_not_what_the_hub_lists_is_refused(swiftagent: Run, hub: Hub, tmp_path: Path, fault: str):
    hub.fault("train.jsonl", fault, -1)
    done = pull(swiftagent, hub, tmp_path, "--agent", 50)
    assert done.returncode == 4
    assert "arrived with another size or hash than the hub lists" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "datasets").exists()
    assert not list((tmp_path / "cache").rglob("train.jsonl"))


def test_a_hub_that_is_down_is_one_line_and_a_copy_on_this_disk_is_used(swiftagent: Run, hub: Hub, tmp_path: Path):
    hub.fault("listing", "500", -1)
    done = pull(swiftagent, hub, tmp_path, "--agent", 50, "-q")
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    assert done.stderr.startswith("error: iic/ms_agent: cannot be fetched from http://127.0.0.1:")
    hub.faults.clear()
    assert pull(swiftagent, hub, tmp_path, "--agent", 50).returncode == 0
    before = (tmp_path / "datasets/mix.manifest.json").read_bytes()
    hub.close()
    done = pull(swiftagent, hub, tmp_path, "--agent", 50)
    assert done.returncode == 0, done.stderr
    assert "cannot be reached, the copy on this disk is used" in done.stderr
    assert (tmp_path / "datasets/mix.manifest.json").read_bytes() == before


def test_no_network_is_one_line_that_says_what_to_do(swiftagent: Run, tmp_path: Path):
    env = {"MODELSCOPE_ENDPOINT": "http://127.0.0.1:9", "MODELSCOPE_CACHE": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    done = swiftagent("mix", "--agent", 50, "-q", env=env)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    for remedy in ("check the network", "MODELSCOPE_ENDPOINT", "--agent-source FILE", "run again"):
        assert remedy in done.stderr


def test_a_listing_that_leads_outside_is_refused(swiftagent: Run, hub: Hub, tmp_path: Path):
    done = pull(swiftagent, hub, tmp_path, "--agent", 50, "--agent-source", "a/outside")
    assert done.returncode == 4
    assert "'../../outside.jsonl'; nothing was fetched" in done.stderr
    assert not list(tmp_path.rglob("outside.jsonl"))


def test_the_split_of_an_old_dataset_stands_in_its_description(swiftagent: Run, hub: Hub, tmp_path: Path):
    assert pull(swiftagent, hub, tmp_path, "--agent", 500, "--agent-source", "a/meta", "--val", 0).returncode == 0
    assert len(read(tmp_path / "datasets/mix.jsonl")) == 200


def test_an_unknown_dataset_is_said_so(swiftagent: Run, hub: Hub, tmp_path: Path):
    done = pull(swiftagent, hub, tmp_path, "--agent", 5, "--agent-source", "a/none")
    assert done.returncode == 4
    assert "a/none: no such dataset on http://127.0.0.1:" in done.stderr


def test_hugging_face_is_read_too(swiftagent: Run, hub: Hub, tmp_path: Path):
    hub.fault("train.jsonl", "drop")
    done = pull(swiftagent, hub, tmp_path, "--agent", 50, "--agent-source", "hf::iic/ms_agent")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "datasets/mix.manifest.json").read_text())
    assert manifest["sources"][0]["hub"] == "huggingface"
    assert len(manifest["sources"][0]["revision"]) == 40


def test_self_cognition_comes_from_its_hub(swiftagent: Run, hub: Hub, tmp_path: Path):
    words = ("--self-cognition", 30, "--name", "Whale", "--author", "Sea", "--val", 0)
    assert pull(swiftagent, hub, tmp_path, *words).returncode == 0
    assert {row["messages"][-1]["content"] for row in read(tmp_path / "datasets/mix.jsonl")} == {"I am Whale of Sea."}
