"""Bits per byte are what the model itself says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_swift


def test_answer_bits_are_the_models_own(root: Path):
    import torch

    from swiftagent.backend.engine import load_engine

    engine = load_engine(str(root / "datasets" / "tiny-base"), None, "chatml", model_type="qwen2", device="cpu")
    messages = [{"role": "user", "content": "What is a lake?", "loss": False}]
    answer = "A lake is water with land around it."
    prompt = engine.prompt.encode(messages)
    ids = engine.prompt.encode([*messages, {"role": "assistant", "content": answer}])
    assert ids[: len(prompt)] == prompt
    labels = torch.tensor([[-100] * len(prompt) + ids[len(prompt) :]])
    with torch.inference_mode():
        loss = engine.model(input_ids=torch.tensor([ids]), labels=labels).loss
    wanted = float(loss) * (len(ids) - len(prompt)) / math.log(2)
    assert engine.answer_bits(messages, answer) == pytest.approx(wanted, rel=1e-4)
    assert engine.answer_bits(messages, "word " * 5000) is None
    engine.close()
