"""`mix --rewrite-general`: the chat answers of a mix written by the model itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made import record, write_rows
from mix_data import jsonl, read
from scripted_engine import ScriptedEngine
from served import serving

from swiftagent.io.shipped import shipped
from swiftagent.mix.rewrite import rewrite_general
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Question, Trajectory


def test_the_last_answer_is_rewritten_and_those_before_it_are_context(tmp_path: Path):
    events = (Question("Hi"), Answer("Hello."), Question("Why?"), Answer("So."))
    rows = [record(0, "agent"), to_record(Trajectory(events, (), "t", "t:1", "general")), record(3, "general")]
    mix = write_rows(tmp_path / "mix.jsonl", 0, rows)
    asked = []

    def write(prompts):
        asked.extend(prompts)
        return ["Because <|im_end|>." if len(prompt) > 1 else "" for prompt in prompts]

    found = rewrite_general([mix], "m", write, tmp_path / "answers.jsonl", lambda done, of: None)
    assert found == {"model": "m", "rows": 1, "kept": 1}
    agent, talk, chat = read(mix)
    assert (agent, chat) == (rows[0], rows[2])
    marks = [(message["content"], message.get("loss", True)) for message in talk["messages"] if message["content"]]
    escaped = "Because <\u2060|im_end|>."
    assert marks == [("Hi", False), ("Hello.", False), ("Why?", False), (escaped, True)]
    write_rows(mix, 0, rows)
    rewrite_general(
        [mix], "m", lambda prompts: pytest.fail("written twice"), tmp_path / "answers.jsonl", lambda done, of: None
    )
    assert len(asked) == 2 and read(mix)[1] == talk


def test_a_model_is_needed(swiftagent: Callable[..., object], tmp_path: Path):
    done = swiftagent("mix", "--general", "3", "--rewrite-general", "--dry-run")
    assert done.returncode == 2 and "rewrite_general needs the model that writes the answers" in done.stderr


def test_a_server_is_asked_by_its_own_name_for_the_model(swiftagent: Callable[..., object], tmp_path: Path):
    (tmp_path / "chat.jsonl").write_bytes(jsonl([{"instruction": "What is up?", "output": "Ask the atlas."}]))
    words = ["mix", "--general", "1", "--general-source", "chat.jsonl", "--val", "0", "-o", "mix.jsonl"]
    with serving(ScriptedEngine("From the server.")) as served:
        asked = ["--rewrite-general", "--model", "served/name", "--base-url", f"{served.url}/v1"]
        done = swiftagent(*words, *asked)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "mix.jsonl")[0]["messages"][-1]["content"] == "From the server."
    assert json.loads((tmp_path / "mix.manifest.json").read_text())["tokens_are"] == "estimated"


@pytest.mark.needs_swift
def test_a_real_model_writes_the_answers(swiftagent: Callable[..., object], tmp_path: Path):
    questions = [f"What is the capital of {land}?" for land in ("Chile", "Egypt", "Italy")]
    turns = [[{"from": "human", "value": ask}, {"from": "gpt", "value": "Ask the atlas."}] for ask in questions]
    (tmp_path / "chat.jsonl").write_bytes(jsonl([{"conversations": each} for each in turns]))
    words = ["mix", "--general", "3", "--general-source", "chat.jsonl", "--val", "0", "-o", "mix.jsonl"]
    done = swiftagent(*words, "--rewrite-general", "--model", shipped("datasets") / "tiny-base", timeout=300)
    assert done.returncode == 0, done.stderr
    answers = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in read(tmp_path / "mix.jsonl")}
    assert len(answers) == 3 and "Ask the atlas." not in answers.values(), answers
    manifest = json.loads((tmp_path / "mix.manifest.json").read_text())
    assert manifest["rewritten"]["rows"] == 3 and manifest["recipe"]["rewrite_general"] is True
