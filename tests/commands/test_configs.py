"""The shipped recipes are listed and copied; another program's config is translated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Run = Callable[..., CompletedProcess[str]]


def test_list_tells_model_method_memory_and_hours(swiftagent: Run):
    rows = {row["name"]: row for row in json.loads(swiftagent("configs", "--json").stdout)["configs"]}
    recipe = rows["qwen2_5_14b_agent_qlora"]
    assert (recipe["model"], recipe["method"], recipe["GPUs"]) == ("Qwen2.5-14B-Instruct", "QLoRA", 1)
    assert recipe["memory"].endswith("GB")


def test_cp_copies_and_never_overwrites(swiftagent: Run, tmp_path: Path):
    assert swiftagent("configs", "cp", "qwen7b_agent", "mine.yaml").returncode == 0
    assert "sequences_per_step: 64" in (tmp_path / "mine.yaml").read_text()
    again = swiftagent("configs", "cp", "qwen7b_agent", "mine.yaml")
    assert (again.returncode, "mine.yaml: exists already" in again.stderr) == (4, True)


def test_from_writes_yaml_that_sft_takes(swiftagent: Run, tmp_path: Path):
    (tmp_path / "lf.yaml").write_text(
        "model_name_or_path: a/b\ndataset: x.jsonl\nfinetuning_type: lora\ncutoff_len: 512\n"
    )
    assert swiftagent("configs", "from", "lf.yaml", "-o", "ours.yaml").returncode == 0
    done = swiftagent("sft", "ours.yaml", "--dry-run")
    assert (done.returncode, "--max_length 512" in done.stdout) == (0, True), done.stderr


def test_from_prints_a_config_with_its_commands_as_comments(swiftagent: Run, tmp_path: Path):
    (tmp_path / "lf.yaml").write_text("model_name_or_path: a/b\ndataset: x.json\nfinetuning_type: lora\ntokens: 3\n")
    done = swiftagent("configs", "from", "lf.yaml")
    assert "# swiftagent convert x.json -o datasets/x.jsonl\n# swiftagent sft CONFIG\n\nmodel: a/b\n" in done.stdout
    assert done.stderr == "not carried over:\n  tokens: 3: has no counterpart; left out\n"
    told = json.loads(swiftagent("configs", "from", "lf.yaml", "--json").stdout)
    assert (told["config"]["model"], told["not_carried_over"]) == ("a/b", {"tokens": "3: has no counterpart; left out"})


def test_a_foreign_yaml_handed_to_sft_is_one_line(swiftagent: Run, tmp_path: Path):
    (tmp_path / "lf.yaml").write_text("model_name_or_path: a/b\ndataset: x.json\nfinetuning_type: lora\n")
    done = swiftagent("sft", "lf.yaml", "--dry-run")
    remedy = "`swiftagent configs from lf.yaml -o ours.yaml` translates it"
    assert (done.returncode, done.stderr) == (2, f"error: lf.yaml: a config of another program; {remedy}\n")
