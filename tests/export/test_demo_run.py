"""The demo's model, exported: the prompts that its clients get are those of its training, in both languages of
templates."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from demo_run import DemoRun

pytestmark = pytest.mark.needs_swift


def test_the_demo_lands_in_ollama(swiftagent: Callable[..., CompletedProcess[str]], demo_run: DemoRun, tmp_path: Path):
    done = swiftagent("export", "ollama", demo_run.run, "-o", tmp_path / "folder", "--name", "town", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["merged"]["max_difference"] < 1e-4 * told["merged"]["logit_scale"]
    targets = ["chat template", *(["Modelfile template"] if shutil.which("go") else [])]
    assert [(one["target"], one["equal"], one["of"]) for one in told["prompts"]] == [
        (target, 50, 50) for target in targets
    ]
    assert "the tool prompt is always English" in (tmp_path / "folder" / "README.md").read_text()
    card = (tmp_path / "folder" / "model" / "README.md").read_text()
    assert "- self_cognition.jsonl, 396 rows taken\n" in card
    assert "| call_exact | 0.000 | " in card
