"""Several ratios of one mix: the commands that are run, what is done again, and what several seeds say together."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swiftagent.commands.sweep_plan import Sweep, Work, made_of, plan, together

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sources(root: Path) -> list[str]:
    return [
        *(
            "--agent-source",
            str(root / "datasets/agent_openai.jsonl"),
            "--general-source",
            str(root / "datasets/general_sharegpt.jsonl"),
        ),
        *("--config", str(root / "configs/tiny_cpu.yaml"), "--rows", "60"),
    ]


def test_a_dry_run_shows_every_command(swiftagent: Run, sources: list[str]):
    done = swiftagent("sweep", "mix", "--ratios", "1:0", "1:2", "--seeds", "2", *sources, "--dry-run")
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line)[1:] for line in done.stdout.splitlines()]
    assert [words[0] for words in commands] == ["mix", *["mix", "sft", "eval"] * 4, "eval"]
    assert "--general" not in commands[1] and commands[7][commands[7].index("--general") + 1] == "40"
    assert [words[-1] for words in commands if words[0] == "sft"] == ["seed=0", "seed=1"] * 2
    assert all("held-out/mix.jsonl" in " ".join(words) for words in commands if words[0] != "sft")


def test_bad_words_are_told_in_one_line(swiftagent: Run):
    for words, said in (
        (["--ratios", "0:0"], "agent:general"),
        (["--rows", "0"], "from 1 up"),
        (["--config", "no.yaml"], "no.yaml"),
    ):
        done = swiftagent("sweep", "mix", *words)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_what_is_made_of_something_else_is_known(tmp_path: Path, root: Path):
    source = tmp_path / "a.jsonl"
    source.write_text("{}\n")

    def made(**changes: Any) -> str:
        facts: dict[str, Any] = {
            "ratios": ((1.0, 1.0),),
            "rows": 10,
            "agent": (str(source),),
            "general": (),
            "data": (),
        }
        facts |= {"config": str(root / "configs/tiny_cpu.yaml"), "changes": (), "out": tmp_path / "out", **changes}
        sweep = Sweep(**facts)
        point: Work = plan(sweep)[1]
        return made_of(sweep, point)

    first = made()
    assert made() == first
    assert len({first, made(rows=11), made(changes=("max_steps=3",)), made(data=("b.jsonl",))}) == 4
    source.write_text("{}\n{}\n")
    assert made() != first


def test_a_folder_that_no_sweep_made_is_kept(swiftagent: Run, sources: list[str], tmp_path: Path):
    (tmp_path / "runs/held-out").mkdir(parents=True)
    (tmp_path / "runs/held-out/mine.txt").write_text("mine")
    done = swiftagent("sweep", "mix", *sources, "-o", "runs")
    assert (done.returncode, done.stderr.count("no sweep made it"), len(done.stderr.splitlines())) == (4, 1, 1), (
        done.stderr
    )
    assert [path.name for path in (tmp_path / "runs").rglob("*.*")] == ["mine.txt"]
    done = swiftagent("sweep", "mix", *sources, "-o", "runs/held-out/mine.txt")
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr


def test_seeds_are_told_together():
    found = together(
        [{"value": 0.5, "n": 10, "low": 0.4, "high": 0.6}, {"value": 0.7, "n": 10, "low": 0.5, "high": 0.8}]
    )
    assert found == {"value": pytest.approx(0.6), "n": 20, "low": 0.4, "high": 0.8}
    nothing = {"value": None, "n": 0, "low": None, "high": None}
    assert together([nothing, nothing]) == nothing


@pytest.mark.needs_swift
def test_a_sweep_trains_and_scores_each_ratio_once(swiftagent: Run, sources: list[str], root: Path, tmp_path: Path):
    gold = [tmp_path / name for name in ("heldout.jsonl", "general_heldout.jsonl")]
    for file in gold:
        file.write_text("".join((root / "datasets" / file.name).read_text().splitlines(True)[:3]))
    words = [
        "sweep",
        "mix",
        "--ratios",
        "1:1",
        *sources,
        "--data",
        *map(str, gold),
        "--set",
        f"model={root / 'datasets/tiny-base'}",
        "max_steps=2",
    ]
    words += [
        "preflight=off",
        "eval_strategy=no",
        "-o",
        str(tmp_path / "s"),
        "--html",
        str(tmp_path / "s.html"),
        "--json",
    ]
    done = swiftagent(*words)
    assert done.returncode == 0, done.stderr
    (point,) = (result := json.loads(done.stdout))["points"]
    assert (point["ratio"], point["agent"], point["general"]) == ("1:1", 30, 30)
    assert point["bits_per_byte"]["value"] > 0 and result["base"]["bits_per_byte"]["n"] == point["bits_per_byte"]["n"]
    assert ">1:1<" in (tmp_path / "s.html").read_text()
    assert [line.split(": ")[-1] for line in done.stderr.splitlines()] == ["mix", "sft", "eval", "eval"]

    again = swiftagent(*words)
    assert json.loads(again.stdout) == result and again.stderr == "", "what is finished is not done again"
