"""A name, a checkpoint and a prompt style mean the same to every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from swiftagent.cli import main
from swiftagent.models.identity import is_hub_id
from swiftagent.train.runs import Run

Swiftagent = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", True),
        ("hf::owner/name", True),
        ("ms::owner/name", True),
        ("shards/part.parquet", False),
        ("data/rows.jsonl.gz", False),
        ("./owner", False),
        ("../owner", False),
        ("~/owner", False),
        ("/models/x", False),
        ("a/b/c", False),
        ("rows.jsonl", False),
        ("datasets/tiny-base", False),  # shipped
    ],
)
def test_a_hub_id_is_no_path_and_no_data_file(name: str, expected: bool):
    assert is_hub_id(name) is expected


def test_a_missing_data_file_is_an_error_in_a_dry_run_too(swiftagent: Swiftagent):
    sft = swiftagent("sft", "configs/tiny_cpu.yaml", "data=shards/part.parquet", "--dry-run")
    mix = swiftagent("mix", "--agent", "5", "--agent-source", "shards/part.parquet", "-o", "mix.jsonl")
    assert (sft.returncode, sft.stdout) == (4, "")
    assert "shards/part.parquet: no such file" in sft.stderr and "hub" not in sft.stderr
    assert "shards/part.parquet: no such file" in mix.stderr


def test_data_that_mix_will_write_may_be_missing_in_a_dry_run(swiftagent: Swiftagent):
    done = swiftagent("sft", "configs/tiny_cpu.yaml", "data=datasets/later.jsonl", "--dry-run")
    assert done.returncode == 0
    assert "datasets/later.jsonl: no such file" in done.stderr


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run with the checkpoints 5 and 10 of an adapter."""
    monkeypatch.chdir(tmp_path)
    for step in (5, 10):
        folder = tmp_path / "runs" / "x" / f"checkpoint-{step}"
        (folder / "global_step").mkdir(parents=True)
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    found = Run(tmp_path / "runs" / "x")
    found.update(state="done", config={"model": "m", "data": []})
    return found


def test_a_checkpoint_that_is_missing_is_reported_alike(run: Run, capsys: pytest.CaptureFixture[str]):
    answers = []
    commands = (
        ["infer", "--run", "x", "hi"],
        ["eval", "x", "--data", "d.jsonl"],
        ["export", "merge", "x", "-o", "out"],
    )
    for words in commands:
        code = main([*words, "--checkpoint", "7"])
        answers.append((code, capsys.readouterr().err))
    assert answers == [(2, "error: --checkpoint 7: x has no such checkpoint; there are 5, 10\n")] * 3


def test_a_checkpoint_is_best_last_or_a_step(run: Run):
    assert [run.checkpoint(which).name for which in ("best", "last", "5")] == [
        "checkpoint-10",
        "checkpoint-10",
        "checkpoint-5",
    ]
