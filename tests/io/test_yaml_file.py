"""YAML that stands for far more than it holds is refused before anything is built of it."""

from __future__ import annotations

import pytest
import yaml
from attack_files import YAML

from swiftagent.io.yaml_file import load


@pytest.mark.parametrize("name", ["aliases", "merges", "itself", "tag", "date"])
def test_yaml_in_bad_faith_is_an_error(name: str):
    with pytest.raises(yaml.YAMLError):
        load(YAML[name])


def test_an_alias_is_the_value_that_it_names():
    assert load("a: &a [1, 2]\nb: *a\nc: {<<: {x: 1}, y: 2}\n") == {"a": [1, 2], "b": [1, 2], "c": {"x": 1, "y": 2}}
    assert load("") is None
