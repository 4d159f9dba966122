"""Runs that are killed, stopped, or fail: nothing but the time since the last checkpoint is lost, and the cause is
told."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from swiftagent.train.config import load
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import plan
from swiftagent.train.machine import Machine
from swiftagent.train.runs import Run, newest_run

pytestmark = pytest.mark.needs_swift
Train = Callable[..., CompletedProcess[str]]
ALONE = ["preflight=off", "cpu_processes=1"]


@pytest.fixture
def started(tiny_config: Path) -> Iterator[Callable[..., Started]]:
    """Start a training in the background: `started("max_steps=400")`."""
    running: list[Started] = []

    def start(*words: str) -> Started:
        running.append(Started(tiny_config, words))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()


class Started:
    """A training under way."""

    def __init__(self, config: Path, words: tuple[str, ...]) -> None:
        self.folder = config.parent / "runs" / config.stem
        self.process = subprocess.Popen(
            [sys.executable, "-m", "swiftagent", "sft", config.name, "preflight=off", *words],
            cwd=config.parent,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_step(self, step: int) -> None:
        metrics = self.folder / "metrics.jsonl"
        while not (metrics.is_file() and f'"step": {step},' in metrics.read_text()):
            assert self.process.poll() is None, self.process.stderr.read()[-3000:]
            time.sleep(0.02)


def losses(run: Run) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in run.metrics() if "loss" in line}


def test_killed_and_resumed_equals_uninterrupted(tiny_config: Path, started: Callable[..., Started], swiftagent: Train):
    settings = ["max_steps=10", "save_steps=3", "eval_steps=3", "cpu_processes=1"]
    whole = swiftagent("sft", tiny_config.name, "name=whole", "preflight=off", *settings, timeout=900)
    assert whole.returncode == 0, whole.stderr[-3000:]
    cut = started(*settings)
    cut.wait_for_step(random.randint(4, 8))
    cut.process.send_signal(signal.SIGKILL)
    cut.process.wait()
    run = Run(cut.folder)
    assert run.state == "interrupted"
    done = swiftagent("sft", "--resume", cut.folder.name, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"resuming runs/{cut.folder.name} from step" in done.stderr
    assert losses(Run(cut.folder)) == pytest.approx(losses(Run(cut.folder.parent / "whole")), abs=1e-4)
    assert Run(cut.folder).state == "done"


def test_ctrl_c_saves_and_says_how_to_go_on(started: Callable[..., Started]):
    going = started("max_steps=2000", "save_steps=2000", "eval_steps=2000")  # two processes must stop at one step
    going.wait_for_step(2)
    going.process.send_signal(signal.SIGINT)
    stderr = going.process.communicate(timeout=900)[1]
    assert going.process.returncode == 130
    run = Run(going.folder)
    assert (run.state, run.record["cause"]) == ("interrupted", "stopped on request")
    step = int(run.checkpoint_last.name.rpartition("-")[2])
    assert f"step {step} is saved; `swiftagent sft --resume tiny` resumes it" in stderr


def test_a_killed_rank_is_named(started: Callable[..., Started]):
    going = started("max_steps=2000")
    going.wait_for_step(1)
    os.kill(_ranks(going.process.pid)[1], signal.SIGKILL)
    stderr = going.process.communicate(timeout=900)[1]
    assert going.process.returncode == 5, stderr
    assert "rank 1 was killed from outside (SIGKILL)" in stderr
    assert Run(going.folder).record["state"] == "failed"


def _ranks(launcher: int) -> list[int]:
    """The training processes below the launcher, by their rank."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            parents = _ancestors(int(path.parent.name))
            words = dict(pair.partition("=")[::2] for pair in path.read_bytes().decode().split("\0"))
        except OSError:
            continue
        if launcher in parents and "LOCAL_RANK" in words:
            rank = int(words["LOCAL_RANK"])
            children[rank] = min(children.get(rank, 1 << 30), int(path.parent.name))
    return [children[rank] for rank in sorted(children)]


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


@pytest.mark.parametrize("stage", ["zero2", "zero3"])
def test_deepspeed_trains_on_two_cpu_processes(stage: str, tiny_config: Path, swiftagent: Train):
    done = swiftagent("sft", tiny_config.name, "preflight=off", f"deepspeed={stage}", "max_steps=2", timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    run = newest_run(tiny_config.parent / "runs")
    assert {"--deepspeed", "--bf16"} <= set(run.record["command"])
    assert all(loss > 0 for loss in losses(run).values())


def test_a_loss_of_nan_is_explained(tiny_config: Path, tiny_model: Path, swiftagent: Train):
    from safetensors.torch import load_file, save_file

    broken = tiny_config.parent / "broken"
    broken.mkdir()
    for path in tiny_model.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    tensors = load_file(broken / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    done = swiftagent("sft", tiny_config.name, *ALONE, f"model={broken}", timeout=900)
    assert done.returncode == 5
    assert "the loss became nan at step 1: lower learning_rate" in done.stderr
    run = json.loads((tiny_config.parent / "runs" / "tiny" / "run.json").read_text())
    assert (run["state"], run["exit_code"]) == ("failed", 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a run's own files and half a checkpoint."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=250k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_explained(tiny_config: Path, small_disk: Path, swiftagent: Train):
    words = [tiny_config.name, *ALONE, f"runs={small_disk}", "save_steps=2", "max_steps=4"]
    done = swiftagent("sft", *words, cwd=tiny_config.parent)
    assert done.returncode == 5, done.stderr[-3000:]
    assert "the disk is full" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_code_in_a_model_folder_is_refused_inside_the_trainer_too(tiny_config: Path, tiny_model: Path):
    """A hub model is on this machine only once the trainer has fetched it: so the trainer refuses it as well."""
    hostile = tiny_config.parent / "hostile"
    hostile.mkdir()
    for path in tiny_model.iterdir():
        (hostile / path.name).write_bytes(path.read_bytes())
    (hostile / "modeling.py").write_text("open('ran', 'w')\n")
    folder = tiny_config.parent / "run"
    folder.mkdir()
    config = load(tiny_config, [f"model={hostile}", f"data={tiny_config.parent}/data.jsonl", "cpu_processes=1"])
    planned = plan(resolve(config, Machine(cpus=1)), folder)
    bare = subprocess.run(planned.argv, cwd=tiny_config.parent, capture_output=True, text=True)
    assert bare.returncode != 0
    assert "holds code of its own; trust_remote_code: true runs it" in bare.stderr
    assert not (tiny_config.parent / "ran").exists()
    (hostile / "modeling.py").unlink()
    (hostile / "preprocessor_config.json").write_text(
        '{"auto_map": {"AutoProcessor": "other/repository--processing.X"}}'
    )
    bare = subprocess.run(planned.argv, cwd=tiny_config.parent, capture_output=True, text=True)
    assert "holds code of its own; trust_remote_code: true runs it" in bare.stderr


def test_weights_train_a_copy_in_the_run_folder(tiny_config: Path, swiftagent: Train):
    text = tiny_config.read_text().replace("gpus: 0", "gpus: 0\nweights: {call: 2, answer: 0.5}")
    tiny_config.write_text(text)
    done = swiftagent("sft", tiny_config.name, *ALONE, "max_steps=1", timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    run = newest_run(tiny_config.parent / "runs")
    command = run.record["command"]
    assert command[command.index("--is_binary_loss_scale") + 1] == "false"
    row = json.loads((run.folder / "data" / "data.jsonl").read_text().splitlines()[0])
    assert any("loss_scale" in message for message in row["messages"])
