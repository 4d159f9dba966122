"""The JSON Schema of a config says of every config what `sft` says of it."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
import yaml

from swiftagent.io.shipped import shipped
from swiftagent.train.config_schema import config_schema

RECIPES = [path for path in sorted(shipped("configs").glob("*.yaml")) if not path.name.startswith("mix_")]


def test_the_shipped_schema_is_the_one_of_the_types():
    assert json.loads((shipped("configs") / "schema.json").read_text(encoding="utf-8")) == config_schema()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_configs_are_valid_and_name_the_schema(path):
    text = path.read_text(encoding="utf-8")
    assert list(jsonschema_rs.validator_for(config_schema()).iter_errors(yaml.safe_load(text))) == []
    assert text.endswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    "wrong", [{"modl": "a"}, {"gpus": "many"}, {"train": {"lora_rnak": 1}}, {"train": {"tuner_type": 3}}, {"data": 1}]
)
def test_what_sft_refuses_is_invalid(wrong):
    assert not jsonschema_rs.is_valid(config_schema(), wrong)
