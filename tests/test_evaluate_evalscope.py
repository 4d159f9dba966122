"""evalscope's sets: refused in a line where it is missing, its command, and its reports read back."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from swiftagent.backend.engine import Loading
from swiftagent.errors import ConfigError, SetupError
from swiftagent.evaluate_evalscope import check_installed, read_reports, words


@pytest.mark.skipif(importlib.util.find_spec("evalscope") is not None, reason="evalscope is installed here")
def test_without_evalscope_it_says_what_to_install():
    with pytest.raises(SetupError, match="^--evalscope: evalscope is not installed; .*python.* -m pip install evalscope$"):
        check_installed()


def test_the_command(tmp_path: Path):
    told = words(Loading("base", "runs/x/checkpoint-1", "qwen2", "chatml"), ["gsm8k", "arc"], 20, tmp_path)
    assert told[1:3] == ["-m", "swift.cli.eval"]
    assert told[3:] == [
        *("--model", "base", "--adapters", "runs/x/checkpoint-1", "--model_type", "qwen2", "--template", "chatml"),
        *("--eval_output_dir", str(tmp_path), "--eval_limit", "20", "--check_model", "false", "--eval_dataset", "gsm8k", "arc"),
    ]


def test_reports_are_read_back(tmp_path: Path):
    folder = tmp_path / "native" / "20260101_120000" / "reports" / "checkpoint-1"
    with pytest.raises(ConfigError, match="evalscope left no report there"):
        read_reports(tmp_path)
    folder.mkdir(parents=True)
    metric = {"name": "mean_acc", "num": 20, "score": 0.35, "macro_score": 0.35, "categories": []}
    report = {
        "name": "checkpoint-1@gsm8k",
        "dataset_name": "gsm8k",
        "model_name": "checkpoint-1",
        "score": 0.35,
        "metrics": [metric],
    }
    (folder / "gsm8k.json").write_text(json.dumps(report))
    assert read_reports(tmp_path) == {"gsm8k": {"value": 0.35, "n": 20, "score": "mean_acc"}}
