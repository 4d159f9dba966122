"""ms-swift really trains: two gloo processes, a few steps, a run folder that can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made import record, write_rows

from swiftagent.backend.runs import newest_run

pytestmark = pytest.mark.needs_swift


def test_two_processes_train_and_leave_a_run_that_can_be_read(tiny_config: Path, swiftagent: Callable[..., object]):
    long = record(99, "agent", result="x" * 600)
    write_rows(tiny_config.parent / "data.jsonl", 0, [*[record(n, "general" if n % 2 else "agent") for n in range(23)], long])
    done = swiftagent("sft", tiny_config.name)
    assert done.returncode == 0, done.stderr[-3000:]
    run = newest_run(tiny_config.parent / "runs")
    assert "1 rows are longer than max_length 512 and left out (1 agent)" in done.stderr
    assert "23 rows loaded" in done.stderr
    assert done.stderr.splitlines()[-2] == f"best checkpoint: runs/tiny/{run.checkpoint_best.name}"
    assert (run.state, run.template, run.checkpoint_last.name) == ("done", "qwen2_5", "checkpoint-4")
    steps = [line for line in run.metrics() if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    assert {"loss_agent", "loss_general", "tokens_per_second"} <= set(steps[0])
    written = json.loads((run.folder / "run.json").read_text())
    assert {"state", "started", "ended", "exit_code", "cause", "config", "command", "checkpoint_best"} <= set(written)
    assert "torch.distributed.run" in written["command"]
