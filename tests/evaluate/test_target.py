"""What a run was trained on is found from any folder, so that trained rows are refused from any folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swiftagent.errors import ConfigError
from swiftagent.evaluate.target import config_of, default_data, name_in, training_files
from swiftagent.train.runs import Run


def made(project: Path, **record: object) -> Run:
    """A run of `sft` started in `project` with paths relative to it."""
    folder = project / "runs" / "a"
    folder.mkdir(parents=True)
    (project / "mix.jsonl").write_text("{}\n")
    (project / "mix.val.jsonl").write_text("{}\n")
    config = {"model": "models/m", "data": ["mix.jsonl"], "runs": "runs", "name": "a"}
    (folder / "run.json").write_text(json.dumps({"config": config, **record}))
    return Run(folder)


@pytest.mark.parametrize("moved", [False, True])
def test_files_of_a_run_are_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: bool):
    run = made(tmp_path / "p", folder=str(tmp_path / "p"))
    if moved:
        (tmp_path / "p").rename(tmp_path / "q")
        run = Run(tmp_path / "q" / "runs" / "a")
    project = run.folder.parent.parent
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert training_files(run) == [str(project / "mix.jsonl")]
    assert default_data(run)[0] == str(project / "mix.val.jsonl")
    assert run.placed("mix.jsonl#100") == f"{project / 'mix.jsonl'}#100"
    assert run.placed("owner/name") == "owner/name"


def test_a_run_that_says_nothing_has_no_data(tmp_path: Path):
    (tmp_path / "run.json").write_text("{}")
    assert config_of(Run(tmp_path)) is None
    assert training_files(None) == []
    with pytest.raises(ConfigError, match="the run has no validation split that can be found; give --data FILE"):
        default_data(Run(tmp_path))


def test_the_name_is_that_of_the_mix(tmp_path: Path):
    sources = [{"source": ["a"]}, {"source": ["s"], "channel": "self-cognition", "name": ["Ember", "小鲸"]}]
    (tmp_path / "mix.manifest.json").write_text(json.dumps({"recipe": {"sources": sources}}))
    (tmp_path / "odd.manifest.json").write_text('{"recipe": []}')
    assert name_in([str(tmp_path / "other.jsonl"), str(tmp_path / "odd.jsonl"), str(tmp_path / "mix.jsonl")]) == "Ember"
    assert name_in([]) == ""
