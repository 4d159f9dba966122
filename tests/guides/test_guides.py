"""The pages of docs/guides: every command runs on small data, and both languages hold the same ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from guide_files import lay_out

from swiftagent.cli import COMMANDS, main, parser_of

PAGES = Path(__file__).parents[2] / "docs" / "guides"
GUIDES = sorted(path.stem for path in PAGES.glob("*.md") if not path.stem.endswith("_zh") and path.stem != "README")
_BLOCK = re.compile(r"^```bash( dry)?\n(.*?)^```$", re.M | re.S)


class Line(NamedTuple):
    """A command of a page; `dry` ones train, listen or fetch, so that no test runs them whole."""

    words: list[str]
    dry: bool


def commands(page: str) -> list[Line]:
    blocks = _BLOCK.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    return [Line(shlex.split(line), bool(dry)) for dry, text in blocks for line in text.splitlines()]


def test_each_guide_has_commands_and_its_page_in_chinese():
    assert len(GUIDES) == 5
    for guide in GUIDES:
        assert len(commands(guide)) > 12
        assert commands(guide) == commands(f"{guide}_zh")


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("guides")
    lay_out(folder, root / "datasets" / "tiny-base")
    return folder


@pytest.mark.needs_swift
@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_runs(
    guide: str, laid_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for entry in laid_out.iterdir():  # what a command writes stays in the test's own folder
        copy_or_link(entry, tmp_path / entry.name)
    monkeypatch.chdir(tmp_path)
    for program, *words in (line.words if not line.dry else dry(line.words) for line in commands(guide)):
        assert program == "swiftagent"
        code = main(words)
        assert code in (0, 4) if words[0] == "doctor" else code == 0, (words, capsys.readouterr())


def dry(words: list[str]) -> list[str]:
    """The most of a command that runs without training: the words are read, and those that plan do plan."""
    name = words[1]
    assert name in COMMANDS
    parser_of(name).parse_args(words[2:])
    return [*words, "--dry-run"] if name in ("mix", "sweep") or (name == "sft" and "--resume" not in words) else ["swiftagent", "--version"]
