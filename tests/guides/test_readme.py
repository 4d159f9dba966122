"""What README says works from an installed package, in a folder that holds nothing."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from swiftagent.cli import COMMANDS, parser_of

_LINE = re.compile(r"^    (?:\$ )?swiftagent (.*?)(?: {2,}#.*)?$", re.M)
_INLINE = re.compile(r"`swiftagent ([^`]*)`")
_SHIPPED = re.compile(r"(?:configs|datasets)/[\w.]+")
# Shown with placeholders, or with a sentence in place of a question.
_MADE_HERE = ("datasets/mix.jsonl", "configs/NAME", "datasets/NAME")


def words_of(page: Path) -> list[list[str]]:
    text = page.read_text(encoding="utf-8").replace("\n", " \n")
    joined = re.sub(r"(`swiftagent [^`\n]*) \n", r"\1 ", text)
    return [shlex.split(line.replace("...", "")) for line in (*_LINE.findall(text), *_INLINE.findall(joined))]


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_every_command_of_readme_is_one_and_both_say_the_same(name: str, root: Path):
    found = words_of(root / name)
    assert len(found) > 20
    for command, *options in found:
        assert command in COMMANDS
        if options:
            parser_of(command).parse_args(options)
    assert {tuple(words[:3]) for words in found} == {tuple(words[:3]) for words in words_of(root / "README.md")}


def test_paths_and_commands_of_readme_work_from_a_wheel_in_an_empty_folder(root: Path, tmp_path: Path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    ran([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, root], tmp_path)
    ran([*pip, "install", "--no-deps", "--no-index", "--target", site, *tmp_path.glob("*.whl")], tmp_path)
    named = {path for name in ("README.md", "README_zh.md") for path in _SHIPPED.findall((root / name).read_text())}
    code = f"""
from swiftagent.io.shipped import find
from swiftagent.tools.toolbox import open_toolbox
for path in {sorted(named.difference(_MADE_HERE))}:
    assert str(find(path)).startswith({str(site)!r}) and find(path).exists(), path
with open_toolbox(["datasets/fire_alarm_tools.py"]) as tools:
    print(*(tool.name for tool in tools.specs))
"""
    assert ran([sys.executable, "-c", code], empty, site).split()[0] == "fire_recognition"
    for line in (
        "mix --agent 30000 --general 60000 --dry-run",
        "sft configs/qwen7b_agent.yaml --dry-run",
        "convert datasets/agent_openai.jsonl -o rows.jsonl",
        "mix --agent 5 --agent-source rows.jsonl --general 5 --general-source datasets/general_alpaca.jsonl -o m.jsonl",
        "configs",
    ):
        ran([sys.executable, "-m", "swiftagent", *line.split()], empty, site)


def ran(words: list[object], folder: Path, site: Path | None = None) -> str:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **({"PYTHONPATH": str(site)} if site else {})}
    done = subprocess.run(list(map(str, words)), cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
