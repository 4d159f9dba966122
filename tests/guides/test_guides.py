"""The pages of docs/guides: every command runs on small data, and both languages hold the same ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from guide_files import lay_out

from swiftagent.cli import main, parser_of

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
        assert len(commands(guide)) > 12, guide
        assert commands(guide) == commands(f"{guide}_zh")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("guides")
    lay_out(folder, root / "datasets" / "tiny-base")
    return folder


@pytest.mark.needs_swift
@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_runs(
    guide: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(workspace)
    for line in commands(guide):
        words = as_run(line)
        if words[0] in _SMALL and shape(words) in _RAN:
            continue
        _RAN.add(shape(words))
        code = main(words)
        shown = capsys.readouterr()
        # Whether a model fits is the answer of doctor, and no failure.
        assert code in (0, 4) if words[0] == "doctor" else code == 0, (words, shown)
        # A page that is followed has written what it trains on, itself or what the run makes a copy of.
        for data in map(Path, re.findall(r"--dataset (\S+)", shown.out)):
            assert data.is_file() or ("runs" in data.parts and Path("datasets", data.name).is_file()), (words, data)


# What makes a command that loads a model a short one; of those with the same options one is run.
_SMALL = {
    "infer": ["--max-steps", "1", "--step-tokens", "16"],
    "eval": ["-n", "2", "--step-tokens", "16", "--no-free", "--no-likelihood"],
    "export": [],
}
_PLANS = ("mix", "sweep", "sft")
_RAN: set[tuple[str, ...]] = set()


def as_run(line: Line) -> list[str]:
    """The words behind `swiftagent`; of a dry command the most that trains, listens and fetches nothing."""
    program, *words = line.words
    assert program == "swiftagent"
    if words == ["--version"]:
        return ["formats"]
    parser_of(words[0]).parse_args(words[1:])
    if line.dry:
        return [*words, "--dry-run"] if words[0] in _PLANS and "--resume" not in words else ["formats"]
    return words if "--predictions" in words else [*words, *_SMALL.get(words[0], [])]


def shape(words: list[str]) -> tuple[str, ...]:
    """The command and its options, without their values."""
    return (*words[:2], *sorted(word for word in words if word.startswith("-")))


@pytest.mark.parametrize("page", ["training", "agent", "formats"])
def test_a_page_in_chinese_has_every_option_and_command_block_of_the_english_one(page: str):
    english, chinese = ((PAGES.parent / f"{name}.md").read_text(encoding="utf-8") for name in (page, f"{page}_zh"))
    for pattern in (r"swiftagent [a-z]+(?: --?[\w-]+| [a-z]+\b)?", r"`(--[\w-]+)", r"^\| `(\w+)`"):
        missing = set(re.findall(pattern, english, re.M)) - set(re.findall(pattern, chinese, re.M))
        assert not missing, pattern
