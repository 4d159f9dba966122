"""evalscope's sets: refused in a line where it is missing, its command, and its reports read back."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

from swiftagent.backend.loading import Loading
from swiftagent.errors import ConfigError, LaunchError, SetupError
from swiftagent.evaluate.evalscope import check_installed, evalscope_words, read_reports, run_sets, serve_words, served


@pytest.mark.skipif(importlib.util.find_spec("evalscope") is not None, reason="evalscope is installed here")
def test_without_evalscope_it_says_what_to_install():
    with pytest.raises(
        SetupError, match="^--evalscope: evalscope is not installed; .*python.* -m pip install evalscope$"
    ):
        check_installed()


def test_the_commands(tmp_path: Path):
    told = serve_words(Loading("base", "runs/x/checkpoint-1", "qwen2", "chatml", device="cpu"), "tuned")
    options = ["--adapter", "runs/x/checkpoint-1", "--template", "chatml", "--model-type", "qwen2", "--device", "cpu"]
    assert told[1:] == ["-m", "swiftagent", "serve", "--port", "0", "--name", "tuned", *options]
    told = evalscope_words("tuned", "http://127.0.0.1:1/v1", ["gsm8k", "arc"], 20, None, tmp_path)
    assert told[1:5] == ["-m", "evalscope.cli.cli", "eval", "--model"]
    assert told[-5:] == ["--datasets", "gsm8k", "arc", "--limit", "20"]


@pytest.mark.needs_swift
def test_a_server_that_does_not_start_is_told(tmp_path: Path):
    with pytest.raises(LaunchError, match="the server for evalscope did not start: error: --model .*: no such folder"):
        run_sets(Loading(str(tmp_path / "none")), "base", ["arc"], 1, None, tmp_path / "out")


def test_a_server_that_says_much_is_not_stopped_by_it(tmp_path: Path):
    done = tmp_path / "done"
    says = "import sys, time; sys.stderr.write('m at http://127.0.0.1:1/v1 (Ctrl-C ends it)\\n' + 'x' * 1_000_000); "
    says += f"sys.stderr.flush(); open({str(done)!r}, 'w').close(); time.sleep(60)"
    with served([sys.executable, "-c", says], tmp_path / "server.txt") as url:
        assert url == "http://127.0.0.1:1/v1"
        deadline = time.monotonic() + 30
        while not done.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert done.exists()


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
    identities = [
        {"name": "bleu", "dimensions": {"ngram": 1}},
        {"name": "rouge", "dimensions": {"statistic": "recall", "variant": "l"}},
    ]
    metrics = [
        {"identity": found, "num": 2, "score": score} for found, score in zip(identities, (0.1, 0.4), strict=True)
    ]
    newer = {
        "schema_version": 2,
        "dataset_name": "general_qa",
        "metrics": metrics,
        "primary_metric_identity": identities[1],
    }
    (folder / "general_qa.json").write_text(json.dumps(newer))
    assert read_reports(tmp_path)["general_qa"] == {"value": 0.4, "n": 2, "score": "rouge recall l"}
