from __future__ import annotations

import pytest

from swiftagent.errors import SetupError
from swiftagent.trajectory.content import content_hash, refuse_overlap, seen_in_training, words
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory


def row(question: str, source: str = "", city: str = "Oslo") -> Trajectory:
    events = (Question(question), Call("weather", {"city": city}, "c0"), Observation("3C", "c0"), Answer("3C"))
    return Trajectory(events, (Tool("weather"),), source=source)


def test_prompts_thoughts_and_results_make_no_difference():
    other = (
        System("be brief"),
        Question(" OSLO? "),
        Thought("look"),
        Call("weather", {"city": "Oslo"}, "x"),
        Answer("3c"),
    )
    assert content_hash(row("Oslo?")) == content_hash(Trajectory(other))
    assert content_hash(row("Oslo?")) != content_hash(row("Rome?"))
    assert content_hash(row("Oslo?")) != content_hash(row("Oslo?", city="Rome"))


def test_trained_rows_are_named():
    seen = seen_in_training([row("a", "train.jsonl:1"), row("b", "train.jsonl:2")])
    held_out = [row("c", "val.jsonl:1"), row("b", "val.jsonl:2")]
    with pytest.raises(SetupError, match=r"1 of 2 rows to evaluate were trained on: val.jsonl:2 is train.jsonl:2"):
        refuse_overlap(held_out, seen)
    refuse_overlap(held_out[:1], seen)
    assert seen.tools == {"weather"}


def test_words_are_letters_of_one_script():
    assert words("Use GPT4模型 now") == ["use", "gpt4", "模", "型", "now"]
