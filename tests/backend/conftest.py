"""The tiny model and a config that trains it, for the tests that really train."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from made import make_tiny_model, write_rows  # noqa: E402


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
