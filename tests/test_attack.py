"""A short ring of `scripts/attack`: some attacks of each kind that take a second, by the script's own code."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from attack_files import YAML, attack_files
from attack_kills import COMMANDS, attack_kills
from attack_run import Outcome, Target
from attack_tools import attack_tools


def failures(outcomes: list[Outcome]) -> list[str]:
    assert outcomes
    return [f"{each.name}: {each.fault}" for each in outcomes if each.fault]


def test_hostile_tools_specs_pages_and_servers(tmp_path: Path, root: Path):
    names = "function (steering_error|no_json)$|page zstd|spec (aliases|odd values)|server doubled"
    assert failures(list(attack_tools(Target(root, tmp_path, 0), names))) == []


def test_hostile_files(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("attack_files.BOMBS", [])
    assert failures(list(attack_files(Target(root, tmp_path, 3), len(YAML) + 4))) == []


def test_killed_runs(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("attack_kills.COMMANDS", COMMANDS[:1])
    assert failures(list(islice(attack_kills(Target(root, tmp_path, 1), 8), 3))) == []
