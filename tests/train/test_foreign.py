"""Another program's config becomes ours, and what is not carried over is told."""

from __future__ import annotations

import pytest

from swiftagent.errors import ConfigError
from swiftagent.train.config import from_text
from swiftagent.train.foreign import translate

LLAMA_FACTORY = """
### model
model_name_or_path: Qwen/Qwen2.5-7B-Instruct
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all
dataset: identity,alpaca_en_demo
template: qwen
cutoff_len: 2048
max_samples: 1000
overwrite_cache: true
preprocessing_num_workers: 16
output_dir: saves/qwen/lora/sft
logging_steps: 10
plot_loss: true
save_only_model: false
report_to: none
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
resume_from_checkpoint: null
val_size: 0.1
deepspeed: examples/deepspeed/ds_z3_config.json
flash_attn: fa2
"""
SWIFT_2 = """
# Experimental environment: 8 * A100
NPROC_PER_NODE=8 \\
CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \\
swift sft \\
    --model_id_or_path qwen/Qwen-7B-Chat \\
    --sft_type lora \\
    --template_type AUTO \\
    --dtype AUTO \\
    --dataset ms-agent.jsonl ms-bench.jsonl \\
    --lora_target_modules ALL \\
    --lora_dropout_p 0.05 \\
    --batch_size 2 \\
    --max_length 2048 \\
    --use_flash_attn true \\
    --self_cognition_sample 3000 \\
    --learning_rate 5e-5
"""
GUIDE = """
# Experimental environment: A100
nproc_per_node=8
NPROC_PER_NODE=$nproc_per_node \\
MASTER_PORT=29500 \\
swift sft \\
    --model_type qwen-7b-chat \\
    --model_id_or_path qwen/Qwen-7B-Chat \\
    --sft_type lora \\
    --dataset ms-agent \\
    --train_dataset_mix_ratio 2.0 \\
    --check_dataset_strategy warning \\
    --self_cognition_sample 3000 \\
    --model_name 小白 \\
    --model_author 我们 \\
    --batch_size 2 \\
    --gradient_accumulation_steps $(expr 32 / $nproc_per_node) \\
    --eval_steps 100
"""


def test_llama_factory_yaml():
    translated = translate(LLAMA_FACTORY, "a.yaml")
    config = from_text(translated.yaml)
    assert (config.model, config.data, config.trust_remote_code) == (
        "Qwen/Qwen2.5-7B-Instruct",
        ("identity", "alpaca_en_demo"),
        False,
    )
    assert config.train == {
        "tuner_type": "lora",
        "lora_rank": 8,
        "target_modules": ["all-linear"],
        "max_length": 2048,
        "dataset_num_proc": 16,
        "logging_steps": 10,
        "save_only_model": False,
        "report_to": ["none"],
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "learning_rate": 1e-4,
        "num_train_epochs": 3,
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.1,
        "torch_dtype": "bfloat16",
        "split_dataset_ratio": 0.1,
        "deepspeed": "zero3",
        "attn_impl": "flash_attn",
        "lora_alpha": 16,
    }
    told = [note.partition(":")[0] for note in translated.notes]
    assert told == ["trust_remote_code", "template", "max_samples", "data"]


def test_an_old_swift_command():
    translated = translate(SWIFT_2, "train.sh")
    config = from_text(translated.yaml)
    assert (config.model, config.gpus, config.data) == ("qwen/Qwen-7B-Chat", 8, ("ms-agent.jsonl", "ms-bench.jsonl"))
    assert config.train == {
        "tuner_type": "lora",
        "target_modules": ["all-linear", "all-embedding"],
        "lora_dropout": 0.05,
        "per_device_train_batch_size": 2,
        "max_length": 2048,
        "attn_impl": "flash_attn",
        "learning_rate": 5e-5,
    }
    assert any("self_cognition_sample" in note for note in translated.notes)


def test_the_guides_command_with_its_shell_variables_is_a_config_that_sft_takes():
    translated = translate(GUIDE, "sft.sh")
    config = from_text(translated.yaml)
    assert (config.model, config.gpus, config.data) == ("qwen/Qwen-7B-Chat", 8, ("datasets/mix.jsonl",))
    assert (config.sequences_per_step, config.train) == (
        64,
        {"tuner_type": "lora", "per_device_train_batch_size": 2, "eval_steps": 100},
    )
    assert [note.partition(":")[0] for note in translated.notes] == [
        "model_type",
        "train_dataset_mix_ratio",
        "check_dataset_strategy",
        "self_cognition_sample",
        "model_name",
        "model_author",
        "data",
    ]


def test_text_that_is_neither_is_refused():
    with pytest.raises(ConfigError, match="neither a YAML mapping nor a `swift sft` command"):
        translate("- a\n- b\n", "x")
    with pytest.raises(ConfigError, match="x.sh: its command cannot be read: No closing quotation"):
        translate('swift sft --model "Qwen/x --dataset a\n', "x.sh")
