"""`swiftagent infer` as a person runs it: the newest run is found, loaded and asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOLS = 'def weather(city: str) -> str:\n    """Of a city."""\n    return "3C"\n'
FEW = {"OMP_NUM_THREADS": "1"}


@pytest.mark.needs_swift
def test_the_newest_run_is_asked_and_compared_with_its_base(
    tiny_run: Path, swiftagent: Callable[..., Any], tmp_path: Path
):
    (tmp_path / "town.py").write_text(TOOLS)
    words = ("infer", "--react", "--tools", "town.py", "--max-steps", 2, "--step-tokens", 8, "--json")
    done = swiftagent(*words, "--compare", "Oslo?", env=FEW)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["question"], sorted(found)) == ("Oslo?", ["base", "question", "tuned"])
    (tmp_path / "q.jsonl").write_text('{"question": "Oslo?"}\n{"question": 3}\n')
    done = swiftagent(*words, "--input", "q.jsonl", "--output", "out.jsonl", "--record", "rows.jsonl", "-j", 2, env=FEW)
    assert json.loads(done.stdout) == {"answered": 1, "failed": 1, "resumed": 0}, done.stderr
    assert {json.loads(line)["row"] for line in (tmp_path / "out.jsonl").read_text().splitlines()} == {1, 2}


@pytest.fixture
def tiny_run(tmp_path: Path, tiny_model: Path) -> Path:
    """A run folder below `runs/` whose only checkpoint is a LoRA adapter of the tiny model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "runs" / "first"
    checkpoint = folder / "checkpoint-4"
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    tuned.save_pretrained(checkpoint)
    (checkpoint / "trainer_state.json").write_text('{"global_step": 4}')
    trained = {"model": str(tiny_model), "model_type": "qwen2", "template": "qwen2_5"}
    (checkpoint / "args.json").write_text(json.dumps(trained))
    (folder / "run.json").write_text(
        json.dumps({"state": "done", "started": "2026-01-01", "config": {"model": str(tiny_model)}})
    )
    return folder
