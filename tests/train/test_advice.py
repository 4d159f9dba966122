"""What is not wrong but seldom meant is said, and usual settings are left alone."""

from __future__ import annotations

import pytest

from swiftagent.models.known import known_shape
from swiftagent.train.advice import advice, agent_template_problem, trend_advice
from swiftagent.train.estimates import effort


@pytest.mark.parametrize(
    ("options", "parameters", "said"),
    [
        ({"learning_rate": 5e-5}, 7_000_000_000, ""),
        ({"learning_rate": 1e-3}, 7_000_000_000, ""),
        ({"learning_rate": 1e-3}, 70_000_000_000, ""),
        (
            {"learning_rate": 3e-3},
            70_000_000_000,
            "learning_rate 0.003 is above what LoRA usually takes: 1e-05 to 0.001",
        ),
        (
            {"learning_rate": 5e-6, "quant_bits": 4},
            None,
            "learning_rate 5e-06 is below what QLoRA usually takes: 1e-05 to 0.001",
        ),
        ({"learning_rate": 5e-6, "tuner_type": "full"}, None, ""),
        (
            {"learning_rate": 2e-4, "tuner_type": "full"},
            None,
            "learning_rate 0.0002 is above what full usually takes: 1e-06 to 0.0001",
        ),
        ({"learning_rate": 1e-2}, 30_000, ""),
        ({}, None, ""),
    ],
)
def test_learning_rates(options: dict, parameters: int | None, said: str):
    assert said_of("train.learning_rate", options, parameters or 0) == said


def said_of(key: str, options: dict, parameters: int = 0, tied: bool = False, thinking: int = 0) -> str:
    return next((text for at, holds, text in advice(options, parameters, tied, thinking) if at == key and holds), "")


def test_reasoning_while_thinking_is_off():
    said = said_of("train.enable_thinking", {"enable_thinking": False}, thinking=3)
    assert said.startswith("3 rows hold <think> blocks while enable_thinking is false")
    assert said_of("train.enable_thinking", {}, thinking=3) == ""


def test_an_adapter_on_a_tied_embedding():
    targets = {"target_modules": ["all-embedding"]}
    assert "does not merge exactly" in said_of("train.target_modules", targets, tied=True)
    assert said_of("train.target_modules", {**targets, "tuner_type": "full"}, tied=True) == ""


def test_a_react_template_for_native_rows_is_refused():
    assert "replaces the system prompt" in agent_template_problem({"agent_template": "react_en"}, 5)
    assert agent_template_problem({"agent_template": "hermes"}, 5) == ""


def metrics(train: list[float], evaluated: list[float]) -> list[dict]:
    return [{"step": n, "loss": value} for n, value in enumerate(train)] + [
        {"step": n, "eval_loss": value} for n, value in enumerate(evaluated)
    ]


def test_trends():
    assert trend_advice(metrics([2, 1.8, 1.5, 1.2, 1, 0.9, 0.8], [1.8, 1.4, 1.2])) == []
    assert trend_advice(metrics([2.0] * 10, []))[0].startswith("the loss did not fall (2.000 to 2.000)")
    (rising,) = trend_advice(metrics([2, 1.5, 1, 0.6, 0.4, 0.3, 0.2], [1.5, 1.1, 1.4]))
    assert rising.startswith("the evaluation loss rose from 1.100 (step 1) to 1.400 while the training loss fell")


def test_steps_and_tokens():
    found = effort(
        known_shape("Qwen2.5-7B-Instruct"), {"num_train_epochs": 2}, rows=90_000, tokens=40_000_000, sequences=64,
        gpus=["NVIDIA A100-SXM4-80GB"] * 8,
    )  # fmt: skip
    assert (found.steps, round(found.tokens, -6)) == (2814, 80_000_000)
    assert 0.5 < found.hours < 3
