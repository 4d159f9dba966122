"""The skill file for coding agents: its commands are real, and those that need no model run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from swiftagent.cli import main, parser_of

SKILL = Path("docs") / "skills" / "swiftagent" / "SKILL.md"
# What runs without a model, a GPU and the network; of the others the words are checked.
RUN = re.compile(
    r"formats|convert|clean|stats|inspect (?!.*--model)|mix .*rows\.json|doctor --json|configs|runs --json"
)


def commands(text: str) -> list[str]:
    return [line for block in re.findall(r"```bash\n(.*?)```", text, re.S) for line in block.splitlines()]


def test_its_commands_run(root: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = commands((root / SKILL).read_text(encoding="utf-8"))
    ran: dict[str, Any] = {}
    for line in found:
        words, _, file = line.partition(" > ")
        _, command, *given = shlex.split(words)
        parser_of(command).parse_args(given)
        if not RUN.match(f"{command} {' '.join(given)}"):
            continue
        assert main([command, *given]) == 0, line
        out = capsys.readouterr().out
        if file:
            Path(file).write_text(out, encoding="utf-8")
        elif "--json" in given:
            ran[line] = json.loads(out)
    assert (len(found), len(ran)) == (29, 11)
    converted = ran["swiftagent convert rows.json -o train.jsonl --json"]
    assert (converted["rows_out"], converted["rejected"], converted["unread"]) == (1, 0, {})
    assert ran["swiftagent inspect train.jsonl --check --json"]["clean"] is True
    assert Path("mix.val.jsonl").is_file()
    assert Path("my.yaml").is_file()


def test_what_it_says_of_the_program_is_so(root: Path, capsys):
    text = (root / SKILL).read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["name"] == SKILL.parent.name
    assert len(head["description"]) < 1024
    with_json = re.search(r"Commands that have it: (.*?)\.\n", text, re.S)
    assert with_json is not None
    for command in re.findall(r"\w+", with_json[1]):
        assert "--json" in parser_of(command).format_help()
    with pytest.raises(SystemExit):
        main(["--help"])
    codes = re.search(r"exit codes: (.*)", capsys.readouterr().out, re.S)
    assert codes is not None
    said = re.search(r"Exit codes: (.*?)\. 3, 6", text, re.S)
    assert said is not None
    assert re.findall(r"\d+", said[1]) == re.findall(r"\d+", codes[1])
