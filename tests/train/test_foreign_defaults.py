"""What another program does where its text says nothing, and what of a text asks for nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from config_text import config_of

from swiftagent.errors import ConfigError
from swiftagent.train.foreign import translate


def trained(text: str, name: str) -> dict[str, Any]:
    return config_of(translate(text, name).yaml).train


def of_unsloth(loaded: str = "", tuned: str = "model = FastLanguageModel.get_peft_model(model)", args: str = "") -> str:
    return f"""
from unsloth import FastLanguageModel
model, tokenizer = FastLanguageModel.from_pretrained("a/b"{loaded})
{tuned}
SFTTrainer(model=model, train_dataset=rows, args={args or "SFTConfig()"})
"""


def test_an_unsloth_script_that_says_nothing_trains_what_unsloth_would():
    translated = translate(of_unsloth(), "s.py")
    assert config_of(translated.yaml).train == {
        "tuner_type": "lora",
        "learning_rate": 5e-5,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "lr_scheduler_type": "linear",
        "weight_decay": 0.001,
        "adam_beta2": 0.999,
        "lora_dropout": 0.0,
        "max_length": 2048,
        "quant_bits": 4,
        "quant_method": "bnb",
        "lora_rank": 16,
        "lora_alpha": 16,
        "warmup_ratio": 0.1,
        "optim": "adamw_8bit",
    }
    assert "# Unsloth's own defaults, where nothing was said\n  learning_rate: 5.0e-05\n" in translated.yaml


@pytest.mark.parametrize(
    ("loaded", "bits"),
    [
        ("", 4),
        (", load_in_4bit=True", 4),
        (", load_in_4bit=False", None),
        (", load_in_16bit=True", None),
        (", load_in_8bit=True", 8),
        (", load_in_8bit=False", 4),
        (", load_in_4bit=options.bits", None),
    ],
)
def test_an_unsloth_model_is_quantized_unless_its_script_says_otherwise(loaded: str, bits: int | None):
    train = trained(of_unsloth(loaded), "s.py")
    assert (train.get("quant_bits"), train.get("quant_method")) == (bits, "bnb" if bits else None)


def test_full_finetuning_of_unsloth_has_no_lora_and_no_quantization():
    train = trained(of_unsloth(", full_finetuning=True"), "s.py")
    assert (train["tuner_type"], train["max_length"]) == ("full", 2048)
    assert not [key for key in train if re.match("lora|quant|target", key)]


def test_arguments_of_transformers_keep_their_own_defaults_under_unsloth():
    train = trained(of_unsloth(args="TrainingArguments(learning_rate=2e-4)"), "s.py")
    sizes = (train["per_device_train_batch_size"], train["gradient_accumulation_steps"], train["weight_decay"])
    assert (train["learning_rate"], sizes, {"optim", "warmup_ratio"} & set(train)) == (2e-4, (8, 1, 0.0), set())


def test_no_default_stands_for_what_a_script_works_out():
    translated = translate(of_unsloth(args="SFTConfig(learning_rate=options.rate)"), "s.py")
    assert "learning_rate" not in config_of(translated.yaml).train
    assert ("learning_rate", "options.rate: not written out there") in translated.left_out


def test_peft_and_trl_without_unsloth():
    script = 'm = AutoModelForCausalLM.from_pretrained("a/b")\npeft = LoraConfig()\nSFTTrainer(m, args=SFTConfig())\n'
    train = trained(script, "s.py")
    assert (train["lora_alpha"], train["target_modules"], train["max_length"]) == (8, ["q_proj", "v_proj"], 1024)
    assert (train["learning_rate"], train["per_device_train_batch_size"]) == (2e-5, 8)
    by_hand = script.replace("SFTTrainer", "Trainer").replace("SFTConfig", "TrainingArguments")
    assert (trained(by_hand, "s.py")["learning_rate"], trained(by_hand, "s.py").get("max_length")) == (5e-5, None)


def test_a_yaml_of_trl():
    text = "model_name_or_path: a/b\ndataset_name: owner/rows\nuse_peft: true\nload_in_4bit: true\n"
    translated = translate(text, "sft.yaml")
    train = config_of(translated.yaml).train
    assert translated.commands[0] == "swiftagent convert hf::owner/rows -o datasets/rows.jsonl"
    assert (train["tuner_type"], train["lora_rank"], train["lora_alpha"], train["quant_bits"]) == ("lora", 16, 32, 4)
    assert (train["learning_rate"], train["max_length"], translated.left_out) == (2e-5, 1024, [])
    full = trained("model_name_or_path: a/b\ndataset_name: owner/rows\nlearning_rate: 1e-5\n", "sft.yaml")
    assert (full["tuner_type"], "lora_rank" in full) == ("full", False)
    command = "trl sft --model_name_or_path a/b --dataset_name owner/rows --use_peft --lora_r 4"
    assert trained(command, "s.sh")["lora_rank"] == 4
    with pytest.raises(ConfigError, match="trl dpo`: no supervised fine-tuning"):
        translate(command.replace("sft", "dpo"), "s.sh")
    with pytest.raises(ConfigError, match="beta: 0.1: no supervised fine-tuning"):
        translate(f"{text}beta: 0.1\n", "dpo.yaml")


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("llamafactory-cli train --model_name_or_path a/b --dataset x.json", "s.sh", (None, 16, 5e-5, 3, 8, 2048)),
        ("model_name_or_path: a/b\nlora_rank: 64\ndataset: x.json\n", "s.yaml", (64, 128, 5e-5, 3, 8, 2048)),
        ("base_model: a/b\nadapter: lora\nlora_r: 8\nlora_alpha: 8\n", "s.yaml", (8, 8, None, 1, 1, 512)),
        ("swift sft --model_id_or_path a/b --dataset x.jsonl", "s.sh", (None, None, None, 1, None, 2048)),
        ("swift sft --model a/b --train_type lora --dataset x.jsonl", "s.sh", (None, None, None, 3, None, None)),
    ],
)
def test_where_a_program_differs_from_ms_swift_its_default_is_written(text: str, name: str, found: tuple[Any, ...]):
    train = trained(text, name)
    keys = ("lora_rank", "lora_alpha", "learning_rate", "num_train_epochs", "per_device_train_batch_size", "max_length")
    assert tuple({"num_train_epochs": 3, **train}.get(key) for key in keys) == found


def test_megatron_tunes_all_parameters_where_nothing_is_said():
    assert trained("megatron sft --model a/b --dataset x.jsonl --lr 1e-5", "s.sh")["tuner_type"] == "full"


@pytest.mark.parametrize(
    "line",
    ["reward_model: false", "rl: null", "rl: none", "use_badam: false", "new_key: 0", "deepspeed: none", "unsloth: ''"],
)
def test_what_is_off_asked_for_nothing(line: str):
    translated = translate(f"model_name_or_path: a/b\ndataset: x.jsonl\n{line}\n", "a.yaml")
    assert not [name for name, _ in translated.left_out if name == line.partition(":")[0]]


def test_what_is_on_without_it_is_kept_when_it_is_off():
    script = of_unsloth(tuned="FastLanguageModel.get_peft_model(model, finetune_mlp_modules=False)")
    assert trained(script, "s.py")["target_modules"] == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert trained("base_model: a/b\nshuffle_merged_datasets: false\n", "a.yaml")["dataset_shuffle"] is False
    assert "lora_rank" in dict(translate("model_name_or_path: a/b\nlora_rank: 0\ndataset: x\n", "a.yaml").left_out)


# layers that are trained
# ---------------------------------------------------------------------------------------------------------------

NAMES = [f"model.layers.{layer}.{part}.weight" for layer in range(28) for part in ("mlp.up_proj", "self_attn.q_proj")]
NAMES += ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight", "model.visual.layers.27.mlp.weight"]


@pytest.mark.parametrize(
    ("settings", "layers", "part"),
    [
        ("", (26, 27), ""),
        ("freeze_trainable_layers: 1", (27,), ""),
        ("freeze_trainable_layers: -2", (0, 1), ""),
        ("freeze_trainable_layers: 2\nfreeze_trainable_modules: mlp", (26, 27), "mlp"),
        ("freeze_trainable_modules: mlp,self_attn\nfreeze_extra_modules: embed_tokens,norm", (26, 27), ""),
    ],
)
def test_freeze_trains_the_same_parameters(settings: str, layers: tuple[int, ...], part: str):
    lines = "model_name_or_path: Qwen/Qwen2.5-7B-Instruct\ndataset: x.jsonl\nfinetuning_type: freeze\n"
    translated = translate(lines + settings, "a.yaml")
    train = config_of(translated.yaml).train
    assert (train["tuner_type"], train["freeze_parameters_ratio"]) == ("full", 1.0)
    found = [name for name in NAMES if re.search(train["trainable_parameters_regex"], name)]
    wanted = [name for name in NAMES if name.startswith(tuple(f"model.layers.{layer}.{part}" for layer in layers))]
    assert found == wanted + (["model.embed_tokens.weight", "model.norm.weight"] if "extra" in settings else [])
    assert not translated.left_out


def test_freeze_of_a_model_that_is_not_known_is_to_be_filled_in():
    lines = "model_name_or_path: my/model\ndataset: x.jsonl\nfinetuning_type: freeze\nfreeze_trainable_layers: 4\n"
    translated = translate(lines, "a.yaml")
    assert "(FILL_IN)" in config_of(translated.yaml).train["trainable_parameters_regex"]
    fact = "how many layers the model has is not known here; name the last of them in FILL_IN's place, as 30|31"
    assert ("freeze_trainable_layers", fact) in translated.left_out


# LLaMA-Factory v1
# ---------------------------------------------------------------------------------------------------------------

V1 = """
model: Qwen/Qwen3-4B
model_class: llm
peft_config: {name: lora, r: 32, target_modules: all}
quant_config: {name: bnb, quantization_bit: 4, compute_dtype: bfloat16}
kernel_config: {name: auto}
dist_config: {name: deepspeed, config_file: examples/deepspeed/ds_z2_config.json}
train_dataset: data/rows.yaml
output_dir: outputs/x
micro_batch_size: 2
global_batch_size: 32
cutoff_len: 4096
batching_strategy: dynamic_batching
sample_backend: hf
max_new_tokens: 128
"""


def test_a_yaml_of_llama_factory_v1(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rows.yaml").write_text(
        "a: {path: data/a.json, source: local, converter: alpaca, size: 500}\nb: {path: owner/b}\n"
    )
    translated = translate(V1, str(tmp_path / "sft.yaml"))
    config = config_of(translated.yaml)
    assert (config.model, config.data, config.sequences_per_step) == ("Qwen/Qwen3-4B", ("datasets/a.jsonl",), 32)
    assert config.train == {
        "tuner_type": "lora",
        "lora_rank": 32,
        "target_modules": ["all-linear"],
        "quant_method": "bnb",
        "quant_bits": 4,
        "bnb_4bit_compute_dtype": "bfloat16",
        "deepspeed": "zero2",
        "per_device_train_batch_size": 2,
        "max_length": 4096,
        "lora_alpha": 16,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.01,
        "adam_beta2": 0.999,
    }
    assert translated.commands[0] == "swiftagent convert data/a.json hf::owner/b -o datasets/a.jsonl"
    assert [name for name, _ in translated.left_out] == ["batching_strategy", "dataset data/a.json"]


def test_what_llama_factory_v1_does_beside_supervised_training(tmp_path: Path):
    full = translate("model: a/b\ntrain_dataset: data/rows.yaml\ncutoff_len: 64\n", "a.yaml")
    assert config_of(full.yaml).train["tuner_type"] == "full"
    assert full.left_out == [("train_dataset", "data/rows.yaml: not written out there; fill it in")]
    merge = "model: a/b\npeft_config: {name: lora, adapter_name_or_path: out, export_dir: merged, export_size: 5}\n"
    command = "swiftagent export merge --model a/b --adapter out -o merged --max-shard-size 5GB"
    assert translate(merge, "a.yaml").commands == [command]
    (tmp_path / "pairs.yaml").write_text("a: {path: owner/pairs, converter: pair}\n")
    with pytest.raises(ConfigError, match="converter: pair: no supervised fine-tuning"):
        translate("model: a/b\ntrain_dataset: pairs.yaml\ncutoff_len: 64\n", str(tmp_path / "a.yaml"))


# what a script, a notebook or a command says
# ---------------------------------------------------------------------------------------------------------------


def test_values_under_a_name_are_read_wherever_they_are_written():
    script = """
import argparse
class Settings:
    rank: int = 24
CONFIG = {"bits": {"load_in_4bit": False}, "steps": 30}
parser = argparse.ArgumentParser()
parser.add_argument("-l", "--learning-rate", type=float, default=3e-4)
args = parser.parse_args()
more = {"warmup_steps": 7, "seed": 11}
def train(alpha=48):
    model, tokenizer = FastLanguageModel.from_pretrained("a/b", load_in_4bit=CONFIG["bits"]["load_in_4bit"])
    model = FastLanguageModel.get_peft_model(model, r=Settings.rank, lora_alpha=alpha)
    SFTTrainer(model=model, args=SFTConfig(learning_rate=args.learning_rate, max_steps=CONFIG["steps"], **more))
"""
    translated = translate(f"import unsloth\n{script}", "s.py")
    train = config_of(translated.yaml).train
    assert (train["lora_rank"], train["lora_alpha"], train["learning_rate"]) == (24, 48, 3e-4)
    assert (train["max_steps"], train["warmup_steps"], train["seed"], "quant_bits" in train) == (30, 7, 11, False)
    assert translated.left_out == [("data", "not named; fill it in")]


def test_a_name_with_two_values_or_none_is_no_value():
    script = "rate = 1e-4\nif big:\n    rate = 2e-4\n" + of_unsloth(
        args="SFTConfig(learning_rate=rate, seed=seed, **k)"
    )
    left = dict(translate(script, "s.py").left_out)
    assert left["learning_rate"] == "0.0001 or 0.0002: not written out there"
    assert (left["seed"], left["**k"]) == ("seed: not written out there", "k: not written out there")


def test_what_is_loaded_beside_the_model_or_after_training_changes_nothing():
    script = "codec = AutoModel.from_pretrained('a/codec')\n" + of_unsloth(", load_in_4bit=True")
    script += "model.save_pretrained_merged(save_directory='out', tokenizer=tokenizer)\n"
    script += "model, _ = FastLanguageModel.from_pretrained('out', load_in_8bit=True, max_seq_length=1)\n"
    translated = translate(script, "s.py")
    config = config_of(translated.yaml)
    assert (config.model, config.train["quant_bits"], config.train["max_length"]) == ("a/b", 4, 2048)
    assert "swiftagent export merge -o out" in translated.commands


def test_half_precision_where_it_is_supported_is_no_loss():
    script = of_unsloth(args="SFTConfig(fp16=not is_bfloat16_supported(), bf16=is_bfloat16_supported())")
    assert [name for name, _ in translate(script, "s.py").left_out] == ["data"]


def test_a_notebook_with_shell_lines_and_magics_is_read():
    install = (
        "%%capture\nif on_colab:\n    !pip install \\\n      unsloth==2026.01.1\nelse:\n    %pip install unsloth\n"
    )
    cells = [install, "%%bash\necho 'no python'\n", of_unsloth(", load_in_4bit=False"), "!nvidia-smi\n"]
    notebook = {"cells": [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]}
    assert trained(json.dumps(notebook), "n.ipynb")["lora_rank"] == 16
    cells = ["%env MAX_PIXELS=100\n", "!swift sft --model a/b \\\n  --lora_rank 4 --dataset x"]
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    assert trained(json.dumps(notebook), "n.ipynb") == {"lora_rank": 4}


def test_a_pattern_of_modules_is_one_and_a_list_stays_a_list():
    of = "base_model: a/b\nadapter: lora\nlora_target_modules: "
    assert trained(of + "'model.layers.[0-9]+.mlp'", "a.yaml")["target_regex"] == "model.layers.[0-9]+.mlp"
    assert trained(of + "[q_proj, 'mlp.*_proj']", "a.yaml")["target_modules"] == ["q_proj", "mlp.*_proj"]
    left = translate("model_name_or_path: a/b\ndataset: x.json\nfinetuning_type: oft\n", "a.yaml").left_out
    assert "the config trains LoRA" in dict(left)["finetuning_type"]


def test_a_script_of_ones_own_is_no_llama_factory():
    command = "swift sft --model a/b --dataset x.jsonl\npython src/eval.py --model out --qwen3\n"
    assert translate(command, "s.sh").commands == ["swiftagent sft CONFIG"]


def test_what_else_changes_a_result_is_kept():
    text = "megatron sft --model a/b --dataset x.jsonl --min_lr 1e-6 --lr_warmup_iters 9 --moe_aux_loss_coeff 1e-3"
    train = trained(text, "s.sh")
    assert (train["lr_scheduler_type"], train["lr_scheduler_kwargs"]) == ("cosine_with_min_lr", '{"min_lr": 1e-6}')
    assert (train["warmup_steps"], train["router_aux_loss_coef"]) == (9, 1e-3)
    sampled = translate("swift sft --model_id_or_path a/b --dataset a/c --train_dataset_sample 200", "s.sh")
    assert config_of(sampled.yaml).data == ("a/c#200",)
    hub = translate("model_name_or_path: a/b\ndataset: owner/rows\n", "a.yaml")
    assert hub.commands[0] == "swiftagent convert hf::owner/rows -o datasets/rows.jsonl"
    axolotl = "base_model: a/b\nwarmup_steps: 5\nunfrozen_parameters: [^model.layers.3., lm_head.*]\n"
    train = trained(axolotl, "a.yaml")
    assert "warmup_ratio" not in train
    assert (train["freeze_parameters_ratio"], train["trainable_parameters_regex"]) == (
        1.0,
        r"^model\.layers\.3\.|lm_head.*",
    )
    part = translate(axolotl.replace("lm_head.*", "'lm_head$[:32000]'"), "a.yaml")
    assert "trains a part of a tensor" in dict(part.left_out)["unfrozen_parameters"]
    with pytest.raises(ConfigError, match="names no model"):
        translate("model: {base_model: a/b}\ntraining: {steps: 3}\n", "a.yaml")
