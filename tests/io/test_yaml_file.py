"""YAML into a Struct: shorthands, and every problem at its line; YAML in bad faith is refused before it is built."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pytest
import yaml
from attack_files import YAML

from swiftagent.errors import ConfigError
from swiftagent.io.yaml_file import Share, load, read_yaml


class Part(msgspec.Struct):
    file: tuple[str, ...]
    rows: int | None = None


class Whole(msgspec.Struct):
    parts: tuple[Part, ...]
    first: Part | None = None
    share: Share = 0.5
    kind: Literal["a", "b"] = "a"


def test_shorthands_of_texts_shares_and_single_fields(tmp_path: Path):
    path = tmp_path / "w.yaml"
    path.write_text("share: 2%\nparts:\n  - x.jsonl\n  - {file: [y, z], rows: 3}\n")
    assert read_yaml(str(path), Whole, "") == Whole((Part(("x.jsonl",)), Part(("y", "z"), 3)), share=0.02)


def test_every_problem_has_its_line(tmp_path: Path):
    path = tmp_path / "w.yaml"
    path.write_text("share: 3\nkind: c\nkind: a\nparts:\n  - rows: many\n  - 7\nfirst:\n")
    with pytest.raises(ConfigError) as error:
        read_yaml(str(path), Whole, "")
    assert [problem.removeprefix(f"{tmp_path}/") for problem in error.value.problems] == [
        "w.yaml:1: share: 3 is not a share, 0.01 or 1%",
        "w.yaml:2: kind: 'c' is not a choice of a, b",
        "w.yaml:3: kind: set twice",
        "w.yaml:5: rows: 'many' is not a whole number",
        "w.yaml:5: file: missing",
        "w.yaml:6: file: 7 is not a list, each item a text",
        "w.yaml:7: first: empty; give a value or leave the line out",
    ]


@pytest.mark.parametrize("name", ["aliases", "merges", "itself", "tag", "date"])
def test_yaml_in_bad_faith_is_an_error(name: str):
    with pytest.raises(yaml.YAMLError):
        load(YAML[name])


def test_an_alias_is_the_value_that_it_names():
    assert load("a: &a [1, 2]\nb: *a\nc: {<<: {x: 1}, y: 2}\n") == {"a": [1, 2], "b": [1, 2], "c": {"x": 1, "y": 2}}
    assert load("") is None
