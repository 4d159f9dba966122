"""Estimates against published figures: parameter counts of known models, and the table of memory by method."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftagent.models.known import KNOWN_CONFIGS, ModelShape, known_shape, shape_of
from swiftagent.train.estimates import GB, adapter_parameters, estimate, zero


def shape(name: str) -> ModelShape:
    found = known_shape(name)
    assert found
    return found


# Parameters as the models' own cards and safetensors indexes give them.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen2.5-0.5B-Instruct", 494_032_768),
        ("Qwen2.5-3B-Instruct", 3_085_938_688),
        ("Qwen2.5-7B-Instruct", 7_615_616_512),
        ("Qwen2.5-14B-Instruct", 14_770_033_664),
        ("Qwen3-8B", 8_190_735_360),
        ("Qwen2.5-Coder-32B-Instruct", 32_763_876_352),
        ("Qwen2.5-72B-Instruct-AWQ", 72_706_203_648),
        ("Qwen3-30B-A3B-Instruct-2507", 30_532_122_624),
        ("Meta-Llama-3.1-8B-Instruct", 8_030_261_248),
        ("Llama-3.3-70B-Instruct", 70_553_706_496),
        ("Mistral-7B-Instruct-v0.3", 7_248_023_552),
    ],
)
def test_parameters_are_counted_exactly(name: str, parameters: int):
    assert shape(name).parameters == parameters


def test_lora_parameters_of_the_published_recipe():
    assert (
        adapter_parameters(shape("Qwen2.5-7B-Instruct"), {"lora_rank": 8, "target_modules": ["all-linear"]})
        == 20_185_088
    )


# The published table, at batch 1 and 2,048 tokens with gradient checkpointing; within a quarter of its middle.
@pytest.mark.parametrize(
    ("name", "options", "low", "high"),
    [
        ("Qwen2.5-7B-Instruct", {"tuner_type": "lora"}, 16, 20),
        ("Qwen2.5-7B-Instruct", {"tuner_type": "lora", "quant_bits": 4}, 10, 14),
        ("Qwen2.5-14B-Instruct", {"tuner_type": "lora", "quant_bits": 4}, 18, 24),
        ("Qwen2.5-3B-Instruct", {"tuner_type": "lora"}, 8, 12),
        ("Qwen2.5-0.5B-Instruct", {"tuner_type": "lora"}, 4, 6),
    ],
)
def test_estimate_is_within_a_quarter_of_the_published_table(name: str, options: dict, low: int, high: int):
    total = estimate(shape(name), options, length=2048, gpus=1).total / GB
    middle = (low + high) / 2
    assert 0.75 * middle <= total <= 1.25 * middle


def test_zero_stages_share_what_they_shard():
    full = {"tuner_type": "full"}
    by_stage = [
        estimate(shape("Qwen2.5-7B-Instruct"), {**full, **more}, length=512, gpus=8).total
        for more in (
            {"deepspeed": "zero1"},
            {"deepspeed": "zero2"},
            {"deepspeed": "zero3"},
            {"deepspeed": "zero3_offload"},
        )
    ]
    assert by_stage == sorted(by_stage, reverse=True)


@pytest.mark.parametrize(("options", "stage"), [({}, 0), ({"deepspeed": "zero2_offload"}, 2), ({"fsdp": "fsdp2"}, 3)])
def test_stage_is_read_from_the_name(options: dict, stage: int):
    assert zero(options)[0] == stage


def test_a_deepspeed_configuration_is_read_and_not_its_name(tmp_path: Path):
    path = tmp_path / "run2026.json"
    path.write_text('{"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}}}')
    assert zero({"deepspeed": str(path)}) == (3, "cpu", "")
    assert zero({"deepspeed": "zero2_offload"}) == (2, "cpu", "")
    assert zero({"deepspeed": "zero3_offload"}) == (3, "cpu", "cpu")
    assert zero({}) == (0, "", "")


def test_offloading_moves_states_to_the_machine():
    seven, full = shape("Qwen2.5-7B-Instruct"), {"tuner_type": "full"}
    whole, moved = (
        estimate(seven, {**full, "deepspeed": way}, length=512, gpus=2) for way in ("zero3", "zero3_offload")
    )
    assert whole.host == 0 and moved.host == seven.parameters * (16 + 2)
    assert moved.optimizer == 0 and moved.weights == 2e9


# LLaMA-Factory's table of memory: what the weights and their states take, without what a long row adds.
@pytest.mark.parametrize(
    ("options", "gigabytes"),
    [
        ({"tuner_type": "full"}, {"7B": 60, "14B": 120, "32B": 300, "72B": 600}),
        ({"tuner_type": "lora"}, {"7B": 16, "14B": 32, "32B": 64, "72B": 160}),
        ({"tuner_type": "lora", "quant_bits": 8}, {"7B": 10, "14B": 20, "32B": 40, "72B": 80}),
        ({"tuner_type": "lora", "quant_bits": 4}, {"7B": 6, "14B": 12, "32B": 24, "72B": 48}),
    ],
)
def test_memory_is_that_of_the_table_that_people_know(options: dict, gigabytes: dict[str, int]):
    for size, known in gigabytes.items():
        total = estimate(shape(f"Qwen2.5-{size}-Instruct"), options, length=512, gpus=1).total / GB
        assert 0.75 * known <= total - 2 <= 1.25 * known, (size, total)


def test_every_known_config_is_understood():
    assert all(shape_of(config) for config in KNOWN_CONFIGS.values())


@pytest.mark.parametrize("by_tokens", [False, True])
def test_self_distillation_holds_the_logits_of_two_models(by_tokens: bool):
    seven, sizes = shape("Qwen2.5-7B-Instruct"), {"length": 8192, "gpus": 1, "by_tokens": by_tokens}
    plain, distilled = (estimate(seven, {}, **sizes, distilled=value).activations for value in (False, True))
    logits = 8192 * seven.vocabulary  # whole, also where the plain loss makes 1,024 at once
    assert distilled - plain == logits * (10 + 16) - (1024 if by_tokens else 8192) * seven.vocabulary * 10


def test_deepspeed_as_people_write_it():
    assert zero({"deepspeed": '{"zero_optimization": {"stage": 3}}'}) == (3, "", "")
    assert zero({"deepspeed": {"zero_optimization": {"stage": "auto", "offload_optimizer": "cpu"}}}) == (0, "", "")
    assert zero({"deepspeed": {"zero_optimization": True}}) == (0, "", "")
    nvme = {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "nvme"}}}
    assert estimate(known_shape("Qwen2.5-32B"), {"tuner_type": "full", "deepspeed": nvme}, length=512, gpus=8).host == 0


def test_optimizers_with_fewer_states_and_weights_of_fewer_bits_take_less():
    def total(**options) -> float:
        return estimate(known_shape("Qwen2.5-3B"), {"tuner_type": "full", **options}, length=512, gpus=1).total

    assert total() > total(optim="paged_adamw_8bit") > total(optim="adafactor")
    four, unknown = known_shape("a/Qwen2.5-32B-Instruct-quantized.w4a16"), known_shape("a/Qwen3-8B-MLX-6bit")
    assert four is not None and four.bits == 4 and unknown is None
    assert known_shape("google/gemma-3-12b-it-qat-int4-unquantized").bits == 0
