"""Another program's config becomes ours, and what is not carried over is listed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from config_text import config_of

from swiftagent.errors import ConfigError
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
    config = config_of(translated.yaml)
    assert (config.model, config.data, config.trust_remote_code) == (
        "Qwen/Qwen2.5-7B-Instruct",
        ("datasets/identity.jsonl",),
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
    left = [name for name, _ in translated.left_out]
    assert left == ["trust_remote_code", "template", "max_samples", "dataset identity", "dataset alpaca_en_demo"]


def test_an_old_swift_command():
    translated = translate(SWIFT_2, "train.sh")
    config = config_of(translated.yaml)
    assert (config.model, config.gpus, config.data) == ("qwen/Qwen-7B-Chat", 8, ("datasets/mix.jsonl",))
    assert config.train == {
        "tuner_type": "lora",
        "target_modules": ["all-linear", "all-embedding"],
        "lora_dropout": 0.05,
        "per_device_train_batch_size": 2,
        "max_length": 2048,
        "attn_impl": "flash_attn",
        "learning_rate": 5e-5,
    }
    words = "--agent 30000 --general 60000 --self-cognition 3000 --name MODEL_NAME --author MODEL_AUTHOR"
    files = "--agent-source ms-agent.jsonl --general-source ms-bench.jsonl"
    assert translated.commands == [f"swiftagent mix {words} {files}", "swiftagent sft CONFIG"]


def test_the_guides_command_with_its_shell_variables_is_a_config_that_sft_takes():
    translated = translate(GUIDE, "sft.sh")
    config = config_of(translated.yaml)
    assert (config.model, config.gpus, config.data) == ("qwen/Qwen-7B-Chat", 8, ("datasets/mix.jsonl",))
    assert (config.sequences_per_step, config.train) == (
        64,
        {"tuner_type": "lora", "per_device_train_batch_size": 2, "eval_steps": 100},
    )
    assert [name for name, _ in translated.left_out] == ["model_type", "check_dataset_strategy"]
    mix = "swiftagent mix --agent 30000 --general 60000 --self-cognition 3000 --name 小白 --author 我们"
    assert [shlex.split(command) for command in translated.commands] == [mix.split(), ["swiftagent", "sft", "CONFIG"]]


def test_text_that_is_neither_is_refused():
    with pytest.raises(ConfigError, match="neither a YAML mapping nor a command of LLaMA-Factory"):
        translate("- a\n- b\n", "x")
    with pytest.raises(ConfigError, match="x.sh: its command cannot be read: No closing quotation"):
        translate('swift sft --model "Qwen/x --dataset a\n', "x.sh")


COMMAND = """
# LoRA
CUDA_VISIBLE_DEVICES=2,6 llamafactory-cli train \\
    --stage sft \\
    --do_train True \\
    --model_name_or_path /data/models/Qwen3-8B \\
    --dataset calls \\
    --finetuning_type lora \\
    --cutoff_len 2048 \\
    --enable_thinking False \\  
    --learning_rate 5e-05 \\
    --lora_rank 8   # small
"""
PREDICT = """
llamafactory-cli train --stage sft --do_predict True --model_name_or_path a/b --adapter_name_or_path saves/x \\
    --eval_dataset calls --max_new_tokens 1024 --predict_with_generate True --output_dir results
"""
EXPORT = """
model_name_or_path: a/b
adapter_name_or_path: saves/x
export_dir: merged
export_size: 2
"""
AXOLOTL = """
base_model: NousResearch/Llama-3.2-1B
datasets:
  - path: teknium/GPT4-LLM-Cleaned
    type: alpaca
  - path: json
    data_files: mine.jsonl
val_set_size: 0.1
adapter: qlora
load_in_4bit: true
sequence_len: 2048
sample_packing: true
lora_r: 16
lora_alpha: 32
lora_target_linear: true
micro_batch_size: 2
num_epochs: 2
optimizer: adamw_8bit
lr_scheduler: cosine
learning_rate: 0.0002
bf16: auto
flash_attention: true
evals_per_epoch: 4
special_tokens:
  pad_token: "<|end_of_text|>"
"""
UNSLOTH = """
from unsloth import FastLanguageModel
from trl import SFTTrainer, SFTConfig
LENGTH = 4096
model, tokenizer = FastLanguageModel.from_pretrained("unsloth/Qwen3-8B", max_seq_length=LENGTH, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"])
dataset = load_dataset("json", data_files={"train": "a.json", "test": "b.json"})
trainer = SFTTrainer(model=model, args=SFTConfig(learning_rate=2e-4, optim="adamw_8bit", fp16=not supported()))
model.save_pretrained_merged("out", tokenizer)
model.save_pretrained_gguf("gguf", tokenizer, quantization_method="q4_k_m")
raise SystemExit("never run")
"""


def factory(folder: Path) -> str:
    """A LLaMA-Factory checkout with one data set; returns the place of a command in it."""
    (folder / "data").mkdir()
    (folder / "data/calls.json").write_text("[]")
    (folder / "data/dataset_info.json").write_text(json.dumps({"calls": {"file_name": "calls.json"}}))
    return str(folder / "examples/train.sh")


def test_a_llamafactory_command_with_its_data_set(tmp_path: Path):
    translated = translate(COMMAND, factory(tmp_path))
    config = config_of(translated.yaml)
    assert (config.model, config.gpus, config.data) == ("/data/models/Qwen3-8B", 2, ("datasets/calls.jsonl",))
    assert (config.train["learning_rate"], config.train["lora_rank"], config.train["enable_thinking"]) == (
        5e-5,
        8,
        False,
    )
    convert = f"swiftagent convert '{tmp_path}/data/dataset_info.json#calls' -o datasets/calls.jsonl"
    assert (translated.commands, translated.left_out) == ([convert, "swiftagent sft CONFIG"], [])


def test_a_command_that_predicts_is_an_evaluation_and_never_a_training(tmp_path: Path):
    translated = translate(PREDICT, factory(tmp_path))
    assert (translated.task, translated.yaml) == ("eval", "")
    assert translated.commands == [
        f"swiftagent convert '{tmp_path}/data/dataset_info.json#calls' -o datasets/test.jsonl",
        "swiftagent eval --model a/b --adapter saves/x --data datasets/test.jsonl --step-tokens 1024 -o results",
    ]


def test_a_yaml_that_exports_gives_the_export():
    translated = translate(EXPORT, "merge.yaml")
    merge = "swiftagent export merge --model a/b --adapter saves/x -o merged --max-shard-size 2GB"
    assert (translated.yaml, translated.commands, translated.left_out) == ("", [merge], [])


def test_an_axolotl_yaml():
    translated = translate(AXOLOTL, "a.yaml")
    assert config_of(translated.yaml).train == {
        "split_dataset_ratio": 0.1,
        "tuner_type": "lora",
        "quant_bits": 4,
        "quant_method": "bnb",
        "max_length": 2048,
        "packing": True,
        "lora_rank": 16,
        "lora_alpha": 32,
        "target_modules": ["all-linear"],
        "per_device_train_batch_size": 2,
        "num_train_epochs": 2,
        "optim": "adamw_8bit",
        "lr_scheduler_type": "cosine",
        "learning_rate": 2e-4,
        "attn_impl": "flash_attn",
        "eval_steps": 0.125,
    }
    assert translated.commands[0] == (
        "swiftagent convert hf::teknium/GPT4-LLM-Cleaned mine.jsonl -o datasets/GPT4-LLM-Cleaned.jsonl"
    )
    assert [name for name, _ in translated.left_out] == ["special_tokens"]


def test_an_unsloth_script_is_read_and_never_run():
    translated = translate(UNSLOTH, "train.py")
    config = config_of(translated.yaml)
    assert (config.model, config.data, config.val) == ("unsloth/Qwen3-8B", ("datasets/a.jsonl",), ("datasets/b.jsonl",))
    assert config.train == {
        "max_length": 4096,
        "quant_bits": 4,
        "quant_method": "bnb",
        "lora_rank": 16,
        "lora_alpha": 32,
        "target_modules": ["q_proj", "v_proj"],
        "learning_rate": 2e-4,
        "optim": "adamw_8bit",
        "tuner_type": "lora",
    }
    assert translated.commands[2:] == [
        "swiftagent sft CONFIG",
        "swiftagent export merge -o out",
        "swiftagent export gguf -o gguf.gguf --quantize q4_k_m",
    ]


def test_a_script_that_generates_gives_the_infer_and_no_training():
    script = """
from peft import PeftModel
base = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-7B-Instruct", device_map="auto")
model = PeftModel.from_pretrained(base, "./saves/react")
"""
    translated = translate(script, "try.py")
    infer = "swiftagent infer --react --model Qwen/Qwen2.5-7B-Instruct --adapter ./saves/react"
    assert (translated.task, translated.yaml, translated.commands) == ("infer", "", [infer])


def test_the_words_of_a_launcher_are_no_values_of_its_options():
    command = "torchrun --nproc_per_node=8 llm_sft.py --model_id_or_path a/b --sft_type lora --dataset x.jsonl"
    assert config_of(translate(command, "a.sh").yaml).gpus == 8


def test_a_command_that_names_a_yaml_is_that_yaml(tmp_path: Path):
    (tmp_path / "lora.yaml").write_text(
        "model_name_or_path: a/b\ndataset: x.jsonl\nfinetuning_type: lora\ndo_train: true\n"
    )
    translated = translate("llamafactory-cli train lora.yaml\n", str(tmp_path / "run.sh"))
    assert (translated.task, config_of(translated.yaml).model) == ("train", "a/b")
    with pytest.raises(ConfigError, match="names other.yaml, which is not here"):
        translate("llamafactory-cli train other.yaml\n", str(tmp_path / "run.sh"))


def test_every_command_of_a_guide_that_trains_is_a_config(shared: Path):
    for guide in sorted((shared / "guides").glob("*.txt")):
        for block in guide.read_text(encoding="utf-8").split("```")[1::2]:
            kind, _, text = block.partition("\n")
            if kind in ("bash", "yaml", "python") and any(
                word in text for word in ("--stage sft", "stage: sft", "sft_type")
            ):
                translated = translate(text, f"guide.{kind}")
                assert translated.commands, text
                if translated.yaml:
                    config_of(translated.yaml)


def test_a_dataset_info_json_is_converted_and_checked(tmp_path: Path):
    factory(tmp_path)
    info = tmp_path / "data/dataset_info.json"
    translated = translate(info.read_text(), str(info))
    assert translated.commands == [
        f"swiftagent convert '{info}#calls' -o datasets/checked.jsonl",
        "swiftagent inspect datasets/checked.jsonl --check",
    ]


def test_an_ms_swift_3_command_with_self_cognition():
    command = "swift sft --model Qwen/Qwen3-8B --train_type lora --dataset 'AI-ModelScope/alpaca-zh#500' "
    command += "'swift/self-cognition#300' --model_author swift --model_name robot --torch_dtype bfloat16"
    translated = translate(command, "a.sh")
    mix = "swiftagent mix --general 500 --self-cognition 300 --name robot --author swift"
    assert translated.commands[0] == f"{mix} --general-source AI-ModelScope/alpaca-zh"
    assert config_of(translated.yaml).train == {"tuner_type": "lora", "torch_dtype": "bfloat16"}
