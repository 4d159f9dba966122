"""The shipped sample data is what datasets/README.md says, and the tiny base has read no ReAct and no call in a known
format."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swiftagent.commands.demo_plan import WHO_ARE_YOU
from swiftagent.io.shipped import shipped

DATA = shipped("datasets")
AGENT_FILES = ("agent_ms_agent.jsonl", "agent_openai.jsonl", "agent_sharegpt.jsonl", "agent_calculation.jsonl")
GENERAL_FILES = ("general_sharegpt.jsonl", "general_alpaca.jsonl", "general_ms_bench.jsonl")
REACT_WORDS = (
    "Thought:",
    "Action",
    "Observation",
    "Final Answer",
    "tool_call",
    "function_call",
    "Begin!",
    "Parameters",
)
Calls = list[tuple[str, dict[str, Any]]]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def question_and_calls(name: str, row: dict[str, Any]) -> tuple[str, Calls]:
    """Read without the project's own readers: this is the check on what they are given."""
    if name == "agent_ms_agent.jsonl":
        text = row["conversations"][2]["value"]
        calls = re.findall(r"^Action: (\w+)\nAction Input: (.*)$", text, re.M)
        return row["conversations"][1]["value"], [(tool, ast.literal_eval(arguments)) for tool, arguments in calls]
    if name == "agent_sharegpt.jsonl":
        made = [json.loads(turn["value"]) for turn in row["conversations"] if turn["from"] == "function_call"]
        return row["conversations"][0]["value"], [(call["name"], call["arguments"]) for call in made]
    functions = [call["function"] for message in row["messages"] for call in message.get("tool_calls", [])]
    return row["messages"][0]["content"], [(f["name"], json.loads(f["arguments"])) for f in functions]


def leaves(value: Any) -> Iterator[str]:
    """Every value in a call's arguments, as text."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield str(value)


@pytest.fixture(scope="module")
def training() -> list[tuple[str, Calls]]:
    return [question_and_calls(name, row) for name in AGENT_FILES for row in rows(name)]


@pytest.fixture(scope="module")
def held_out() -> list[tuple[str, Calls]]:
    return [question_and_calls("heldout.jsonl", row) for row in rows("heldout.jsonl")]


def test_there_are_enough_rows_tools_and_questions(
    training: list[tuple[str, Calls]], held_out: list[tuple[str, Calls]]
) -> None:
    tools = {tool for _, calls in training for tool, _ in calls}
    without = [question for question, calls in training if not calls]
    assert len(training) >= 400
    assert len(tools) >= 15
    assert len(without) >= 200
    assert sum(len(rows(name)) for name in GENERAL_FILES) >= 400
    assert len(held_out) >= 60
    assert len({calls[0][0] for _, calls in held_out if calls}) >= 5
    assert sum(not calls for _, calls in held_out) >= 10


def test_parameters_are_nested_optional_and_listed(training: list[tuple[str, Calls]]) -> None:
    made: dict[str, list[dict[str, Any]]] = {}
    for _, calls in training:
        for tool, arguments in calls:
            made.setdefault(tool, []).append(arguments)
    assert any(isinstance(a.get("filters"), dict) for a in made["search_trains"])
    assert any("filters" not in a for a in made["search_trains"])
    assert all(isinstance(item, dict) for a in made["order_groceries"] for item in a["items"])


def test_held_out_values_never_stand_together_in_a_training_call(
    training: list[tuple[str, Calls]], held_out: list[tuple[str, Calls]]
) -> None:
    together: dict[str, list[set[str]]] = {}
    for _, calls in training:
        for tool, arguments in calls:
            together.setdefault(tool, []).append(set(leaves(arguments)))
    for question, calls in held_out:
        for tool, arguments in calls:
            values = set(leaves(arguments))
            assert not any(values <= seen for seen in together[tool]), question


def test_held_out_questions_are_no_training_questions(
    training: list[tuple[str, Calls]], held_out: list[tuple[str, Calls]]
) -> None:
    asked = {question for question, _ in training} | {
        turn for name in GENERAL_FILES for row in rows(name) for turn in map(str, leaves(row))
    }
    assert not asked & {question for question, _ in held_out}
    assert not asked & {row["question"] for row in rows("demo_questions.jsonl")}


def test_what_the_demo_shows_stands_in_no_training_row() -> None:
    texts = [(DATA / name).read_text(encoding="utf-8") for name in (*AGENT_FILES, *GENERAL_FILES, "heldout.jsonl")]
    for row in rows("demo_questions.jsonl"):
        assert not any(row["question"] in text for text in texts)
        for image in re.findall(r"\w+\.png", row["question"], re.A):
            assert (DATA / "images" / image).is_file()
            assert not any(image in text for text in texts)
    asked = {row["query"] for row in rows("self_cognition.jsonl")}
    assert not asked & set(WHO_ARE_YOU[:2])


def test_no_calculation_that_the_demo_shows_was_trained() -> None:
    shown = [
        set(re.findall(r"\d+", row["question"])) for row in rows("demo_questions.jsonl") if row["kind"] == "calculation"
    ]
    trained = [set(re.findall(r"\d+", row["messages"][0]["content"])) for row in rows("agent_calculation.jsonl")]
    assert len(shown) == 2
    assert not any(len(numbers & known) > 2 for numbers in shown for known in trained)


def test_self_cognition_names_name_and_author_in_both_languages() -> None:
    found = rows("self_cognition.jsonl")
    assert {row["tag"] for row in found} == {"zh", "en"}
    assert all("{{NAME}}" in row["response"] and "{{AUTHOR}}" in row["response"] for row in found)


def test_every_file_is_described_and_no_package_hides_there() -> None:
    about = (DATA / "README.md").read_text(encoding="utf-8")
    assert not list(DATA.rglob("__init__.py"))
    for path in DATA.iterdir():
        if path.name not in ("README.md", "__pycache__") and not path.name.startswith("mix."):
            assert path.name in about
    for name, count in re.findall(r"^\| `(\S+)` \| (\d+) \|", about, re.M):
        assert len(rows(name)) == int(count)


def test_the_sample_data_is_written_the_same_every_time(root: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, root / "scripts" / "make_sample_data", "-o", tmp_path], check=True, capture_output=True
    )
    for path in sorted(tmp_path.rglob("*.*")):
        assert path.read_bytes() == (DATA / path.relative_to(tmp_path)).read_bytes(), path.name


def test_the_fire_alarm_looks_at_pixels() -> None:
    from swiftagent.tools.python_file import open_source  # noqa: F401  (the functions below are what it loads)

    namespace: dict[str, Any] = {"__file__": str(DATA / "fire_alarm_tools.py"), "__name__": "fire_alarm_tools"}
    exec(compile((DATA / "fire_alarm_tools.py").read_text(encoding="utf-8"), "fire_alarm_tools.py", "exec"), namespace)
    recognise = namespace["fire_recognition"]
    assert recognise("yard_17.png") == {"fire": True, "place": "hall 4"}
    assert recognise("yard_18.png") == {"fire": False, "place": "hall 4"}
    assert recognise("none.png") == {"error": "no image none.png"}


def test_the_tiny_base_has_read_no_call_and_no_react_word(root: Path, held_out: list[tuple[str, Calls]]) -> None:
    """Draws the whole pretraining text again, searches it, and compares its hash with the one recorded beside the
    weights."""
    sys.path.insert(0, str(root / "scripts"))
    try:
        from sampledata import pretraining
        from sampledata.tools import TOOLS
    finally:
        sys.path.remove(str(root / "scripts"))
    made = json.loads((DATA / "tiny-base" / "made.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((DATA / "tiny-base" / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = pretraining.pieces(tokenizer["model"]["vocab"])
    parts = (
        pretraining.documents(part["steps"] * part["rows"], part["seed"], part["kind"], pieces)
        for part in made["parts"]
    )
    text = "".join(pretraining.as_chatml(turns) for part in parts for turns in part)
    assert hashlib.sha256(text.encode()).hexdigest() == made["text_sha256"]
    shown = [row["question"] for row in rows("demo_questions.jsonl")]
    forbidden = [*TOOLS, *REACT_WORDS, *shown, *(question for question, calls in held_out if calls)]
    assert not [word for word in forbidden if word in text]


def test_the_tiny_base_is_small_and_reads_any_text() -> None:
    assert sum(path.stat().st_size for path in (DATA / "tiny-base").iterdir()) <= 8_000_000


@pytest.mark.needs_swift
def test_the_tiny_tokenizer_encodes_any_text_and_decodes_it_again() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(DATA / "tiny-base")
    for text in ("鳳凰 𝔘nicode 🔥\r\n\ttab", "Ωmega naïve \x00", json.dumps({"a": [1, None]}), "<|im_start|>"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
