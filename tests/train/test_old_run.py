"""A run of version 0.1.0 before its modules moved: it still answers, resumes, is evaluated and is exported.

tests/data/old_run is such a run, interrupted after two of its four steps, with @FOLDER@ for the folder it stood in.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytestmark = pytest.mark.needs_swift
Command = Callable[..., CompletedProcess[str]]


@pytest.fixture
def old_run(root: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run as it would stand in tmp_path, its base and data beside it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a model this small gains nothing from threads
    folder = tmp_path / "runs" / "tiny"
    shutil.copytree(root / "tests" / "data" / "old_run", folder)
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".yaml"):
            path.write_text(path.read_text(encoding="utf-8").replace("@FOLDER@", str(tmp_path)), encoding="utf-8")
    for path in folder.glob("data*.jsonl"):
        shutil.move(path, tmp_path / path.name)
    (tmp_path / "base").symlink_to(tiny_model)
    return folder


def finished(done: CompletedProcess[str]) -> CompletedProcess[str]:
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_an_old_run_answers(old_run: Path, swiftagent: Command):
    words = ("--react", "--tools", "calculator", "--max-steps", 1, "--step-tokens", 4, "--json")
    done = finished(swiftagent("infer", *words, "Oslo?"))
    assert json.loads(done.stdout)["question"] == "Oslo?"


def test_an_old_run_is_evaluated(old_run: Path, swiftagent: Command):
    done = finished(swiftagent("eval", "tiny", "--no-free", "--no-base", "--step-tokens", 4, "--json"))
    scores = json.loads(done.stdout)["tuned"]
    assert {"parsable", "call_exact", "bits_per_byte"} <= set(scores)


def test_an_old_run_is_exported(old_run: Path, swiftagent: Command, tmp_path: Path):
    finished(swiftagent("export", "adapter", "tiny", "--checkpoint", "last", "-o", "adapter"))
    finished(swiftagent("export", "merge", "tiny", "--checkpoint", "last", "-o", "merged"))
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_an_old_run_resumes(old_run: Path, swiftagent: Command):
    done = finished(swiftagent("sft", "--resume", "tiny", timeout=900))
    steps = [json.loads(line) for line in (old_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [step["step"] for step in steps if "loss" in step] == [1, 2, 3, 4], done.stderr[-3000:]
    assert json.loads((old_run / "run.json").read_text(encoding="utf-8"))["state"] == "done"
