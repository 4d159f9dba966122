"""Twenty configs that cannot run: doctor says so, with the remedy, before a GPU is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from swiftagent.errors import ConfigError
from swiftagent.io.shipped import shipped
from swiftagent.train.advice import time_problem
from swiftagent.train.cards import fit, parse_card
from swiftagent.train.config import load
from swiftagent.train.estimates import Effort
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import plan
from swiftagent.train.machine import GIB, Gpu, Machine
from swiftagent.train.preflight import examine

Run = Callable[..., CompletedProcess[str]]
PACKAGES = {"ms-swift": "4.6.0", "deepspeed": "0.19", "tensorboard": "2"}
GPU = Gpu(0, "A10", 22 * GIB, 22 * GIB, (8, 6))
ONE_GPU = Machine((GPU,), memory=64 * GIB, packages=PACKAGES)
T4 = Machine((Gpu(0, "T4", 15 * GIB, 15 * GIB, (7, 5)),), memory=64 * GIB, packages=PACKAGES)
NO_GPU = Machine(memory=16 * GIB, packages=PACKAGES)
CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}

CANNOT_RUN = [
    (ONE_GPU, "qwen2_5_7b_agent_full", [], "a GPU here has 24; tuner_type=lora would fit"),
    (NO_GPU, "qwen2_5_7b_agent_full", [], "no GPU here, and on the CPU about"),
    (NO_GPU, "qwen7b_agent", [], "gpus=0 insists"),
    (ONE_GPU, "qwen7b_agent", ["new_special_tokens=<act>"], "can be neither loaded nor merged"),
    (ONE_GPU, "qwen7b_agent", ["load_best_model_at_end=true", "eval_steps=100", "save_steps=150"], "is no multiple of"),
    (ONE_GPU, "qwen7b_agent", ["load_best_model_at_end=true", "eval_strategy=epoch"], "they have to be the same"),
    (ONE_GPU, "qwen7b_agent", ["streaming=true"], "max_steps=N has to say where training ends"),
    (ONE_GPU, "qwen7b_agent", ["quant_bits=4"], "quant_bits: needs the package bitsandbytes"),
    (ONE_GPU, "qwen7b_agent", ["optim=adamw_8bit"], "optim: needs the package bitsandbytes"),
    (ONE_GPU, "qwen7b_agent", ["model=model.gguf"], ": a GGUF, which is made to run and not to train"),
    (ONE_GPU, "qwen7b_agent", ["model=gguf"], ": a GGUF, which is made to run and not to train"),
    (ONE_GPU, "qwen7b_agent", ["model=short", "max_length=4096"], "has a context of 512 tokens; max_length=512"),
    (ONE_GPU, "qwen7b_agent", ["model=nowhere"], "no such folder"),
    (ONE_GPU, "qwen7b_agent", ["data=nothing.jsonl"], "no such file"),
    (ONE_GPU, "qwen7b_agent", ["data=empty.jsonl"], "empty; no row to train on"),
    (ONE_GPU, "qwen7b_agent", ["data=broken.jsonl"], "broken.jsonl:1"),
    (ONE_GPU, "qwen7b_agent", ["data=untrained.jsonl"], "no trained message"),
    (ONE_GPU, "qwen7b_agent", ["attn_impl=flash_attn"], "needs the package flash-attn"),
    (ONE_GPU, "qwen7b_agent", ["report_to=wandb"], "needs the package wandb"),
    (ONE_GPU, "qwen7b_agent", ["runs=chat.jsonl"], "is a file; choose another folder"),
    (ONE_GPU, "qwen7b_agent", ["adapters=nowhere"], "nowhere"),
    (ONE_GPU, "qwen7b_agent", ["load_best_model_at_end=true"], "there is no validation split"),
    (ONE_GPU, "qwen7b_agent", ["load_best_model_at_end=true", "eval_steps=0.1", "save_steps=0.25"], "is no multiple"),
    (ONE_GPU, "qwen7b_agent", ["load_best_model_at_end=true", "eval_steps=0.5", "save_steps=100"], "is no multiple of"),
    (ONE_GPU, "qwen7b_agent", ["model=owner/Model-7B-GGUF"], ": a GGUF, which is made to run and not to train"),
    (ONE_GPU, "qwen7b_agent", ["model=tiny", "target_modules=[q_porj]"], "did you mean q_proj?"),
    (ONE_GPU, "qwen7b_agent", ["quant_bits=4", "tuner_type=full"], "quantized to 4 bits; tuner_type=lora"),
    (ONE_GPU, "qwen7b_agent", ["model=Qwen/Qwen2.5-7B-Instruct-AWQ", "tuner_type=full"], "quantized to 4 bits"),
    (ONE_GPU, "qwen7b_agent", ["optim=paged_adamw_32bit"], "optim: needs the package bitsandbytes"),
    (ONE_GPU, "qwen7b_agent", ["tuner_backend=unsloth"], "needs the package unsloth"),
    (ONE_GPU, "qwen7b_agent", ["warmup_steps=5"], "cannot stand beside warmup_ratio"),
    (ONE_GPU, "qwen7b_agent", ["fsdp=fsdp2", "deepspeed=zero2"], "cannot stand beside deepspeed"),
    (ONE_GPU, "qwen7b_agent", ["lazy_tokenize=true", "packing=true"], "cannot stand beside packing"),
    (T4, "qwen7b_agent", [], "about 20 GB a GPU are needed, a GPU here has 16; quant_bits=4 would fit"),
    (ONE_GPU, "qwen7b_agent", ["model=Qwen/Qwen2.5-72B-Instruct"], "a GPU here has 24; a smaller model"),
    (ONE_GPU, "qwen7b_agent", ["tuner_type=full", "deepspeed=zero3_offload"], "keeps about 137 GB outside"),
    (ONE_GPU, "qwen7b_agent", ["tuner_type=full", "deepspeed=zero3_to_cpu.json"], "keeps about 122 GB"),
    (NO_GPU, "qwen7b_agent", ["model=Qwen/Qwen3-32B"], "no GPU here, and on the CPU about"),
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one good data file, and what is wrong in the configs."""
    monkeypatch.chdir(tmp_path)
    untrained = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "loss": False}]}
    texts = {"chat": json.dumps(CHAT), "untrained": json.dumps(untrained), "broken": "{", "empty": ""}
    for name, text in texts.items():
        Path(f"{name}.jsonl").write_text(text + ("\n" if text else ""))
    for name in ("short", "gguf"):
        Path(name).mkdir()
    Path("short/config.json").write_text('{"architectures": ["Qwen2ForCausalLM"], "max_position_embeddings": 512}')
    Path("gguf/model.gguf").write_bytes(b"GGUF")
    Path("tiny").symlink_to(shipped("datasets") / "tiny-base")
    offload = {"stage": 3, "offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "none"}}
    Path("zero3_to_cpu.json").write_text(json.dumps({"zero_optimization": offload}))
    return tmp_path


@pytest.mark.parametrize(("machine", "config", "words", "said"), CANNOT_RUN)
def test_what_cannot_run_is_a_problem(machine: Machine, config: str, words: list[str], said: str, here: Path):
    inputs = resolve(load(config, ["data=chat.jsonl", *words]), machine)
    report = examine(inputs, plan(inputs, here / "runs/x"), "sample")
    assert any(said in problem for problem in report.problems), report.problems


def test_a_run_that_falls_to_the_cpu_for_days_is_a_problem_unless_the_cpu_is_asked_for(here: Path):
    inputs = resolve(load("qwen7b_agent", ["data=chat.jsonl"]), NO_GPU)
    planned = plan(inputs, here / "x")
    assert time_problem(inputs, planned, Effort(10, 10, 49)).endswith("about 49 hours; gpus=0 insists")
    assert time_problem(inputs, planned, Effort(10, 10, 47)) == ""
    asked = resolve(load("qwen7b_agent", ["data=chat.jsonl", "gpus=0"]), NO_GPU)
    assert time_problem(asked, planned, Effort(10, 10, 49)) == ""
    report = examine(asked, plan(asked, here / "x"), "off")
    assert not any("GPU" in problem for problem in report.problems)


def test_what_a_cpu_leaves_out_needs_no_package(here: Path):
    words = ["data=chat.jsonl", "quant_bits=4", "attn_impl=flash_attn", "use_liger_kernel=true", "gpus=0"]
    inputs = resolve(load("qwen7b_agent", words), ONE_GPU)
    assert not any("package" in problem for problem in examine(inputs, plan(inputs, here / "x"), "off").problems)


def test_memory_is_weighed_on_a_cpu_that_is_asked_for_and_what_cannot_be_weighed_is_named(here: Path):
    def warned(*words: str) -> list[str]:
        inputs = resolve(load("qwen7b_agent", ["data=chat.jsonl", "gpus=0", *words]), NO_GPU)
        return examine(inputs, plan(inputs, here / "x"), "off").warnings

    assert any("GB a process, 16 GB usable; a smaller model" in warning for warning in warned())
    (unknown,) = warned("model=owner/unheard-of")
    assert unknown == "memory and hours are not estimated: the size of owner/unheard-of is not known here"


@pytest.mark.parametrize(
    "words",
    [
        ["model=tiny", "target_modules=[q_proj, v_proj, c_attn]"],  # a list for several families
        ["model=Qwen/Qwen2.5-3B-Instruct", "tuner_type=full", "optim=adafactor"],
        ["model=Qwen/Qwen2.5-7B-Instruct", "tuner_type=full", "freeze_parameters_ratio=0.9"],
        ["model=a/Qwen2.5-14B-Instruct-quantized.w4a16"],
        ["eval_steps=0", "eval_strategy=no"],
    ],
)
def test_what_runs_is_not_refused(words: list[str], here: Path):
    inputs = resolve(load("qwen7b_agent_1gpu", ["data=chat.jsonl", *words]), ONE_GPU)
    problems = examine(inputs, plan(inputs, here / "x"), "off").problems
    assert not any(fact in problem for problem in problems for fact in ("memory:", "did you mean", "out of range"))


def test_a_validation_file_that_nobody_reads_is_one_problem(here: Path):
    Path("odd.jsonl").write_text('{"messages": 7}\n')
    words = ["data=chat.jsonl", "val=odd.jsonl", "eval_calls=5"]
    inputs = resolve(load("qwen7b_agent", words), ONE_GPU)
    assert any("eval_calls" in problem for problem in examine(inputs, plan(inputs, here / "x"), "off").problems)


def test_steps_that_match_are_no_problem(here: Path):
    for each, every in ((100, 200), (0.1, 0.3), (1, 1)):
        words = ["data=chat.jsonl", "val=chat.jsonl", "load_best_model_at_end=true"]
        inputs = resolve(load("qwen7b_agent", [*words, f"eval_steps={each}", f"save_steps={every}"]), ONE_GPU)
        assert not any("load_best" in problem for problem in examine(inputs, plan(inputs, here / "x"), "off").problems)


def test_cards_that_are_not_here():
    config = load("qwen7b_agent")
    assert fit(config, parse_card("8x80GB")).fits
    assert fit(config, parse_card("24 GB")).fits
    assert fit(config, parse_card("12GB")).remedy == "quant_bits=4"
    by_sequences = load("qwen7b_agent", ["micro_batch=sequences"])
    assert fit(by_sequences, parse_card("24 GB")).remedy == "per_device_train_batch_size=1"
    assert not fit(config, parse_card("4GB")).remedy
    with pytest.raises(ConfigError, match="write the memory of a card, as 24GB"):
        parse_card("big")


# The table of the published ReAct guide: what it recommends fits, within a quarter.
@pytest.mark.parametrize(
    ("model", "words", "card"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", [], "6GB"),
        ("Qwen/Qwen2.5-3B-Instruct", [], "12GB"),
        ("Qwen/Qwen2.5-7B-Instruct", [], "20GB"),
        ("Qwen/Qwen2.5-7B-Instruct", ["quant_bits=4"], "14GB"),
        ("Qwen/Qwen2.5-14B-Instruct", ["quant_bits=4"], "24GB"),
    ],
)
def test_the_guides_memory_table_stands(model: str, words: list[str], card: str):
    sizes = ["max_length=2048", "gradient_checkpointing=true", "target_modules=all-linear", "lora_rank=8"]
    found = fit(load("lora_any_data", [f"model={model}", *sizes, *words]), parse_card(card))
    assert found.needed <= 1.25 * parse_card(card).memory


def test_doctor_asks_cards_alone(swiftagent: Run, tmp_path: Path):
    done = swiftagent("doctor", "configs/qwen7b_agent.yaml", "--gpu", "12GB", "--gpu", "8x80GB", "--json")
    cards = json.loads(done.stdout)["cards"]
    assert (done.returncode, [card["fits"] for card in cards]) == (4, [False, True])
    assert swiftagent("doctor", "configs/qwen7b_agent.yaml", "--gpu", "8x80GB").returncode == 0
    rows = json.loads(swiftagent("configs", "--gpu", "24GB", "--json").stdout)["configs"]
    assert next(row for row in rows if row["name"] == "qwen2_5_7b_react_qlora")["fits"]


@pytest.mark.parametrize(
    ("word", "count", "gigabytes", "kind"),
    [
        ("H100", 1, 80, "H100"), ("8xh200", 8, 141, "H200"), ("RTX4090", 1, 24, "4090"), ("2 x 3090", 2, 24, "3090"),
        ("16", 1, 16, "T4"), ("2x24", 2, 24, "3090"), ("A100-40GB", 1, 40, "A100"), ("288 GiB", 1, 288, "B200"),
        ("A100 80GB", 1, 80, "A100"), ("4xA100-SXM4-40GB", 4, 40, "A100"), ("H100-PCIe", 1, 80, "H100 PCIe"),
        ("NVIDIA H100 80GB HBM3", 1, 80, "H100"), ("H100 NVL", 1, 94, "H100 NVL"), ("RTX 4090 48GB", 1, 48, "4090"),
        ("MI300-192GB", 1, 192, "B200"), ("V100_16", 1, 16, "V100"), ("l40", 1, 48, "L40"),
    ],
)  # fmt: skip
def test_a_card_is_named_or_written_by_its_memory(word: str, count: int, gigabytes: int, kind: str):
    card = parse_card(word)
    assert (card.count, card.memory / 1e9, card.kind) == (count, gigabytes, kind)


@pytest.mark.parametrize("word", ["", "nonsense", "0GB", "0x24GB", "5090", "24GB,48GB", "1e3GB", "A100,24GB", "A1000"])
def test_a_card_that_is_not_understood_is_refused_with_the_names_that_are(word: str):
    with pytest.raises(ConfigError, match="as 24GB, or several, as 8x80GB, or its name, one of H200, H100"):
        parse_card(word)
