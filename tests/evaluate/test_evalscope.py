"""evalscope's sets: refused in a line where it is missing, its command, and its reports read back."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import httpx
import pytest
from scripted_engine import ScriptedEngine

from swiftagent.agent.loop import ReAct
from swiftagent.errors import ConfigError, LaunchError, SetupError
from swiftagent.evaluate.evalscope import check_installed, evalscope_words, read_reports, run_sets, served


@pytest.mark.skipif(importlib.util.find_spec("evalscope") is not None, reason="evalscope is installed here")
def test_without_evalscope_it_says_what_to_install():
    with pytest.raises(
        SetupError, match="^--evalscope: evalscope is not installed; .*python.* -m pip install evalscope$"
    ):
        check_installed()


def test_the_command(tmp_path: Path):
    told = evalscope_words("tuned", "http://127.0.0.1:1/v1", ["gsm8k", "arc"], 20, None, tmp_path)
    assert told[1:5] == ["-m", "evalscope.cli.cli", "eval", "--model"]
    assert told[-5:] == ["--datasets", "gsm8k", "arc", "--limit", "20"]


def test_our_own_server_answers_as_long_as_it_is_needed():
    question = {"model": "tuned", "messages": [{"role": "user", "content": "2 + 2?"}]}
    with served(ScriptedEngine("4"), ReAct("auto"), "tuned") as url:
        told = httpx.post(f"{url}/chat/completions", json=question).json()
    assert told["choices"][0]["message"]["content"] == "4"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")


@pytest.mark.skipif(importlib.util.find_spec("evalscope") is not None, reason="evalscope is installed here")
def test_an_evalscope_that_fails_is_told(tmp_path: Path):
    with pytest.raises(LaunchError, match="evalscope on arc ended with exit code 1: .*evalscope.*; see .*log.txt"):
        run_sets(ScriptedEngine(), ReAct("auto"), "base", ["arc"], 1, None, tmp_path / "out")


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
