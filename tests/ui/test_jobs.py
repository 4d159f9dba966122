"""Commands that outlive the server, and fields that are command lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swiftagent.commands.options import parser_of
from swiftagent.train.config import load
from swiftagent.ui.forms import command_fields, command_words, train_fields, train_words
from swiftagent.ui.jobs import Jobs, UiJob


def ended(job: UiJob, seconds: float = 60) -> UiJob:
    deadline = time.monotonic() + seconds
    while job.state == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    return job


def test_a_job_tells_what_it_printed_and_how_it_ended(tmp_path: Path):
    jobs = Jobs(tmp_path / "jobs")
    good = jobs.start(["formats", "openai", "--json"], "/data")
    bad = jobs.start(["convert", str(tmp_path / "missing.jsonl"), "-o", str(tmp_path / "o.jsonl"), "--json"], "/data")
    assert ended(good).state == "done"
    assert "openai" in good.result
    assert ended(bad).state == "failed"
    assert "missing.jsonl" in bad.log
    assert [job.id for job in jobs.all("/data")] == sorted([good.id, bad.id], reverse=True)
    assert jobs.all("/mix") == []


def test_a_job_goes_on_where_its_server_is_killed(tmp_path: Path):
    code = (
        "from pathlib import Path; from swiftagent.ui.jobs import Jobs; import os, signal\n"
        f"job = Jobs(Path({str(tmp_path)!r})).start(['formats', 'openai', '--json'], '/data')\n"
        "print(job.id, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    job = Jobs(tmp_path).find(done.stdout.strip())
    assert ended(job).state == "done"


def test_a_job_stops_as_ctrl_c_stops_it(tmp_path: Path):
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "rows.jsonl")
    job = Jobs(tmp_path / "jobs").start(["formats", "--of", str(tmp_path / "pipe" / "rows.jsonl")], "/data")
    assert job.state == "running"
    time.sleep(1)  # until its Python has started; before that, Ctrl-C ends it in another way
    job.stop()
    assert ended(job, 20).state == "stopped"


def test_an_option_of_one_letter_has_one_dash():
    parser = parser_of("eval")
    assert vars(parser.parse_args(command_words(parser, {"n": "50"})))["limit"] == 50


@pytest.mark.parametrize("command", ["mix", "convert", "eval", "export", "infer"])
def test_fields_become_the_options_they_stand_for(command: str):
    parser = parser_of(command)
    fields = command_fields(parser, {})
    assert command_words(parser, {field.name: field.value for field in fields}) == []
    for field in fields:
        value = (
            SAMPLES.get(field.name)
            or {"switch": "on", "number": "3"}.get(field.kind)
            or (*field.choices, "3")[-1 - bool(field.choices)]
        )
        words = command_words(parser, {field.name: value})
        assert words == [] if value == field.default else words, field.name
        positional = {"export": ["merge"], "convert": ["x", "-o", "y"]}.get(command, [])
        before, after = (vars(parser.parse_args([*positional, *each])) for each in ([], words))
        assert (before != after) == bool(words), field.name


# Values that an option's own type accepts.
SAMPLES = {"val": "2%", "test_share": "2%", "max_rejects": "2%", "on": "empty-tools=keep"}


def test_a_training_command_names_what_differs_from_the_recipe():
    recipe = load("tiny_cpu")
    values = {field.name: field.value for field in train_fields(recipe, {})}
    assert train_words("tiny_cpu", recipe, values) == ["tiny_cpu"]
    changed = values | {"train.max_steps": "5", "data": "a.jsonl 'b c.jsonl'", "more": "warmup_ratio=0.1"}
    words = train_words("tiny_cpu", recipe, changed)
    assert words == ["tiny_cpu", "data=[a.jsonl, b c.jsonl]", "max_steps=5", "warmup_ratio=0.1"]
    assert load(words[0], words[1:]).data == ("a.jsonl", "b c.jsonl")
