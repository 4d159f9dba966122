"""`swiftagent mix` as a whole process: sampling, accounts, repeats, sources of every kind, faults."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mix_data import agent_row, chat_row, jsonl, read

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.is_file()
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """agent.jsonl and chat.jsonl, 300 and 500 rows."""
    (tmp_path / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(300)]))
    (tmp_path / "chat.jsonl").write_bytes(jsonl([chat_row(number) for number in range(500)]))
    return tmp_path


def mix(swiftagent: Run, *words: object, agent: int = 100, general: int = 200, out: str = "out/mix.jsonl", **more: Any):
    return swiftagent(
        *(
            "mix",
            "--agent",
            agent,
            "--agent-source",
            "agent.jsonl",
            "--general",
            general,
            "--general-source",
            "chat.jsonl",
        ),
        *("-o", out, *words),
        **more,
    )


def test_the_sample_is_whole_and_every_row_is_a_record(
    swiftagent: Run, data: Path, check_record: Callable[[Path], None]
):
    done = mix(swiftagent, "--json")
    assert done.returncode == 0, done.stderr
    train, val = read(data / "out/mix.jsonl"), read(data / "out/mix.val.jsonl")
    assert (len(train), len(val)) == (297, 3)
    assert Counter(row["channel"] for row in train + val) == {"agent": 100, "general": 200}
    assert len({row["id"] for row in train + val}) == 300
    check_record(data / "out/mix.jsonl")
    check_record(data / "out/mix.val.jsonl")
    manifest = json.loads(done.stdout)
    assert manifest == json.loads((data / "out/mix.manifest.json").read_text())
    assert manifest["rows"] == {"mix": 297, "val": 3}
    assert (
        manifest["sources"][0]["files"][0]["sha256"] == hashlib.sha256((data / "agent.jsonl").read_bytes()).hexdigest()
    )
    assert sorted(path.name for path in (data / "out").iterdir()) == [
        "mix.jsonl",
        "mix.manifest.json",
        "mix.rejects.jsonl",
        "mix.report.json",
        "mix.val.jsonl",
    ]


def test_channels_are_shuffled_together(swiftagent: Run, data: Path):
    assert mix(swiftagent).returncode == 0
    first = [row["channel"] for row in read(data / "out/mix.jsonl")[:60]]
    assert 5 < first.count("agent") < 40


def test_the_same_rows_whatever_the_order_and_the_number_of_processes(swiftagent: Run, data: Path):
    assert mix(swiftagent, "--processes", 1, out="one/mix.jsonl").returncode == 0
    rows = (data / "chat.jsonl").read_bytes().splitlines(keepends=True)
    random.Random(5).shuffle(rows)
    (data / "chat.jsonl").write_bytes(b"".join(rows))
    assert mix(swiftagent, "--processes", 3, out="two/mix.jsonl").returncode == 0
    for name in ("mix.jsonl", "mix.val.jsonl"):
        one, two = read(data / "one" / name), read(data / "two" / name)
        assert [row["messages"] for row in one] == [row["messages"] for row in two]
    contents = [json.loads((data / folder / "mix.manifest.json").read_text())["content"] for folder in ("one", "two")]
    assert contents[0] == contents[1]


def test_a_mix_is_repeated_from_its_manifest_byte_by_byte(swiftagent: Run, data: Path):
    assert mix(swiftagent, "--seed", 9, out="one/mix.jsonl").returncode == 0
    done = swiftagent("mix", "--manifest", "one/mix.manifest.json", "-o", "two/mix.jsonl", "-q")
    assert done.returncode == 0, done.stderr
    assert digest(data / "one") == digest(data / "two")
    (data / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(301)]))
    done = swiftagent("mix", "--manifest", "one/mix.manifest.json", "-o", "three/mix.jsonl")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith("error: agent.jsonl: its data is not what the manifest names")
    assert not (data / "three/mix.jsonl").exists()


def test_another_seed_is_another_sample(swiftagent: Run, data: Path):
    assert mix(swiftagent, "--seed", 1, out="one/mix.jsonl").returncode == 0
    assert mix(swiftagent, "--seed", 2, out="two/mix.jsonl").returncode == 0
    one, two = ({row["id"] for row in read(data / folder / "mix.jsonl")} for folder in ("one", "two"))
    assert 0.2 < len(one & two) / len(one) < 0.7


def test_fewer_rows_than_asked_are_all_taken_and_it_is_said_loudly(swiftagent: Run, data: Path):
    done = mix(swiftagent, agent=1000)
    assert done.returncode == 0
    assert "warning: agent.jsonl (agent): 1,000 rows asked for, only 300 there; all of them are taken" in done.stderr
    assert json.loads((data / "out/mix.report.json").read_text())["short"] == 700


def test_faulty_rows_are_replaced_accounted_and_fail_above_the_limit(swiftagent: Run, data: Path):
    rows: list[Any] = [agent_row(number) for number in range(300)]
    for number in range(0, 300, 10):
        rows[number] = {"id": f"bad{number}", "conversations": [{"from": "user", "value": "and then?"}]}
    (data / "agent.jsonl").write_bytes(jsonl(rows) + b"{broken\n")
    done = mix(swiftagent)
    assert done.returncode == 3
    assert "more than 1.0%" in done.stderr
    train, val = read(data / "out/mix.jsonl"), read(data / "out/mix.val.jsonl")
    assert Counter(row["channel"] for row in train + val) == {"agent": 100, "general": 200}
    report = json.loads((data / "out/mix.report.json").read_text())
    assert report["rows_in"] + report["split"] - report["merged"] == report["rows_out"] + report["rejected"]
    rejects = read(data / "out/mix.rejects.jsonl")
    assert len(rejects) == report["rejected"] == sum(report["reasons"].values()) > 0
    assert all(set(line) == {"source", "code", "message", "row"} for line in rejects)
    assert mix(swiftagent, "--max-rejects", "100%").returncode == 0


@pytest.mark.parametrize("kind", ["csv-python", "csv-json", "jsonl-python", "json"])
def test_hub_files_hold_conversations_in_several_spellings(swiftagent: Run, data: Path, kind: str):
    rows = [agent_row(number) for number in range(300)]
    rows[3]["conversations"][1]["value"] = 'He said "no",\nthen \\n left; 她说“好”'
    spell = repr if kind.endswith("python") else (lambda value: json.dumps(value, ensure_ascii=False, indent=1))
    if kind.startswith("csv"):
        with (data / "agent.csv").open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(["id", "conversations"])
            table.writerows([row["id"], spell(row["conversations"])] for row in rows)
        name = "agent.csv"
    elif kind == "json":
        (data / "agent.json").write_text(json.dumps(rows, ensure_ascii=False, indent=2))
        name = "agent.json"
    else:
        (data / "agent.jsonl").write_bytes(
            jsonl([{**row, "conversations": spell(row["conversations"])} for row in rows])
        )
        name = "agent.jsonl"
    done = swiftagent("mix", "--agent", 300, "--agent-source", name, "-o", "out/mix.jsonl", "--val", 0)
    assert done.returncode == 0, done.stderr
    found = {row["id"]: row for row in read(data / "out/mix.jsonl")}
    assert len(found) == 300
    assert found["a3"]["messages"][1]["content"] == rows[3]["conversations"][1]["value"]
    assert found["a3"]["messages"][2]["content"].endswith('Action Input: {"place": "Town 3", "days": 3}\nObservation:')
    assert found["a3"]["source"].startswith(f"{name}:")


def test_self_cognition_is_repeated_and_filled_in(swiftagent: Run, data: Path):
    rows = [
        {"query": "你是谁？", "response": "我是{{NAME}}，由{{AUTHOR}}训练。", "tag": "zh"},
        {"query": "Who are you?", "response": "I am {{NAME}} by {{AUTHOR}}.", "tag": "en"},
        {"query": "Your name?", "response": "{{NAME}}.", "tag": "en"},
    ]
    (data / "self.jsonl").write_bytes(jsonl(rows))
    words = (
        "--self-cognition",
        100,
        "--self-cognition-source",
        "self.jsonl",
        "--name",
        "小鲸",
        "Whale",
        "--author",
        "海",
        "Sea",
    )
    done = mix(swiftagent, *words)
    assert done.returncode == 0, done.stderr
    both = read(data / "out/mix.jsonl") + read(data / "out/mix.val.jsonl")
    answers = Counter(row["messages"][-1]["content"] for row in both if row["channel"] == "self-cognition")
    assert sum(answers.values()) == 100
    assert set(answers) == {"我是小鲸，由海训练。", "I am Whale by Sea.", "Whale."}
    assert set(answers.values()) <= {33, 34}


def test_self_cognition_needs_a_name(swiftagent: Run, data: Path):
    done = mix(swiftagent, "--self-cognition", 5)
    assert (done.returncode, done.stderr) == (2, "error: --self-cognition needs --name NAME and --author AUTHOR\n")


def test_rows_of_another_assistant_are_left_out_unless_kept(swiftagent: Run, data: Path):
    rows = [chat_row(number) for number in range(500)]
    for number in range(100):
        rows[number]["conversations"][1]["value"] = f"I am MOSS, {number}."
    rows[200]["conversations"].insert(0, {"from": "system", "value": "You are a helpful assistant."})
    rows[201]["conversations"].insert(0, {"from": "system", "value": "You are a pirate."})
    (data / "chat.jsonl").write_bytes(jsonl(rows))
    done = mix(swiftagent, "--drop-leaks", general=400)
    assert done.returncode == 0, done.stderr
    both = read(data / "out/mix.jsonl") + read(data / "out/mix.val.jsonl")
    assert sum(row["channel"] == "general" for row in both) == 400
    assert not any("MOSS" in row["messages"][-1]["content"] for row in both)
    roles = {row["id"]: row["messages"][0]["role"] for row in both}
    assert (roles["c200"], roles["c201"]) == ("user", "system")
    reasons = json.loads((data / "out/mix.report.json").read_text())["reasons"]
    assert list(reasons) == ["other-assistant"]
    assert 80 < reasons["other-assistant"] <= 100
    assert mix(swiftagent, general=500).returncode == 0
    assert sum("MOSS" in row["messages"][-1]["content"] for row in read(data / "out/mix.jsonl")) > 90


def test_validation_shares_no_row_with_training(swiftagent: Run, data: Path):
    (data / "chat.jsonl").write_bytes(jsonl([{**chat_row(number % 100), "id": str(number)} for number in range(500)]))
    assert mix(swiftagent, "--val", "10%", general=500).returncode == 0
    train, val = read(data / "out/mix.jsonl"), read(data / "out/mix.val.jsonl")
    assert len(train) + len(val) == 600
    texts = [{json.dumps(row["messages"]) for row in rows} for rows in (train, val)]
    assert texts[0].isdisjoint(texts[1])


def test_a_dry_run_writes_nothing(swiftagent: Run, data: Path):
    done = swiftagent("mix", "--agent", 30000, "--general", 60000, "--dry-run", "--json")
    assert json.loads(done.stdout)["sources"] == [
        {"source": ["iic/ms_agent"], "count": 30000},
        {"source": ["iic/ms_bench"], "channel": "general", "count": 60000, "leave_out": ["other-assistant"]},
    ]
    assert sorted(path.name for path in data.iterdir()) == ["agent.jsonl", "chat.jsonl"]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (
            [],
            2,
            "error: say what to mix: --agent N, --general N, --self-cognition N, a recipe file, or --manifest FILE",
        ),
        (
            ["--agent", "5", "--agent-source", "none.jsonl"],
            2,
            "error: none.jsonl: no such file; a hub id is owner/name",
        ),
        (["--agent-source", "a.jsonl"], 2, "error: --agent-source needs --agent N, the number of rows"),
        (["none.yaml"], 2, "error: none.yaml: cannot be read: No such file or directory"),
        (["--agent", "5", "--agent-source", "empty.jsonl"], 2, "error: empty.jsonl: no rows, the file is empty"),
        (
            ["--agent", "5", "--agent-source", "agent.jsonl", "-o", "agent.jsonl"],
            2,
            "error: agent.jsonl is a source and would be",
        ),
        (
            ["--agent", "5", "--agent-source", "x.val.jsonl", "-o", "x.jsonl"],
            2,
            "error: x.val.jsonl is a source and would be",
        ),
        (
            ["--agent", "5", "--agent-source", "agent.jsonl", "-o", "/proc/x/mix.jsonl"],
            4,
            "error: cannot write /proc/x/mix.jsonl: ",
        ),
    ],
)
def test_what_is_wrong_is_one_line(swiftagent: Run, data: Path, words: list[str], code: int, line: str):
    (data / "empty.jsonl").write_bytes(b"")
    (data / "x.val.jsonl").write_bytes((data / "agent.jsonl").read_bytes())
    done = swiftagent("mix", *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert done.stderr.startswith(line)
    assert not list(data.glob("**/mix.jsonl"))


def test_a_second_run_into_the_same_output_says_so(swiftagent: Run, data: Path):
    words = ["mix", "--agent", "5", "--agent-source", "-", "-o", "out/mix.jsonl", "-q"]
    first = subprocess.Popen([sys.executable, "-m", "swiftagent", *words], cwd=data, stdin=subprocess.PIPE)
    try:
        wait_for(lambda: (data / "out/.mix.jsonl.work/lock").exists())
        time.sleep(0.3)
        done = mix(swiftagent)
        assert done.returncode == 4
        assert done.stderr == "error: out/mix.jsonl: another run is writing it; wait for it or choose another -o\n"
    finally:
        first.communicate(jsonl([agent_row(number) for number in range(9)]), timeout=60)
    assert first.returncode == 0
    assert len(read(data / "out/mix.jsonl")) == 4


def test_killed_at_any_moment_there_is_no_output_or_a_whole_one(swiftagent: Run, data: Path):
    assert mix(swiftagent, out="whole/mix.jsonl").returncode == 0
    words = [
        "mix",
        "--agent",
        "100",
        "--agent-source",
        "agent.jsonl",
        "--general",
        "200",
        "--general-source",
        "chat.jsonl",
        "-q",
    ]
    rng = random.Random(3)
    for _ in range(8):
        run = subprocess.Popen([sys.executable, "-m", "swiftagent", *words, "-o", "out/mix.jsonl"], cwd=data)
        time.sleep(rng.uniform(0.05, 0.6))
        run.send_signal(signal.SIGKILL)
        run.wait()
        if (data / "out/mix.jsonl").exists():
            assert {name: value for name, value in digest(data / "out").items()} == digest(data / "whole")
            (data / "out/mix.jsonl").unlink()
    assert mix(swiftagent).returncode == 0
    assert digest(data / "out") == digest(data / "whole")
    assert not (data / "out/.mix.jsonl.work").exists()


def wait_for(fact: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_full_disk_is_one_line_and_leaves_no_output(swiftagent: Run, data: Path):
    limit = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
    code = limit + "sys.argv = ['swiftagent', *sys.argv[1:]]; runpy.run_module('swiftagent', run_name='__main__')"
    words = ["mix", "--agent", "100", "--agent-source", "agent.jsonl", "-o", "out/mix.jsonl", "-q"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=data, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    assert "File too large; nothing was lost" in done.stderr
    assert not list((data / "out").glob("mix*"))
