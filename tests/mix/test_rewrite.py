"""`mix --rewrite-general`: the chat answers of a mix written by the model itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made import record, write_rows
from mix_data import jsonl, read
from scripted_engine import ScriptedEngine
from served import serving

from swiftagent.agent.drive import RequestRefused
from swiftagent.agent.loop import Generate
from swiftagent.agent.sampling import PLAIN
from swiftagent.errors import SetupError
from swiftagent.io.shipped import shipped
from swiftagent.mix.rewrite import Rewriting, rewrite_general
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Question, Thought, Trajectory


def unseen(done: int, of: int) -> None:
    pass


def test_the_last_answer_is_rewritten_and_those_before_it_are_context(tmp_path: Path):
    events = (Question("Hi"), Answer("Hello."), Question("Why?"), Answer("So."))
    rows = [record(0, "agent"), to_record(Trajectory(events, (), "t", "t:1", "general")), record(3, "general")]
    mix = write_rows(tmp_path / "mix.jsonl", 0, rows)
    asked = []

    def write(prompts):
        asked.extend(prompts)
        return [(key, "Because <|im_end|>." if len(prompt) > 1 else "") for key, prompt in prompts]

    answers = tmp_path / "answers.jsonl"
    done, growth = rewrite_general([mix], Rewriting("m", "m 512", write), answers, unseen, None)
    assert (done["rows"], done["kept"]) == (1, 1)
    assert growth == {"characters": 20 - 3, "tokens": 6 - 1, "trained_tokens": 6 - 3}
    agent, talk, chat = read(mix)
    assert (agent, chat) == (rows[0], rows[2])
    marks = [(message["content"], message.get("loss", True)) for message in talk["messages"] if message["content"]]
    escaped = "Because <\u2060|im_end|>."
    assert marks == [("Hi", False), ("Hello.", False), ("Why?", False), (escaped, True)]
    write_rows(mix, 0, rows)
    # A run that was killed within a line.
    answers.write_bytes(answers.read_bytes() + b'{"prompt": "a')
    again = Rewriting("m", "m 512", lambda prompts: pytest.fail("written twice") if prompts else ())
    assert rewrite_general([mix], again, answers, unseen, None) == (done, growth)
    assert len(asked) == 2 and read(mix)[1] == talk


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>\nof old\n</think>\n\nNo.", "<think>\nof old\n</think>\n\nNo."),
        ("<think>\n\n</think>\n\nNo.", "No."),
        ("<think>\nof old\n</think>", "<think>\nby hand\n</think>\n\nYes."),
        ("Final Answer: No.", " Final Answer: No."),
    ],
)
def test_reasoning_is_the_model_s_own_as_its_answer_is(text: str, said: str, tmp_path: Path):
    row = Trajectory((Question("Is it?"), Thought("by hand"), Answer("Yes.")), (), "t", "t:1", "general")
    mix = write_rows(tmp_path / "mix.jsonl", 0, [to_record(row)])
    how = Rewriting("m", "m", lambda prompts: [(key, text) for key, _ in prompts])
    rewrite_general([mix], how, tmp_path / "answers.jsonl", unseen, None)
    assert read(mix)[0]["messages"][-1] == {"role": "assistant", "content": said}


def test_an_answer_that_goes_on_after_another_is_left_alone(tmp_path: Path):
    row = to_record(Trajectory((Question("Why?"), Answer("So."), Answer("And so on.")), (), "t", "t:1", "general"))
    mix = write_rows(tmp_path / "mix.jsonl", 0, [row])
    how = Rewriting("m", "m", lambda prompts: pytest.fail("asked to go on") if prompts else ())
    done, _ = rewrite_general([mix], how, tmp_path / "answers.jsonl", unseen, None)
    assert (done["rows"], done["kept"], read(mix)) == (0, 0, [row])


def test_another_writer_s_answers_are_not_taken(tmp_path: Path):
    answers, said = tmp_path / "answers.jsonl", []
    for identity in ("one", "other", "one"):
        mix = write_rows(tmp_path / "mix.jsonl", 0, [record(1, "general")])
        how = Rewriting("m", identity, lambda prompts, text=identity: [(key, text) for key, _ in prompts])
        rewrite_general([mix], how, answers, unseen, None)
        said.append(read(mix)[0]["messages"][-1]["content"])
    assert said == ["one", "other", "one"] and len(read(answers)) == 2


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


def test_a_mix_without_chat_asks_for_nothing(swiftagent: Callable[..., object], tmp_path: Path):
    words = ["mix", "--agent", "3", "--agent-source", shipped("datasets") / "agent_calculation.jsonl", "--general", "0"]
    server = ["--rewrite-general", "--model", "served/name", "--base-url", "http://127.0.0.1:9/v1"]
    done = swiftagent(*words, *server, "-o", "mix.jsonl")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "mix.manifest.json").read_text())["rewritten"]["rows"] == 0


class BreaksOff(ScriptedEngine):
    """Refuses one question as too long, cuts one, and is gone after sixteen others."""

    def generate(self, request: Generate, sampling: Any = PLAIN, usage: Any = None) -> Iterator[str]:
        asked = request.messages[-1]["content"]
        if "7?" in asked:
            raise RequestRefused("the prompt is longer than the model's context")
        if len(self.prompts) == 16:
            raise SetupError("out of memory")
        yield from super().generate(request, sampling, usage)
        usage.ended_by = "length" if "8?" in asked else "end"


def test_a_server_that_breaks_off_leaves_no_mix_and_is_asked_for_the_rest_alone(
    swiftagent: Callable[..., object], tmp_path: Path
):
    questions = [f"What is up in town {number}?" for number in range(20)]
    (tmp_path / "chat.jsonl").write_bytes(jsonl([{"instruction": each, "output": "Rain."} for each in questions]))
    words = ["mix", "--general", "20", "--general-source", "chat.jsonl", "--val", "0.2", "-o", "mix.jsonl"]
    words += ["--rewrite-general", "--model", "served/name", "--base-url"]
    with serving(BreaksOff(*["Sun."] * 40)) as served:
        done = swiftagent(*words, f"{served.url}/v1")
        assert done.returncode == 4 and "out of memory" in done.stderr, done.stderr
        assert not (tmp_path / "mix.jsonl").exists() and not (tmp_path / "mix.manifest.json").exists()
        served.engine.prompts.clear()
        done = swiftagent(*words, f"{served.url}/v1")
        assert done.returncode == 0, done.stderr
        assert 2 <= len(served.engine.prompts) < 10
    train, held = read(tmp_path / "mix.jsonl"), read(tmp_path / "mix.val.jsonl")
    assert "Sun." in {row["messages"][-1]["content"] for row in held}
    said = {row["messages"][0]["content"]: row["messages"][-1]["content"] for row in train + held}
    kept = [question for question, answer in said.items() if answer == "Rain."]
    assert len(said) == 20 and sorted(kept) == sorted(q for q in questions if "7?" in q or "8?" in q)
    manifest = json.loads((tmp_path / "mix.manifest.json").read_text())
    assert (manifest["rewritten"]["rows"], manifest["rewritten"]["kept"]) == (16, 4)
    assert manifest["channels"]["general"]["characters"] == sum(len(q) + len(said[q]) for q in questions)


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
