"""A config is read whole: every problem with its place, all at once."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from config_text import config_of

from swiftagent.errors import ConfigError
from swiftagent.io.shipped import shipped
from swiftagent.train.config import load

RECIPES = [path for path in sorted(shipped("configs").glob("*.yaml")) if not path.name.startswith("mix_")]
GOOD = "model: Qwen/Qwen2.5-7B-Instruct\ndata: a.jsonl\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config_of(text, "a.yaml")
    return caught.value.problems


def test_every_problem_is_told_with_its_place():
    text = "model:\ngpus: many\nlearning_rat: 1\ntrain:\n  lora_rank: x\n  cutoff_len: 9\n  lora_bias: al\n  bf16: 3\n"
    assert problems_of(text) == [
        "a.yaml:1: model: empty; give a value or remove the line",
        "a.yaml:2: gpus: 'many' is not a number of GPUs (0 means the CPU), or auto",
        "a.yaml:3: learning_rat: unknown key, did you mean learning_rate?",
        'a.yaml:5: lora_rank: "x" is not a whole number',
        "a.yaml:6: cutoff_len: the name of another program or version; today it is max_length",
        'a.yaml:7: lora_bias: "al" is not one of none, all; did you mean all?',
        "a.yaml:8: bf16: 3 is not true or false",
        "a.yaml: data: missing; add `data: datasets/mix.jsonl`",
    ]


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert config_of(GOOD + "train:\n  learning_rate: 5e-5\n  max_length: 2e3\n").train == {
        "learning_rate": 5e-5,
        "max_length": 2000,
    }


def test_react_loss_scale_is_refused_with_the_reason():
    assert "finds results by keyword" in problems_of(GOOD + "train:\n  loss_scale: react\n")[0]


def test_words_that_name_nothing_are_told_with_the_nearest():
    text = (
        "train:\n  deepspeed: zero4\n  fsdp: fsdp\n  report_to: [tensorboard, wandbb]\n  loss_scale: "
        "last_round+hermse\n"
    )
    said = [(problem.partition(" is not ")[0], problem.rpartition("; ")[2]) for problem in problems_of(GOOD + text)]
    assert said == [
        ('a.yaml:4: deepspeed: "zero4"', "did you mean zero3?"),
        ('a.yaml:5: fsdp: "fsdp"', "did you mean fsdp2?"),
        ('a.yaml:6: report_to: "wandbb"', "did you mean wandb?"),
        ('a.yaml:7: loss_scale: "hermse"', "did you mean hermes?"),
    ]


def test_a_file_takes_the_place_of_a_name(tmp_path: Path):
    (tmp_path / "mine.json").write_text("{}")
    text = (
        f"train:\n  deepspeed: {tmp_path}/mine.json\n  report_to: swanlab\n  loss_scale: "
        f"last_round+ignore_empty_think\n"
    )
    assert config_of(GOOD + text).train["report_to"] == ["swanlab"]


def test_a_misspelt_key_without_a_value_is_misspelt_first():
    assert problems_of(GOOD + "trian:\ntrain:\n  lora_rnak:\n") == [
        "a.yaml:3: trian: unknown key, did you mean train?",
        "a.yaml:5: lora_rnak: unknown key, did you mean lora_rank?",
    ]


def test_an_option_of_ms_swift_belongs_under_train():
    assert problems_of(GOOD + "lora_rank: 8\n") == [
        "a.yaml:3: lora_rank: an option of ms-swift; it stands under `train:`"
    ]


def test_what_is_ours_does_not_belong_under_train():
    assert problems_of(GOOD + "train:\n  output_dir: x\n  gpus: 2\n") == [
        "a.yaml:4: output_dir: set by the top-level keys `runs` and `name`, not under train:",
        "a.yaml:5: gpus: a key of ours; it stands at the top level, not under train:",
    ]


def test_a_key_given_twice_is_told():
    assert problems_of(GOOD + "data: b.jsonl\n") == ["a.yaml:3: data: given twice"]


def test_values_out_of_range_are_told():
    assert problems_of(GOOD + "train:\n  lora_rank: 0\n  learning_rate: -1\n  lora_dropout: .nan\n") == [
        "a.yaml:4: lora_rank: 0 is out of range: at least 1",
        "a.yaml:5: learning_rate: -1 is out of range: above 0, at most 1",
        "a.yaml:6: lora_dropout: NaN is not a number",
    ]


def test_text_that_is_no_yaml_is_told_with_its_line():
    assert problems_of("model: a\ndata: [b\n")[0].startswith("a.yaml:3: not YAML: ")
    assert "recursion" in problems_of("model: " + "[" * 3000)[0]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("nodes: 0", "0 is not a whole number of at least 1"),
        ("gpus: true", "True is not a number of GPUs (0 means the CPU), or auto"),
        ("name: a/b", "'a/b' is not a plain folder name; `runs:` chooses where it lies"),
        ("preflight: some", "'some' is not a choice of off, sample, full"),
        ("micro_batch: 0", "0 is not a number of tokens, or the word auto, tokens or sequences"),
        ("data: {a: 1}", "{'a': 1} is not a list, each item a text"),
        ("train: 3", "a mapping of ms-swift's options is wanted, not 3"),
        (
            "weights: {thougt: 1}",
            "{'thougt': 1} is not a mapping of thought, call, arguments, answer or observation to a weight from 0",
        ),
        ("gate: {call_exact: 1}", "expected rules such as {min: 0.6}"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_wanted(line: str, wanted: str):
    (problem,) = problems_of("model: m\n" + ("" if line.startswith("data") else "data: a.jsonl\n") + line + "\n")
    assert wanted in problem


def test_a_number_is_a_name_and_one_file_is_a_list():
    config = config_of(GOOD + "name: 7\nval: none\ngpus: auto\nweights: {thought: 1}\n")
    assert (config.name, config.data, config.val, config.gpus, config.weights) == (
        "7",
        ("a.jsonl",),
        (),
        None,
        {"thought": 1.0},
    )


def test_off_is_the_word_and_not_false():
    assert config_of(GOOD + "preflight: off\n").preflight == "off"


def test_an_unquoted_no_is_the_word_where_the_trainer_has_it():
    assert config_of("model: m\ndata: a.jsonl\ntrain: {eval_strategy: no, lazy_tokenize: no}\n").train == {
        "eval_strategy": "no",
        "lazy_tokenize": False,
    }


def test_command_line_sets_top_level_keys_and_trainer_options(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(GOOD + "train:\n  lora_rank: 8\n")
    config = load(path, ["gpus=2", "lora_rank=16", "train.max_length=99", "name=x"])
    assert (config.gpus, config.name, config.train) == (2, "x", {"lora_rank": 16, "max_length": 99})


def test_command_line_problems_name_the_word(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        load(path, ["lora_rnak=1", "gpus"])
    assert caught.value.problems == [
        "command line: 'gpus' is not key=value",
        "command line: lora_rnak: unknown key, did you mean lora_rank?",
    ]


def test_extends_takes_what_is_not_said_again(tmp_path: Path):
    (tmp_path / "base.yaml").write_text(GOOD + "gpus: 4\ntrain:\n  lora_rank: 8\n  lora_alpha: 16\n")
    path = tmp_path / "a.yaml"
    path.write_text("extends: base.yaml\ngpus: 1\ntrain:\n  lora_rank: 32\n")
    config = load(path)
    assert (config.gpus, config.train) == (1, {"lora_rank": 32, "lora_alpha": 16})
    assert config.place("lora_alpha") == f"{tmp_path}/base.yaml:6"


def test_extends_in_a_circle_is_told(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n" + GOOD)
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigError, match="extends: a circle"):
        load(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"model: a\n  b: c\n", "a.yaml:2: not YAML: mapping values are not allowed here"),
        (
            b"\xff\xfe",
            "a.yaml: cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte; save "
            "it as UTF-8",
        ),
        (b"", "a.yaml:1: a config is a mapping with at least `model:` and `data:`"),
        (
            b"extends: nowhere\n",
            "a.yaml:1: extends: nowhere: no such config; `swiftagent configs` lists the shipped ones",
        ),
        (b"extends:\n", "a.yaml:1: extends: None is not the name of a config; give one or remove the line"),
        (b"extends: b.yaml\n", "b.yaml:1: a config is a mapping with at least `model:` and `data:`"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    text: bytes, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_bytes(text)
    Path("b.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError) as caught:
        load("a.yaml")
    assert caught.value.problems == [problem]


def test_extends_is_of_files_alone(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    with pytest.raises(ConfigError, match="command line: extends: stands in a file"):
        load(path, ["extends=qwen7b_agent"])


def test_a_missing_config_names_the_nearest():
    with pytest.raises(
        ConfigError, match=r"qwen7b_agnet.yaml: no such config; did you mean configs/qwen7b_agent.yaml\?"
    ):
        load("configs/qwen7b_agnet.yaml")


def test_accumulation_becomes_sequences_a_step():
    config = config_of(GOOD + "gpus: 4\ntrain:\n  per_device_train_batch_size: 2\n  gradient_accumulation_steps: 3\n")
    assert (config.sequences_per_step, config.train) == (24, {"per_device_train_batch_size": 2})


def test_sequences_said_twice_is_told():
    (problem,) = problems_of(GOOD + "sequences_per_step: 8\ntrain:\n  gradient_accumulation_steps: 3\n")
    assert problem.startswith(
        "a.yaml:3: sequences_per_step and train.gradient_accumulation_steps (a.yaml:5) say the same thing"
    )


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_shipped_config_reads_and_opens_with_its_commands(path: Path):
    assert load(path).model
    assert f"swiftagent sft configs/{path.name}" in "".join(path.read_text().splitlines(keepends=True)[:12])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_resolved_config_reads_back_the_same(path: Path):
    config = load(path)
    again = config_of(yaml.safe_dump(json.loads(json.dumps(config.as_dict()))))
    assert msgspec.structs.replace(again, path="", places={}) == msgspec.structs.replace(config, path="", places={})


def test_the_published_recipe_is_the_guides_command():
    config = load("configs/qwen7b_agent.yaml")
    assert (config.model, config.gpus, config.sequences_per_step) == ("Qwen/Qwen2.5-7B-Instruct", 8, 64)
    assert config.train == {
        "tuner_type": "lora",
        "torch_dtype": "bfloat16",
        "target_modules": ["all-linear", "all-embedding"],
        "lora_rank": 8,
        "lora_alpha": 32,
        "lora_dropout": 0.05,
        "num_train_epochs": 2,
        "learning_rate": 5e-5,
        "per_device_train_batch_size": 2,
        "max_length": 2048,
        "warmup_ratio": 0.03,
        "weight_decay": 0.01,
        "max_grad_norm": 0.5,
        "eval_strategy": "steps",
        "eval_steps": 100,
        "save_steps": 100,
        "save_total_limit": 2,
        "logging_steps": 10,
    }
