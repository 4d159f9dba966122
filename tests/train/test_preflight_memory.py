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


RECOMPUTED = "gradient_checkpointing=true"


@pytest.mark.parametrize("by", ["sequences", "tokens"])
def test_self_distillation_counts_the_base_s_logits_too(by: str, tmp_path: Path):
    machine = Machine((Gpu(0, "A100", 80 * GIB, 80 * GIB, (8, 0)),), packages={"ms-swift": "4.6.0"})
    needed = []
    for method in ("sft", "self-distill"):
        words = [f"runs={tmp_path}", f"micro_batch={4096 if by == 'tokens' else by}", f"method={method}", RECOMPUTED]
        inputs = resolve(load("configs/qwen7b_agent_1gpu.yaml", words), machine)
        report = examine(inputs, plan(inputs, tmp_path), "off")
        assert report.memory
        needed.append(report.memory.activations)
    assert needed[1] > 1.3 * needed[0]
