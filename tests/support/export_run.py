"""A finished run folder made without training: an adapter with random weights, and what a run writes beside it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any


def make_run(folder: Path, base: Path, data: Path, **settings: Any) -> Path:
    """`settings` are those of `train:`. The adapter changes every layer, and the embedding where the base's is tied."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, set_seed

    set_seed(1)
    checkpoint = folder / "checkpoint-2"
    model = AutoModelForCausalLM.from_pretrained(base)
    tied = ["embed_tokens"] if model.config.tie_word_embeddings else []
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = LoraConfig(r=4, target_modules=[*linear, *tied], init_lora_weights=False, task_type="CAUSAL_LM")
    with warnings.catch_warnings():  # peft warns of tied embeddings
        warnings.simplefilter("ignore")
        get_peft_model(model, lora).save_pretrained(checkpoint, save_embedding_layers=False)
    describe(folder, base, data, {"tuner_type": "lora", "lora_rank": 4, **settings})
    return folder


def describe(folder: Path, base: Path, data: Path, settings: dict[str, Any], state: str = "done") -> None:
    """What `sft` and its trainer write down of a run."""
    train = {"model_type": "qwen2", "template": "qwen2_5", "max_length": 1400, **settings}
    config = {"model": str(base), "data": [str(data)], "train": train}
    known = {"model": str(base), "model_dir": str(base), "template": train["template"], "model_type": "qwen2"}
    (folder / "run.json").write_text(
        json.dumps({"state": state, "started": "2026-01-01T00:00:00+0000", "config": config})
    )
    for place in (folder, folder / "checkpoint-2"):
        (place / "args.json").write_text(json.dumps(known))
    (folder / "checkpoint-2" / "trainer_state.json").write_text(json.dumps({"global_step": 2}))
