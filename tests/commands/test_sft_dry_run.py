"""A dry run answers on any machine: every shipped recipe, without its model, its data or a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from swiftagent.io.shipped import shipped

Run = Callable[..., CompletedProcess[str]]
RECIPES = [path.stem for path in sorted(shipped("configs").glob("*.yaml")) if not path.name.startswith("mix_")]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_dry_runs(name: str, swiftagent: Run, tmp_path: Path):
    done = swiftagent("sft", f"configs/{name}.yaml", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["command"][facts["command"].index("--output_dir") + 1] == f"runs/{name}"
    assert facts["sequences_per_step"] == facts["batch"] * facts["accumulation"] * facts["processes"] * facts["nodes"]
    assert not list(tmp_path.iterdir())


def test_the_printed_command_can_be_pasted(swiftagent: Run):
    done = swiftagent("sft", "configs/qwen7b_agent.yaml", "--dry-run", "lora_rank=4")
    words = done.stdout.replace("\\\n", " ").split()
    assert words[words.index("--lora_rank") + 1] == "4"
    assert words[words.index("--nproc_per_node") + 1] == "8"
    assert "warning: command line" not in done.stderr
    assert "datasets/mix.jsonl: no such file" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere.yaml"], 2, "error: nowhere.yaml: no such config"),
        (["configs/qwen7b_agent.yaml", "lora_rnak=1"], 2, "error: command line: lora_rnak: unknown key"),
        (["configs/qwen7b_agent.yaml", "train.loss_scale=react"], 2, "loss_scale: react finds results by keyword"),
        ([], 2, "error: which config?"),
        (["--resume", "nothing"], 4, "error: nothing: no such run in runs; there are none yet"),
        (["configs/tiny_cpu.yaml", "model=here"], 4, "model: here: no such folder"),
        (["configs/tiny_cpu.yaml", "data=."], 2, ".: no data in this folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: list[str], code: int, said: str, swiftagent: Run, tmp_path: Path
):
    done = swiftagent("sft", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_of_shards_is_its_files(swiftagent: Run, tmp_path: Path):
    names = [f"mix/train-{number:05d}-of-00002.jsonl" for number in range(2)]
    (tmp_path / "mix").mkdir()
    for name in (*names, "mix.val.jsonl"):
        (tmp_path / name).write_text('{"messages": []}\n')
    words = ("configs/tiny_cpu.yaml", "data=mix", "streaming=true", "max_steps=10", "--dry-run", "--json")
    command = json.loads(swiftagent("sft", *words).stdout)["command"]
    first, held_out = command.index("--dataset") + 1, command.index("--val_dataset") + 1
    assert (command[first : first + 2], command[held_out]) == (names, "mix.val.jsonl")


def test_a_shipped_model_is_found_from_any_folder(swiftagent: Run):
    command = json.loads(swiftagent("sft", "configs/tiny_cpu.yaml", "--dry-run", "--json").stdout)["command"]
    assert Path(command[command.index("--model") + 1]) == shipped("datasets") / "tiny-base"
