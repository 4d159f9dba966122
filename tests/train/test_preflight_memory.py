"""What the preflight says of memory, for cards that a test makes up: without ms-swift, a model or a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftagent.train.config import load
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import plan
from swiftagent.train.machine import GIB, Gpu, Machine
from swiftagent.train.preflight import examine


@pytest.mark.parametrize(
    ("gib", "count", "said"),
    [(80, 8, []), (24, 8, ["memory: about 25 GB a GPU, 24 GB usable; per_device_train_batch_size=1 would fit"])],
)
def test_what_would_fit_is_said_for_a_card_that_is_too_small(gib: int, count: int, said: list[str], tmp_path: Path):
    gpus = tuple(Gpu(index, "A100", gib * GIB, gib * GIB, (8, 0)) for index in range(count))
    machine = Machine(gpus, packages={"ms-swift": "4.6.0"})
    inputs = resolve(
        load("configs/qwen7b_agent.yaml", [f"runs={tmp_path}", "micro_batch=sequences", "gradient_checkpointing=true"]),
        machine,
    )
    report = examine(inputs, plan(inputs, tmp_path), "off")
    assert [line for line in report.warnings if line.startswith("memory")] == said
