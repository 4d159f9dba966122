"""`method: self-distill`, `eval_calls` and `adapter_scale: auto`: really trained, then loaded, merged and scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made import record, write_rows

from swiftagent.backend.engine import load_engine
from swiftagent.train.adapter_scale import ScaleTrial, choose_scale, forgetting_limit, scaled
from swiftagent.train.held_out import read_held_out
from swiftagent.train.runs import newest_run


def test_the_scale_is_the_best_that_forgets_little_enough():
    trials = [ScaleTrial(1.0, 0.8, 0.4), ScaleTrial(0.5, 0.7, 0.1), ScaleTrial(0.3, 0.7, 0.05)]
    assert [choose_scale(trials, limit).scale for limit in (float("inf"), 0.2, 0.01)] == [1.0, 0.3, 0.3]
    assert choose_scale([ScaleTrial(0.5, 0.2, None), ScaleTrial(1.0, 0.6, None)], 0.0).scale == 1.0
    assert forgetting_limit({"bits_per_byte": {"rise": 0.05, "max": 2}, "call_exact": {"min": 0.5}}) == 0.05
    assert forgetting_limit(None) == float("inf")


def test_a_scale_reaches_every_alpha_of_an_adapter():
    config = {"lora_alpha": 32, "r": 8, "alpha_pattern": {"q_proj": 16}}
    assert scaled(config, 0.5) == {"lora_alpha": 16, "r": 8, "alpha_pattern": {"q_proj": 8.0}}


def test_held_out_questions_are_first_calls_and_plain_chat(tmp_path: Path):
    rows = [record(n, "general" if n % 2 else "agent") for n in range(12)] + [record(50, "self-cognition")]
    held = read_held_out([str(write_rows(tmp_path / "x.val.jsonl", 0, rows))], 3)
    assert [step.calls[0].arguments["town"] for step in held.calls] == [0, 4, 8]
    assert [step.answer for step in held.chats] == ["Town 1 is warm.", "Town 5 is warm.", "Town 9 is warm."]


@pytest.mark.needs_swift
def test_one_run_distils_asks_and_is_scaled(tiny_config: Path, swiftagent: Callable[..., object]):
    import torch

    words = ["cpu_processes=1", "preflight=off", "method=self-distill", "eval_calls=2", "adapter_scale=auto"]
    done = swiftagent("sft", tiny_config.name, *words, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    run = newest_run(tiny_config.parent / "runs")
    steps = [line for line in run.metrics() if "loss" in line]
    # A fresh adapter changes nothing, so the model does not differ from itself; later it does.
    assert abs(steps[0]["loss_general"]) < 1e-6 < steps[-1]["loss_general"] < 0.1
    assert steps[0]["loss_agent"] > 1
    assert [line["step"] for line in run.metrics() if "eval_call_exact" in line] == [2, 4]
    assert [line["eval_loss_general"] > 1 for line in run.metrics() if "eval_loss" in line] == [True, True]
    state = json.loads((run.checkpoint_last / "trainer_state.json").read_text())
    assert state["best_metric"] == 0.0  # of calls: a model this small makes none
    found = run.record["adapter_scale"]
    config = json.loads((run.checkpoint_best / "adapter_config.json").read_text())
    assert found["scale"] == 0.3125 and config["lora_alpha"] == 10 and len(found["tried"]) == 4
    loaded = load_engine(None, str(run.checkpoint_best)).model
    applied = {part.scaling["default"] for part in loaded.modules() if isinstance(getattr(part, "scaling", None), dict)}
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        apart, whole = loaded(input_ids=ids).logits, loaded.merge_and_unload()(input_ids=ids).logits
    assert applied == {10 / 4} and torch.allclose(apart, whole, atol=1e-5)


def test_what_cannot_be_combined_is_refused_before_training(tiny_config: Path, swiftagent: Callable[..., object]):
    (tiny_config.parent / "data.val.jsonl").unlink()
    words = ["method=self-distill", "eval_calls=9", "adapter_scale=auto", "use_dora=true", "tuner_type=full"]
    done = swiftagent("sft", tiny_config.name, *words)
    assert done.returncode == 4, done.stderr
    for fact in (
        "method: only a LoRA can be switched off or scaled",
        "eval_calls: there is no validation split",
        "adapter_scale: train.use_dora changes weights that no scale reaches",
    ):
        assert fact in done.stderr, done.stderr
