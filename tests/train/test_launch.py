"""The exact words that start ms-swift, planned for machines that a test makes up."""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from config_text import config_of

from swiftagent.train import launch
from swiftagent.train.config import Config, load
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import LaunchPlan
from swiftagent.train.machine import GIB, Gpu, Machine, trainer_entry
from swiftagent.train.preflight import recognition_problems
from swiftagent.train.raw_data import write_copies
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Question, Trajectory

CPU = Machine(cpus=2)
A100 = tuple(Gpu(index, "A100", 80 * GIB, 79 * GIB, (8, 0)) for index in range(8))


def machine(gpus: int, *packages: str) -> Machine:
    return Machine(A100[:gpus], cpus=16, packages=dict.fromkeys(packages, "1"))


ENTRY = trainer_entry() or "swift/cli/sft.py"  # a plan is made where ms-swift is not installed, too


def config(more: str = "") -> Config:
    return config_of("model: Qwen/Qwen2.5-7B-Instruct\ndata: a.jsonl\nsequences_per_step: 64\n" + more)


def plan(config: Config, machine: Machine, folder: Path, **more: Any) -> LaunchPlan:
    return launch.plan(resolve(config, machine), folder, **more)


def option(argv: list[str], name: str) -> list[str]:
    """The words of one option."""
    start = argv.index(f"--{name}") + 1
    end = next((n for n in range(start, len(argv)) if argv[n].startswith("--")), len(argv))
    return argv[start:end]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PET_NNODES", "NNODES", "SLURM_NNODES", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)


def test_published_recipe_on_eight_gpus():
    planned = plan(load("configs/qwen7b_agent.yaml"), machine(8), Path("runs/x"))
    assert planned.argv[:5] == [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "8"]
    assert planned.argv.index(ENTRY) < planned.argv.index("--model")
    assert option(planned.argv, "gradient_accumulation_steps") == ["8"]  # micro-steps by tokens: see test_step_cutting
    assert option(planned.argv, "target_modules") == ["all-linear", "all-embedding"]
    assert option(planned.argv, "learning_rate") == ["5e-5"]
    assert option(planned.argv, "check_model") == ["false"]


@pytest.mark.parametrize(
    ("gpus", "processes", "accumulation"), [(8, 8, 8), (4, 4, 16), (2, 2, 32), (1, 1, 64), (0, 1, 32)]
)
def test_the_same_config_keeps_its_step_on_any_machine(gpus: int, processes: int, accumulation: int):
    planned = plan(load("configs/qwen7b_agent.yaml"), machine(gpus), Path("runs/x"))
    assert (planned.processes, planned.accumulation, planned.sequences_per_step) == (processes, accumulation, 64)
    assert planned.device == ("gpu" if gpus else "cpu")
    assert bool(planned.warnings) == (gpus < 8)


def test_dry_run_plans_for_the_gpus_that_are_not_here():
    planned = plan(load("configs/qwen7b_agent.yaml"), CPU, Path("runs/x"), as_configured=True)
    assert (planned.processes, planned.accumulation, planned.device) == (8, 8, "gpu")


def test_one_process_needs_no_torchrun():
    assert plan(config("gpus: 1\n"), machine(1), Path("r")).argv[:2] == [sys.executable, ENTRY]


def test_deepspeed_gets_a_process_group_even_for_one_process():
    assert "torch.distributed.run" in plan(config("gpus: 1\ntrain: {deepspeed: zero2}\n"), machine(1), Path("r")).argv


def test_cpu_trains_in_float32_and_deepspeed_there_in_bfloat16():
    plain = plan(config("gpus: 0\n"), CPU, Path("r"))
    assert [option(plain.argv, name) for name in ("use_cpu", "torch_dtype", "fp16", "bf16")] == [
        ["true"], ["float32"], ["false"], ["false"],
    ]  # fmt: skip
    deep = plan(config("gpus: 0\ntrain: {deepspeed: zero2}\n"), CPU, Path("r"))
    assert [option(deep.argv, name) for name in ("torch_dtype", "fp16", "bf16")] == [["bfloat16"], ["false"], ["true"]]
    asked = plan(config("gpus: 0\ntrain: {deepspeed: zero2, torch_dtype: float32}\n"), CPU, Path("r"))
    assert [option(asked.argv, name) for name in ("torch_dtype", "bf16")] == [["float32"], ["false"]]


def test_fewer_gpus_than_there_are_hides_the_rest():
    assert plan(config("gpus: 2\n"), machine(8), Path("r")).env["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_gpus_that_are_planned_for_but_not_here_are_not_hidden(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert "CUDA_VISIBLE_DEVICES" not in plan(config("gpus: 2\n"), CPU, Path("r"), as_configured=True).env


def test_a_step_that_does_not_divide_is_told():
    planned = plan(config("gpus: 3\ntrain: {per_device_train_batch_size: 2}\n"), machine(3), Path("r"))
    assert planned.sequences_per_step == 66
    assert planned.warnings == ["sequences_per_step: 64 is no multiple of 2 x 3 processes; 66 a step are used"]


def test_flash_attention_and_padding_free_where_they_are_installed():
    batches = config("gpus: 1\nmicro_batch: sequences\n")
    assert plan(batches, machine(1, "flash-attn"), Path("r")).options["padding_free"] is True
    assert "padding_free" not in plan(batches, machine(1), Path("r")).options
    assert "attn_impl" not in plan(config("gpus: 0\n"), machine(1, "flash-attn"), Path("r")).options


def test_thinking_templates_train_without_empty_think_blocks():
    thinking = config_of("model: Qwen/Qwen3-8B\ndata: a.jsonl\n")
    planned = plan(thinking, CPU, Path("r"))
    assert (option(planned.argv, "enable_thinking"), option(planned.argv, "add_non_thinking_prefix")) == (
        ["true"],
        ["false"],
    )
    assert "--enable_thinking" not in plan(config(), CPU, Path("r")).argv


def test_several_nodes():
    planned = plan(config("gpus: 8\nnodes: 2\nnode_rank: 1\nmaster: host1:1234\n"), machine(8), Path("r"))
    words = " ".join(planned.argv)
    assert "--nproc_per_node 8 --nnodes 2 --node_rank 1 --master_addr host1 --master_port 1234" in words
    assert planned.sequences_per_step == 64


@pytest.mark.parametrize(
    ("listed", "first"), [("gpu[07-08]", "gpu07"), ("n1,n2", "n1"), ("rack[1-2]n[04-09,11],login", "rack1n04")]
)
def test_several_nodes_from_slurm(listed: str, first: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        os, "environ", copy.deepcopy(os.environ)
    )  # as `datasets` does when it maps with several processes
    for name, value in {"SLURM_NNODES": "2", "SLURM_NODEID": "1", "SLURM_JOB_NODELIST": listed}.items():
        monkeypatch.setenv(name, value)
    words = " ".join(plan(config("gpus: 8\n"), machine(8), Path("r")).argv)
    assert f"--nnodes 2 --node_rank 1 --master_addr {first} --master_port 29500" in words


def test_validation_file_beside_the_data_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"messages": [], "channel": "agent"}\n')
    assert "--val_dataset" not in plan(config(), CPU, Path("r")).argv
    Path("a.val.jsonl").write_text("{}\n")
    argv = plan(config(), CPU, Path("r")).argv
    assert option(argv, "val_dataset") == ["a.val.jsonl"]
    assert option(argv, "enable_channel_loss") == ["true"]
    assert "--val_dataset" not in plan(config("val: none\n"), CPU, Path("r")).argv


def test_fsdp_and_trackers_are_passed_by_name():
    argv = plan(config("gpus: 4\ntrain: {fsdp: fsdp2, report_to: [wandb, swanlab]}\n"), machine(4), Path("r")).argv
    assert option(argv, "fsdp") == ["fsdp2"]
    assert option(argv, "report_to") == ["wandb", "swanlab"]


def test_packing_keeps_the_sequences_of_a_step():
    packed = config(
        "gpus: 2\ntrain: {packing: true, attn_impl: flash_attn, max_length: 2048, per_device_train_batch_size: 1}\n"
    )
    planned = plan(packed, machine(2, "flash-attn"), Path("r"), tokens_a_row=512.0)
    assert (planned.batch, planned.accumulation, planned.sequences_per_step) == (1, 8, 64)
    assert "packing: about 4 sequences of 512 tokens in each pack of 2048" in planned.notes


def test_checkpointing_is_switched_off_where_memory_is_ample():
    small = config_of("model: Qwen/Qwen2.5-0.5B-Instruct\ndata: a.jsonl\ngpus: 1\ntrain: {max_length: 512}\n")
    assert plan(small, machine(1), Path("r")).options["gradient_checkpointing"] is False
    large = config_of("model: Qwen/Qwen2.5-14B-Instruct\ndata: a.jsonl\ngpus: 1\ntrain: {max_length: 8192}\n")
    assert plan(large, machine(1), Path("r")).options["gradient_checkpointing"] is True
    batches = msgspec.structs.replace(large, micro_batch="sequences")
    assert "gradient_checkpointing" not in plan(batches, machine(1), Path("r")).options


def test_a_model_folder_is_recognised_by_its_own_files(tmp_path: Path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}')
    (folder / "tokenizer.json").write_text('{"a": 1}')
    plain = config_of(f"model: {folder}\ndata: a.jsonl\n")
    found = resolve(plain, CPU)
    assert (found.model.model_type, found.model.template) == ("qwen2", "")
    assert recognition_problems(found) == [
        f"a.yaml:1: model: {folder}: ms-swift cannot tell its chat template; add train.template (chatml, qwen2_5, "
        f"llama3_2, ...)"
    ]
    (folder / "chat_template.jinja").write_text("<|im_start|>{{ content }}")
    argv = plan(plain, CPU, Path("r")).argv
    assert (option(argv, "model_type"), option(argv, "template")) == (["qwen2"], ["chatml"])
    (folder / "args.json").write_text('{"model_type": "qwen3", "template": "qwen3"}')
    assert option(plan(plain, CPU, Path("r")).argv, "template") == ["qwen3"]


def test_changed_copies_of_files_of_one_name_are_files_of_their_own(tmp_path: Path):
    entries = []
    for name in ("a/x.jsonl", "b/x.jsonl", "val/x.jsonl"):
        record = to_record(Trajectory((Question("?"), Answer(name))))
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(record) + "\n")
        entries.append(str(tmp_path / name))
    one, other, val = entries
    asked = config_of(f"model: m\ndata: [{one}, '{other}#1']\nval: {val}\nweights: {{answer: 2}}\n")
    folder = tmp_path / "run"
    write_copies(resolve(asked, CPU), folder)
    argv = plan(asked, CPU, folder).argv
    named = [*option(argv, "dataset"), *option(argv, "val_dataset")]
    assert named == [f"{folder}/data/x.jsonl", f"{folder}/data/x-2.jsonl#1", f"{folder}/data/x-3.jsonl"]
    answers = [json.loads(Path(path.partition("#")[0]).read_text())["messages"][-1]["content"] for path in named]
    assert answers == ["a/x.jsonl", "b/x.jsonl", "val/x.jsonl"]
