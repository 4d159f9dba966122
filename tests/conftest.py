"""Fixtures that all rings share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from demo_run import demo_run  # noqa: F401  (a fixture)
from hypothesis import settings
from made import make_tiny_model, write_rows

ROOT = Path(__file__).parent.parent
# The same examples in every run, so that a run says something of the change that it tests; --hypothesis-seed=N draws
# others.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")
# On a busy machine a command says that it still works, between the lines that tests compare.
os.environ["SWIFTAGENT_SILENCE"] = "600"
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real rows and tokenizers that are no part of the project."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the folder of real rows is not beside this checkout")
    return SHARED


@pytest.fixture
def check_record(shared: Path) -> Callable[[Path], None]:
    """Assert that a file holds training records, by a program that is not ours."""

    def check(path: Path) -> None:
        done = subprocess.run([sys.executable, shared / "check_record", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:]

    return check


@pytest.fixture
def swiftagent(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command line in an empty folder: `swiftagent("convert", "x.json", "-o", "y.jsonl")`."""

    def run(
        *words: object, cwd: Path = tmp_path, env: dict[str, str] | None = None, timeout: float = 300, stdin: str = ""
    ):
        return subprocess.run(
            [sys.executable, "-m", "swiftagent", *map(str, words)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
        )

    return run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny-qwen2")


@pytest.fixture
def tiny_config(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config that trains the tiny model for four steps on two CPU processes."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a model this small gains nothing from threads
    write_rows(tmp_path / "data.jsonl", 24)
    write_rows(tmp_path / "data.val.jsonl", 4)
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"""model: {tiny_model}
data: data.jsonl
gpus: 0
cpu_processes: 2
sequences_per_step: 8
train:
  model_type: qwen2
  template: qwen2_5
  tuner_type: lora
  lora_rank: 4
  learning_rate: 1e-3
  max_length: 1400
  max_steps: 4
  per_device_train_batch_size: 2
  eval_steps: 2
  save_steps: 2
  logging_steps: 1
  dataloader_num_workers: 0
""",
        encoding="utf-8",
    )
    return path
