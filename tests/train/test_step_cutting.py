"""Plans on machines that a test describes: budget, micro-steps, recomputation, attention, memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_text import config_of

from swiftagent.train.config import Config, load
from swiftagent.train.estimates import mfu
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import LaunchPlan, plan
from swiftagent.train.machine import GIB, Gpu, Machine

CARDS = {
    "1x24": (1, 24, "RTX 4090", (8, 9)),
    "1x80": (1, 80, "NVIDIA H100 80GB HBM3", (9, 0)),
    "8x80": (8, 80, "NVIDIA H100 80GB HBM3", (9, 0)),
    "2x8": (2, 8, "RTX 3070", (8, 6)),
}
METHODS = {
    "lora": "target_modules: [all-linear, all-embedding]",
    "qlora": "quant_bits: 4, quant_method: bnb",
    "full": "tuner_type: full, deepspeed: zero3",
}
SIZES = ("0.5B", "1.5B", "3B", "7B", "14B")


def machine(card: str, **packages: str) -> Machine:
    count, gib, name, capability = CARDS[card]
    gpus = tuple(Gpu(number, name, gib * GIB, int((gib - 0.6) * GIB), capability) for number in range(count))
    return Machine(gpus, cpus=16, packages={"torch": "2.11.0", **packages})


def config(size: str = "7B", method: str = "lora", more: str = "", train: str = "") -> Config:
    options = f"{METHODS[method]}, torch_dtype: bfloat16, max_length: 2048{train}"
    return config_of(
        f"model: Qwen/Qwen2.5-{size}-Instruct\ndata: a.jsonl\nsequences_per_step: 64\n{more}train: {{{options}}}\n"
    )


def planned(config: Config, machine: Machine) -> LaunchPlan:
    return plan(resolve(config, machine), Path("r"), tokens_a_row=430)


@pytest.mark.parametrize(
    ("size", "method", "card", "tokens", "micro_steps", "recomputed"),
    [
        ("0.5B", "lora", "1x80", 34816, 1, False),
        ("1.5B", "lora", "1x24", 34816, 1, True),
        ("7B", "lora", "1x24", 6144, 5, True),
        ("7B", "lora", "1x80", 8192, 4, False),
        ("7B", "lora", "8x80", 5120, 1, False),
        ("7B", "qlora", "1x24", 28672, 1, True),
        ("7B", "full", "8x80", 5120, 1, False),
        ("14B", "qlora", "1x80", 34816, 1, True),
    ],
)
def test_the_plan_that_takes_the_least_time(
    size: str, method: str, card: str, tokens: int, micro_steps: int, recomputed: bool
):
    micro = planned(config(size, method), machine(card)).micro
    assert micro is not None
    assert (micro.tokens, micro.micro_steps, micro.checkpointing, micro.fits) == (tokens, micro_steps, recomputed, True)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SIZES)
def test_no_plan_exceeds_the_card_unless_it_says_so(size: str, method: str, card: str):
    described = machine(card)
    micro = planned(config(size, method), described).micro
    assert micro is not None
    assert (micro.memory <= 0.85 * described.gpus[0].free) == micro.fits


def test_the_published_recipe_is_cut_by_tokens_on_a_gpu_that_is_known_and_only_there():
    recipe = load("configs/qwen7b_agent.yaml")
    on_gpus, on_cpu = planned(recipe, machine("8x80")), planned(recipe, Machine(cpus=2))
    assert on_gpus.micro == planned(config("7B", "lora"), machine("8x80")).micro
    assert (on_cpu.micro, on_cpu.batch, on_cpu.notes) == (None, 2, [])


def test_without_a_gpu_tokens_are_sequences_computed_one_by_one():
    found = planned(config(more="micro_batch: tokens\n"), Machine(cpus=2))
    assert found.micro is not None
    assert (found.micro.tokens, found.micro.micro_steps, found.options.get("padding_free")) == (1, 0, True)


@pytest.mark.parametrize(
    ("packages", "attention"),
    [
        ({}, "swiftagent_varlen"),
        ({"torch": "2.9.1"}, "sdpa"),
        ({"flash-attn": "2.8"}, "flash_attn"),
        ({"flash-attn": "2.8", "flash-attn-3": "3.0"}, "flash_attention_3"),
        ({"flash-attn-4": "4.0"}, "flash_attention_4"),
    ],
)
def test_attention_in_the_order_of_speed(packages: dict[str, str], attention: str):
    found = planned(config(), machine("1x80", **packages))
    assert (found.options["attn_impl"], found.options["padding_free"]) == (attention, True)
    assert any(note.startswith(f"attention {attention}: ") for note in found.notes)


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (", streaming: true, max_steps: 9", "streaming reads rows as they come"),
        (", lazy_tokenize: true", "lazy_tokenize knows no lengths beforehand"),
        (", label_smoothing_factor: 0.1", "label smoothing takes the mean of each batch"),
        (", padding_free: false", "padding_free: false"),
    ],
)
def test_what_cannot_be_cut_stays_batches_of_sequences_and_says_why(train: str, reason: str):
    found = planned(config(train=train), machine("1x80"))
    assert found.micro is None
    assert f"batches of sequences: {reason}" in found.notes


def test_a_model_with_sliding_windows_stays_batches():
    found = planned(config_of("model: google/gemma-3-4b-it\ndata: a.jsonl\n"), machine("1x80"))
    assert found.micro is None


def test_a_version_that_was_not_tried_stays_batches_with_the_trainer_of_ms_swift():
    found = planned(config(), machine("1x80", **{"ms-swift": "4.7.0"}))
    assert (found.micro, found.token_trainer) == (None, False)
    assert "batches of sequences: cutting steps by tokens was not tried on ms-swift 4.7.0" in found.notes


def test_the_config_may_ask_for_a_budget_and_for_recomputation():
    asked = planned(config(more="micro_batch: 4096\n", train=", gradient_checkpointing: true"), machine("1x80")).micro
    assert asked is not None
    assert (asked.tokens, asked.micro_steps, asked.checkpointing) == (4096, 8, True)
    assert planned(config(more="micro_batch: sequences\n"), machine("1x80")).micro is None


def test_mfu_counts_six_operations_a_parameter_and_token():
    shape = resolve(config(), Machine()).shape
    assert shape is not None
    assert mfu(shape, 6700, ["NVIDIA H100"]) == pytest.approx(6 * shape.parameters * 6700 / 989e12)
    assert mfu(shape, 6700, []) is None
