"""ms-swift really trains: two gloo processes, a few steps, a run folder that can be read."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made import record, write_rows

from swiftagent.backend.engine import load_engine
from swiftagent.train.held_out import scale_checkpoint
from swiftagent.train.runs import Run, newest_run

pytestmark = pytest.mark.needs_swift


def test_two_processes_train_and_leave_a_run_that_can_be_read(tiny_config: Path, swiftagent: Callable[..., object]):
    long = record(99, "agent", result="x" * 1000)
    endless = record(98, "general")
    endless["messages"][0]["content"] = "why? " * 300
    usual = [record(n, "general" if n % 2 else "agent") for n in range(22)]
    write_rows(tiny_config.parent / "data.jsonl", 0, [*usual, long, endless])
    ours = ["method=self-distill", "eval_calls=2", "adapter_scale=auto"]
    done = swiftagent("sft", tiny_config.name, *ours, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    run = newest_run(tiny_config.parent / "runs")
    assert "1 row is longer than max_length 1400 and left out (1 general)" in done.stderr
    assert "1 row was over max_length and shortened to fit (1 agent)" in done.stderr
    assert "23 rows loaded" in done.stderr
    assert done.stderr.splitlines()[-3] == f"best checkpoint: runs/tiny/{run.checkpoint_best.name}"
    assert (run.state, run.template, run.checkpoint_last.name) == ("done", "qwen2_5", "checkpoint-4")
    steps = [line for line in run.metrics() if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    assert {"loss_agent", "loss_general", "tokens_per_second", "seconds_per_step", "memory_gib"} <= set(steps[0])
    first = next(line for line in done.stderr.splitlines() if line.startswith("step 1/4"))
    assert all(unit in first for unit in ("loss ", "agent ", " tokens/s", " GiB", " left")), first
    written = json.loads((run.folder / "run.json").read_text())
    assert {"state", "started", "ended", "exit_code", "cause", "config", "command", "checkpoint_best"} <= set(written)
    assert "torch.distributed.run" in written["command"]
    _chat_is_kept_to_the_base(list(run.metrics()))
    _the_adapter_is_scaled(run)


def _chat_is_kept_to_the_base(metrics: list[dict[str, float]]) -> None:
    steps = [line for line in metrics if "loss" in line]
    # A fresh adapter changes nothing, so the model does not differ from itself; later it does.
    assert abs(steps[0]["loss_general"]) < 1e-6 < steps[-1]["loss_general"] < 0.1 < 1 < steps[0]["loss_agent"]
    assert [line["eval_loss_general"] > 1 for line in metrics if "eval_loss" in line] == [True, True]
    assert [line["step"] for line in metrics if "eval_call_exact" in line] == [2, 4]


def _the_adapter_is_scaled(run: Run) -> None:
    import torch

    best = run.checkpoint_best
    # Of calls, which a model this small cannot make: of equal checkpoints the one of least loss, and the full scale.
    assert json.loads((run.checkpoint_last / "trainer_state.json").read_text())["best_metric"] > -1e-5
    assert best and best.name == "checkpoint-4" and len(run.record["adapter_scale"]["tried"]) == 4
    chosen = json.loads((best / "adapter_scale.json").read_text())
    assert (chosen["scale"], chosen["trained"]["lora_alpha"]) == (1.0, 32)
    (best / "adapter_scale.json").write_text(json.dumps({**chosen, "scale": 10 / 32}))
    scale_checkpoint(best, [], None, lambda done, of: None)
    assert json.loads((best / "adapter_config.json").read_text())["lora_alpha"] == 10
    loaded = load_engine(None, str(best)).model
    applied = {part.scaling["default"] for part in loaded.modules() if isinstance(getattr(part, "scaling", None), dict)}
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        apart, whole = loaded(input_ids=ids).logits, loaded.merge_and_unload()(input_ids=ids).logits
    assert applied == {10 / 4} and torch.allclose(apart, whole, atol=1e-5)


def test_two_machines_train_into_one_run_folder(tiny_config: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["cpu_processes=1", "nodes=2", f"master=127.0.0.1:{port}", "preflight=off", "max_steps=2"]
    command = [sys.executable, "-m", "swiftagent", "sft", tiny_config.name, *words]
    machines = [
        subprocess.Popen([*command, f"node_rank={rank}"], cwd=tiny_config.parent, stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    said = [machine.communicate(timeout=900)[1] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    run = newest_run(tiny_config.parent / "runs")
    assert (run.state, run.record["nodes"], run.record["sequences_per_step"]) == ("done", 2, 8)
    assert "node 1 of 2" in said[1]
    assert (run.folder / "log-node1.txt").is_file()


def test_a_preflight_fault_stops_the_run_before_anything_is_written(
    tiny_config: Path, swiftagent: Callable[..., object]
):
    hostile = record(1, "agent")
    hostile["messages"][3].pop("loss")  # the result would be trained
    write_rows(tiny_config.parent / "data.jsonl", 0, [record(0), hostile])
    done = swiftagent("sft", tiny_config.name, timeout=900)
    assert done.returncode == 4
    assert f"{tiny_config.parent}/data.jsonl:2: message 3:" in done.stderr or "data.jsonl:2: message 3:" in done.stderr
    assert not (tiny_config.parent / "runs").exists()


def test_the_preflight_foretells_what_becomes_of_long_rows(tiny_config: Path, swiftagent: Callable[..., object]):
    long, endless = record(99, "agent", result="x" * 1000), record(98, "agent")
    endless["messages"][0]["content"] = "why? " * 300
    write_rows(tiny_config.parent / "data.jsonl", 0, [*(record(n, "agent") for n in range(2)), long, endless])
    done = swiftagent("doctor", tiny_config.name, "--json", timeout=900)
    found = json.loads(done.stdout)
    agent = found["measured"]["channels"]["agent"]
    assert (done.returncode, agent["rows"], agent["too_long"], agent["left_out"]) == (0, 4, 2, 1)
    told = [warning.partition("; ")[2] for warning in found["warnings"] if "max_length" in warning]
    assert told == ["longer rows are shortened: 25% of agent", "longer rows are left out: 25% of agent"]
    done = swiftagent("doctor", tiny_config.name, "max_length=20", timeout=900)
    assert done.returncode == 4 and "not one of the measured rows can be made to fit" in done.stderr, done.stderr


def test_doctor_tells_tokens_masks_memory_and_a_template_that_does_not_match(
    tiny_config: Path, swiftagent: Callable[..., object]
):
    model = Path(tiny_config.read_text().split()[1])
    own = tiny_config.parent / "model"
    own.mkdir()
    for path in model.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    (own / "chat_template.jinja").write_text("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}")
    done = swiftagent("doctor", tiny_config.name, f"model={own}", "--json", timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] and found["measured"]["masks"]["clean"]
    agent = found["measured"]["channels"]["agent"]
    assert agent["rows"] == 12 and 0 < agent["trained"] < agent["tokens"]
    assert any("the model's own chat template" in warning for warning in found["warnings"])
    assert found["memory"]["parameters"] == 35616
    assert found["effort"]["steps"] == 4
