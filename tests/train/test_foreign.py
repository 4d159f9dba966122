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


# What ms-swift 2.x adapts where nothing is said: the query, key and value of whatever model it is.
DEFAULT_OF_2 = ["q_proj", "k_proj", "v_proj", "c_attn", "query_key_value", "qkv_proj", "W_pack", "wqkv"]


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
        "weight_decay": 0.0,
        "adam_beta2": 0.999,
        "lora_dropout": 0.0,
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
        "num_train_epochs": 1,
        "warmup_ratio": 0.05,
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
        {
            "tuner_type": "lora",
            "per_device_train_batch_size": 2,
            "eval_steps": 100,
            "num_train_epochs": 1,
            "max_length": 2048,
            "warmup_ratio": 0.05,
            "target_modules": DEFAULT_OF_2,
        },
    )
    assert [name for name, _ in translated.left_out] == ["model_type", "check_dataset_strategy"]
    mix = "swiftagent mix --agent 30000 --general 60000 --self-cognition 3000 --name 小白 --author 我们"
    assert [shlex.split(command) for command in translated.commands] == [mix.split(), ["swiftagent", "sft", "CONFIG"]]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("x", "only words\n", "neither a YAML mapping nor a command of LLaMA-Factory"),
        ("x.sh", 'swift sft --model "Qwen/x --dataset a\n', "its command cannot be read: No closing quotation"),
        ("x.sh", "set -e\necho hi: there\n", "no command of LLaMA-Factory, ms-swift or Axolotl stands in it"),
        ("x.yaml", "# nothing\n", "empty"),
        ("x.json", '[{"instruction": "a"}]', "data and no config: `swiftagent sft x.json`"),
        ("x.yaml", "compute_environment: LOCAL_MACHINE\nuse_cpu: false\n", "names no model, no adapter and no data"),
        ("x.yaml", "model: a/b\ndata: x.jsonl\ntrain: {lora_rank: 4}\n", "a config of swiftagent already"),
        ("x.sh", "swift rlhf --rlhf_type dpo --model a/b --dataset x.jsonl", "`swift rlhf`: no supervised fine-tuning"),
        ("x.yaml", "model_name_or_path: a/b\nstage: rm\ndataset: x\n", "stage: rm: no supervised fine-tuning"),
        ("x.yaml", "base_model: a/b\nrl: grpo\n", "rl: grpo: no supervised fine-tuning"),
        ("x.py", "model = load('a/b')\nGRPOTrainer(model)\n", "GRPOTrainer: no supervised fine-tuning"),
        ("x.py", "print(1)\n", "no from_pretrained"),
        ("x.ipynb", "{}", "no notebook that can be read"),
    ],
)
def test_what_is_no_supervised_training_is_refused(name: str, text: str, problem: str):
    with pytest.raises(ConfigError, match=f"{name}: .*{problem}"):
        translate(text, name)


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
        "eval_strategy": "steps",
        "eval_steps": 0.125,
        "gradient_accumulation_steps": 1,
        "warmup_ratio": 0.03,
        "weight_decay": 0.0,
        "adam_beta2": 0.999,
        "lora_dropout": 0.0,
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
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "lr_scheduler_type": "linear",
        "weight_decay": 0.001,
        "adam_beta2": 0.999,
        "lora_dropout": 0.0,
        "warmup_ratio": 0.1,
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


def trained(text: str, name: str = "train.sh") -> dict[str, object]:
    return config_of(translate(text, name).yaml).train


def test_a_command_that_ends_in_a_backslash_is_read():
    assert trained("swift sft \\\n  --model a/b \\\n  --dataset x.jsonl \\\n  --lora_rank 4 \\\n") == {"lora_rank": 4}


def test_a_script_as_people_write_it():
    script = """#!/bin/bash
export NPROC_PER_NODE=4
MODEL="Qwen/Qwen3-8B"
ARGS=(
  --learning_rate ${LR:-2e-5}
  # --packing true
  --deepspeed zero3
)
echo "it's $MODEL"
cd /work && nohup swift sft --model "$MODEL" --dataset 'my rows.jsonl' owner/name#500 "${ARGS[@]}" \\
  --lora_rank 8 \\  # small
  --max_length $((4 * 1024)) --gradient_accumulation_steps $(expr 32 / 4 / 2) --save_steps $SAVE > log.txt 2>&1 &
"""
    translated = translate(script, "a.sh")
    config = config_of(translated.yaml)
    assert (config.model, config.gpus, config.data) == ("Qwen/Qwen3-8B", 4, ("my rows.jsonl", "owner/name#500"))
    assert (config.train, config.sequences_per_step) == (
        {"learning_rate": 2e-5, "deepspeed": "zero3", "lora_rank": 8, "max_length": 4096},
        16,
    )
    assert translated.left_out == [("save_steps", "$SAVE: not written out there")]


def test_several_commands_of_a_line_with_a_yaml_written_in_the_script():
    script = """cat > full.yaml <<'EOF'
### model
model_name_or_path: a/b
dataset: x.jsonl
finetuning_type: full
EOF
FORCE_TORCHRUN=1 llamafactory-cli train full.yaml learning_rate=1e-5 && llamafactory-cli chat --model_name_or_path out;
"""
    translated = translate(script, "run.sh")
    config = config_of(translated.yaml)
    assert (config.model, config.train["tuner_type"], config.train["learning_rate"]) == ("a/b", "full", 1e-5)
    assert translated.commands[1:] == ["swiftagent sft CONFIG", "swiftagent infer --react --model out"]


@pytest.mark.parametrize(
    ("launcher", "gpus"),
    [
        ("torchrun --nnodes 1 --nproc_per_node 2 src/train.py", 2),
        ("python -m torch.distributed.run --nproc_per_node=8 ../../src/train_bash.py", 8),
        ("deepspeed --include localhost:0,1,2 --master_port 9901 src/train_bash.py", 3),
        ("accelerate launch --config_file fsdp.yaml --num_processes 4 src/train.py", 4),
        ("CUDA_VISIBLE_DEVICES=0,1 python -m llamafactory.cli train", 2),
    ],
)
def test_a_launcher_says_how_many_gpus(launcher: str, gpus: int):
    command = f"{launcher} --stage sft --model_name_or_path a/b --dataset x.jsonl --finetuning_type lora"
    assert config_of(translate(command, "a.sh").yaml).gpus == gpus


def test_one_process_on_several_gpus_keeps_its_batch():
    command = "CUDA_VISIBLE_DEVICES=0,1,2,3 swift sft --model a/b --dataset x.jsonl --per_device_train_batch_size 2"
    config = config_of(translate(f"{command} --gradient_accumulation_steps 8", "a.sh").yaml)
    assert (config.gpus, config.sequences_per_step) == (4, 16)


def test_a_windows_command():
    text = (
        "llamafactory-cli train ^\n --model_name_or_path C:\\models\\a ^\n --dataset x.json ^\n --finetuning_type lora"
    )
    assert config_of(translate(text, "a.bat").yaml).model == "C:\\models\\a"


def test_megatron_names_are_those_of_today():
    text = "megatron sft --model a/b --dataset x.jsonl --micro_batch_size 2 --global_batch_size 16 --lr 1e-4 "
    text += "--lr_warmup_fraction 0.05 --max_epochs 2 --save_interval 100 --tensor_model_parallel_size 2"
    translated = translate(text, "a.sh")
    config = config_of(translated.yaml)
    assert config.sequences_per_step == 16
    assert config.train == {
        "tuner_type": "full",
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-4,
        "warmup_ratio": 0.05,
        "num_train_epochs": 2,
        "save_steps": 100,
    }
    assert [name for name, _ in translated.left_out] == ["tensor_model_parallel_size"]


def test_no_option_that_a_config_refuses_is_written(tmp_path: Path):
    lines = "model_name_or_path: a/b\ndataset: x.jsonl\nfinetuning_type: oft\nuse_cpu: true\nwarmup_steps: 9\n"
    lines += "warmup_ratio: 0.1\nadd_version: false\nrun_name: my-run\nresume_from_checkpoint: out/checkpoint-5\n"
    lines += (
        "fsdp: full_shard auto_wrap\nfsdp_config: {x: 1}\ntemplate: qwen\nuse_loss_scale: true\nsave_total_limit: -1\n"
    )
    translated = translate(lines, "a.yaml")
    config = config_of(translated.yaml)
    assert (config.gpus, config.name, config.train["warmup_steps"]) == (0, "my-run", 9)
    assert {"warmup_ratio", "fsdp_config", "tuner_type", "save_total_limit"}.isdisjoint(config.train)
    left = ["finetuning_type", "resume_from_checkpoint", "fsdp", "fsdp_config", "template", "use_loss_scale"]
    assert [name for name, _ in translated.left_out] == left


def test_what_axolotl_says_of_its_rows_is_named():
    entry = "{path: x.jsonl, type: chat_template, roles_to_train: [assistant], split: 'train[:10%]'}"
    lines = f"base_model: a/b\ndatasets: [{entry}]\nadapter: lora\nevals_per_epoch: 0\nsaves_per_epoch: 1\n"
    lines += (
        'lora_target_modules: "layers.[0-9]+.(q|k)_proj"\nliger_rope: true\nattn_implementation: flash_attention_2\n'
    )
    translated = translate(lines, "a.yaml")
    train = config_of(translated.yaml).train
    assert (train["eval_strategy"], train["save_strategy"], train["use_liger_kernel"]) == ("no", "epoch", True)
    assert (train["target_regex"], train["attn_impl"]) == ("layers.[0-9]+.(q|k)_proj", "flash_attn")
    said = "roles_to_train: ['assistant'], split: train[:10%]"
    reason = "all rows are taken, recognised by what they hold; see the ledger of `convert`"
    assert translated.left_out == [("dataset x.jsonl", f"{said}: {reason}")]


def test_other_tasks_keep_what_they_were_asked():
    script = """
swift export --adapters out --merge_lora true --quant_bits 4 --quant_method awq --output_dir awq
swift deploy --adapters lora1=out --infer_backend vllm --host 0.0.0.0 --port 8001 --temperature 0.3 --top_p 0.9
swift infer --adapters out --val_dataset owner/name#100 --max_new_tokens 64
swift eval --model a/b --eval_dataset gsm8k
llamafactory-cli eval --model_name_or_path a/b --task mmlu_test
llamafactory-cli train --stage sft --do_predict --model_name_or_path a/b --eval_dataset x.jsonl --max_samples 50
"""
    translated = translate(script, "a.sh")
    assert translated.commands == [
        "swiftagent export merge --adapter out -o awq",
        "swiftagent export gguf awq -o awq.gguf --quantize q4_K_M",
        "swiftagent serve --adapter out --name lora1 --engine vllm --temperature 0.3 --host 0.0.0.0 --port 8001",
        "swiftagent convert ms::owner/name -o datasets/test.jsonl",
        "swiftagent eval --adapter out --data datasets/test.jsonl --step-tokens 64 -n 100",
        "swiftagent eval --model a/b --data FILL_IN.jsonl --evalscope gsm8k",
        "swiftagent eval --model a/b --data FILL_IN.jsonl --evalscope mmlu",
        "swiftagent eval --model a/b --data x.jsonl -n 50",
    ]
    assert [name for name, _ in translated.left_out] == ["quant_bits", "quant_method", "top_p"]


SCRIPT = """
from peft import LoraConfig
name = "a/b"
bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForCausalLM.from_pretrained(name, quantization_config=bits, device_map="auto")
rows = load_dataset("json", data_files="x.jsonl", split="train")
peft = LoraConfig(r=16, lora_alpha=2 * 16)
settings = SFTConfig(learning_rate=args.lr, max_length=64, per_device_train_batch_size=2)
SFTTrainer(model=model, args=settings, train_dataset=rows["train"], peft_config=peft)
if False:
    model.save_pretrained_gguf("never")
"""


@pytest.mark.parametrize("kind", ["py", "ipynb"])
def test_a_script_and_a_notebook_of_trl(kind: str):
    cells = [
        {"cell_type": "markdown", "source": ["# x"]},
        {"cell_type": "code", "source": ["!pip install trl\n", SCRIPT]},
    ]
    text = SCRIPT if kind == "py" else json.dumps({"cells": cells})
    translated = translate(text, f"train.{kind}")
    train = config_of(translated.yaml).train
    assert (train["quant_bits"], train["bnb_4bit_quant_type"], train["bnb_4bit_compute_dtype"]) == (
        4,
        "nf4",
        "bfloat16",
    )
    assert (train["lora_rank"], train["lora_alpha"], train["max_length"]) == (16, 32, 64)
    assert translated.commands == ["swiftagent convert x.jsonl -o datasets/x.jsonl", "swiftagent sft CONFIG"]
    assert translated.left_out == [("learning_rate", "args.lr: not written out there")]


def test_a_script_of_ms_swift():
    script = "from swift.llm import sft_main, TrainArguments\n"
    script += "sft_main(TrainArguments(model='a/b', dataset=['x.jsonl'], train_type='full', learning_rate=1e-5))\n"
    translated = translate(script, "a.py")
    config = config_of(translated.yaml)
    assert (config.data, config.train) == (("x.jsonl",), {"tuner_type": "full", "learning_rate": 1e-5})


def test_what_trains_is_not_what_validates():
    two = "base_model: a/b\ndatasets: [{path: train/d.jsonl}]\ntest_datasets: [{path: test/d.jsonl}]\n"
    config = config_of(translate(two, "a.yaml").yaml)
    assert (config.data, config.val) == (("datasets/d.jsonl",), ("datasets/d-val.jsonl",))
    one = two.replace("train/d.jsonl", "a/hub").replace("test/d.jsonl", "a/hub")
    assert not config_of(translate(one, "a.yaml").yaml).val
    loads = "".join(f"{name} = load_dataset('json', data_files='{name}.jsonl')\n" for name in ("test", "train"))
    script = f"model = FastLanguageModel.from_pretrained('a/b')\n{loads}SFTTrainer(model=model, train_dataset=train)\n"
    assert ("dataset", "several are loaded: not written out there; fill it in") in translate(script, "s.py").left_out


def test_what_a_script_works_out_is_listed_and_what_it_sets_is_taken():
    script = (
        "LR: float = 3e-4\nFastLanguageModel.from_pretrained('a/b')\nSFTConfig(weight_decay=LR, learning_rate=2 * LR)"
    )
    translated = translate(script, "s.py")
    assert config_of(translated.yaml).train["weight_decay"] == 3e-4
    assert ("learning_rate", "2 * LR: not written out there") in translated.left_out
    shell = "LR=1e-4\nswift sft --model a/b --dataset a.jsonl --learning_rate ${LR:-5e-5} --max_steps $((08*2))\n"
    assert config_of(translate(shell, "s.sh").yaml).train["learning_rate"] == 1e-4
    block = "python - <<PY\nfrom transformers import AutoModel\nPY\n" + shell
    assert config_of(translate(block, "s.sh").yaml).train["learning_rate"] == 1e-4


def test_no_value_ends_a_comment_and_no_other_file_is_shown(tmp_path: Path):
    text = translate('base_model: a/b\ndatasets: [{path: "a\\ntrain: {seed: 1}\\n#.json"}]\n', "a.yaml").text
    assert "seed" not in config_of(text).train
    (tmp_path / "secret.cfg").write_text("token: [abc")
    with pytest.raises(ConfigError, match="not here") as caught:
        translate(f"swift sft --model a/b --config {tmp_path}/secret.cfg", "s.sh")
    assert "abc" not in str(caught.value)


def test_a_long_word_and_many_empty_lines_are_read_in_no_time():
    text = "x" * 200_000 + "\n" * 20_000 + "swift sft --model a/b --dataset a.jsonl\n"
    assert config_of(translate(text, "s.sh").yaml).model == "a/b"
