"""Run folders: names, states, and which checkpoints are whole."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from swiftagent.errors import SetupError
from swiftagent.train.runs import Run, find_run, identity, is_complete, new_run, newest_run, next_name, now


def checkpoint(folder: Path, step: int, best: int | None = None) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (path / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with zipfile.ZipFile(path / "optimizer.pt", "w") as archive:
        archive.writestr("data.pkl", "x")
    named = str(folder / f"checkpoint-{best}") if best else None
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step, "best_model_checkpoint": named}))
    return path


def test_a_run_folder_is_never_used_twice(tmp_path: Path):
    assert [new_run(tmp_path, "a").name for _ in range(3)] == ["a", "a-2", "a-3"]


def test_a_start_that_failed_does_not_keep_the_name(tmp_path: Path):
    failed = new_run(tmp_path, "a")
    failed.update(state="failed")
    (failed.folder / "log.txt").write_text("no such option")
    assert (next_name(tmp_path, "a"), failed.folder.exists()) == (tmp_path / "a", True)
    again = new_run(tmp_path, "a")
    assert (again.name, list(again.folder.iterdir())) == ("a", [])
    again.update(state="failed")
    (again.folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')  # it trained, and is kept
    assert new_run(tmp_path, "a").name == "a-2"


def test_last_and_best_checkpoint(tmp_path: Path):
    run = new_run(tmp_path, "a")
    for step in (9, 10, 100):
        checkpoint(run.folder, step, best=10)
    assert (run.checkpoint_last.name, run.checkpoint_best.name) == ("checkpoint-100", "checkpoint-10")


@pytest.mark.parametrize(
    "fault", ["no state", "half a state", "no weights", "cut weights", "cut optimizer", "a rank is missing"]
)
def test_a_half_written_checkpoint_is_skipped(fault: str, tmp_path: Path):
    run = new_run(tmp_path, "a")
    checkpoint(run.folder, 5)
    last = checkpoint(run.folder, 10)
    weights, optimizer, state = last / "adapter_model.safetensors", last / "optimizer.pt", last / "trainer_state.json"
    match fault:
        case "no state":
            state.unlink()
        case "half a state":
            state.write_text(state.read_text()[:9])
        case "no weights":
            weights.unlink()
            (last / "training_args.bin").touch()
        case "cut weights":
            weights.write_bytes(weights.read_bytes()[:-4])
        case "cut optimizer":
            optimizer.write_bytes(optimizer.read_bytes()[:-20])
        case "a rank is missing":
            (last / "args.json").write_text('{"global_world_size": 2}')
            (last / "rng_state_0.pth").touch()
    assert not is_complete(last)
    assert run.checkpoint_last.name == "checkpoint-5"


def test_a_run_whose_launcher_is_gone_is_interrupted(tmp_path: Path):
    run = new_run(tmp_path, "a")
    run.update(state="running", **identity())
    assert (run.state, run.alive()) == ("running", True)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    run.update(pid=int(gone.stdout))
    assert (Run(run.folder).state, Run(run.folder).alive()) == ("interrupted", False)


def test_the_newest_run_with_a_checkpoint_is_found(tmp_path: Path):
    for name, started in (("old", "2026-01-01T00:00:00+0000"), ("new", "2026-01-02T00:00:00+0000")):
        run = new_run(tmp_path, name)
        run.update(state="done", started=started)
        checkpoint(run.folder, 1)
    new_run(tmp_path, "empty").update(state="failed", started="2026-01-03T00:00:00+0000")
    assert newest_run(tmp_path).name == "new"
    assert find_run("old", tmp_path).checkpoint_last.name == "checkpoint-1"


def test_what_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(SetupError, match="no run with a checkpoint; `swiftagent sft CONFIG` makes one"):
        newest_run(tmp_path)
    with pytest.raises(SetupError, match=r"x: no such run in .*; there are none yet"):
        find_run("x", tmp_path)


def test_times_of_runs_sort_whatever_the_clock_on_the_wall_says(monkeypatch: pytest.MonkeyPatch):
    told = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        told.append(now())
    monkeypatch.undo()
    time.tzset()
    assert told == sorted(told)
    assert [text[19:] for text in told] == ["+0000", "+0000"]
