"""A checkpoint's args.json names the trainer's plugin: `swift infer` loads it too, and nothing may change for it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import swiftagent

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]


def test_outside_training_the_plugin_changes_nothing():
    from swift.model import model_meta
    from swift.pipelines.train import sft

    before = sft.AddLengthPreprocessor, model_meta._get_model_info
    plugin = Path(swiftagent.__file__).parent / "train" / "plugin" / "swiftagent_trainer_plugin.py"
    runpy.run_path(str(plugin))
    assert (sft.AddLengthPreprocessor, model_meta._get_model_info) == before
