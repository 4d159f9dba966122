"""A run that steps cut by tokens break at once trains as batches of sequences, where nobody asked for tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_text import config_of
from made import write_rows

from swiftagent.errors import LaunchError
from swiftagent.train import launch, preflight, session
from swiftagent.train.machine import GIB, Gpu, Machine

ONE_GPU = Machine((Gpu(0, "H100", 80 * GIB, 79 * GIB, (9, 0)),), cpus=4, packages={"ms-swift": "4.6.0"})
# In the trainer's place, a program whose steps cut by tokens fail: no GPU is at hand that would make them.
TRAINER = """
import json, pathlib, sys
run = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
if json.loads((run / "plugin.json").read_text())["micro_step_tokens"]:
    raise RuntimeError("this kernel knows no such GPU")
(run / "metrics.jsonl").write_text('{"step": 1, "max_steps": 1, "loss": 2.0}')
"""


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trainer.py").write_text(TRAINER)
    write_rows(tmp_path / "data.jsonl", 4)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "look", lambda: ONE_GPU)
    for module in (launch, preflight):
        monkeypatch.setattr(module, "trainer_entry", lambda: str(tmp_path / "trainer.py"))


def start(more: str = "") -> int:
    text = f"model: Qwen/Qwen2.5-0.5B-Instruct\ndata: data.jsonl\nname: x\npreflight: off\n{more}"
    return session.start(config_of(text), session.Verbosity())


@pytest.mark.usefixtures("trainer")
def test_a_run_that_fails_before_its_first_step_starts_again_with_batches(capsys: pytest.CaptureFixture[str]):
    assert start() == 0
    run = json.loads(Path("runs/x/run.json").read_text())
    assert (run["state"], run["plan"]["micro_batch"], run["config"]["micro_batch"]) == (
        "done",
        "sequences",
        "sequences",
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "cut by tokens: RuntimeError: this kernel knows no such GPU; it starts again with batches" in said


@pytest.mark.usefixtures("trainer")
def test_a_run_that_asks_for_tokens_fails():
    with pytest.raises(LaunchError, match="this kernel knows no such GPU"):
        start("micro_batch: tokens\n")
