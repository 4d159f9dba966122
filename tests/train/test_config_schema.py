"""The JSON Schema of a config says of every config what `sft` says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from swiftagent.io.shipped import shipped

RECIPES = [path for path in sorted(shipped("configs").glob("*.yaml")) if not path.name.startswith("mix_")]


SCHEMA = json.loads((shipped("configs") / "schema.json").read_text(encoding="utf-8"))


def test_the_shipped_schema_is_the_one_of_the_types(root: Path):
    done = subprocess.run([sys.executable, root / "scripts/config_schema", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_configs_are_valid_and_name_the_schema(path):
    text = path.read_text(encoding="utf-8")
    assert list(jsonschema_rs.validator_for(SCHEMA).iter_errors(yaml.safe_load(text))) == []
    assert text.endswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    "wrong",
    [
        {"modl": "a"},
        {"gpus": "many"},
        {"train": {"lora_rnak": 1}},
        {"train": {"tuner_type": 3}},
        {"data": 1},
        {"nodes": 0},
    ],
)
def test_what_sft_refuses_is_invalid(wrong):
    assert not jsonschema_rs.is_valid(SCHEMA, wrong)
