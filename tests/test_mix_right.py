"""The right mix: recipes with filters, duplicates, hold-outs, decontamination, restraint, augmentation."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mix_data import agent_row, chat_row, jsonl, read

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def both(folder: Path) -> list[dict[str, Any]]:
    return read(folder / "mix.jsonl") + read(folder / "mix.val.jsonl")


def recipe(swiftagent: Run, folder: Path, text: str, *words: object, out: str = "mix.jsonl") -> dict[str, Any]:
    (folder / "r.yaml").write_text(text, encoding="utf-8")
    done = swiftagent("mix", "r.yaml", "-o", out, "--json", "--max-rejects", "100%", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(200)]))
    (tmp_path / "chat.jsonl").write_bytes(jsonl([chat_row(number) for number in range(300)]))
    return tmp_path


def test_shares_of_a_total(swiftagent: Run, data: Path):
    text = "total: 100\nsources:\n  - {source: agent.jsonl, share: 30%}\n  - {source: chat.jsonl, channel: general, share: 70%}\n"
    made = recipe(swiftagent, data, text)
    assert {name: counts["rows"] for name, counts in made["channels"].items()} == {"agent": 30, "general": 70}


def test_shares_beside_counts_and_without_a_total(swiftagent: Run, data: Path):
    text = "sources:\n  - {source: agent.jsonl, count: 60}\n  - {source: chat.jsonl, channel: general, share: 25%}\n"
    assert recipe(swiftagent, data, text)["channels"]["general"]["rows"] == 20
    text = "sources:\n  - {source: agent.jsonl, share: 50%}\n  - {source: chat.jsonl, channel: general, share: 50%}\n"
    assert {counts["rows"] for counts in recipe(swiftagent, data, text)["channels"].values()} == {200}


def test_filters_are_counted_reasons(swiftagent: Run, data: Path):
    text = (
        "sources:\n  - source: agent.jsonl\n    filter: {tools: [weather_1, weather_2], calls: [1, 1]}\n"
        "  - source: chat.jsonl\n    channel: general\n    filter: {characters: [null, 37]}\n"
    )
    made = recipe(swiftagent, data, text)
    report = json.loads((data / "mix.report.json").read_text())
    assert made["channels"]["agent"]["rows"] == sum(number % 7 in (1, 2) for number in range(200))
    assert report["reasons"]["filtered-tools"] == sum(number % 7 not in (1, 2) for number in range(200))
    assert 0 < made["channels"]["general"]["rows"] < 300
    assert report["rows_in"] == report["rows_out"] + report["rejected"] == 500


def test_globs_and_folders_are_sources(swiftagent: Run, data: Path):
    (data / "parts").mkdir()
    for part in range(3):
        (data / "parts" / f"{part}.jsonl").write_bytes(jsonl([chat_row(number) for number in range(part * 10, part * 10 + 10)]))
    assert (
        recipe(swiftagent, data, "sources: [{source: 'parts/*.jsonl', channel: general}]\n")["channels"]["general"]["rows"] == 30
    )
    assert recipe(swiftagent, data, "sources: [{source: parts, channel: general}]\n")["channels"]["general"]["rows"] == 30


def test_only_the_last_turn_is_trained(swiftagent: Run, data: Path, check_record: Callable[[Path], None]):
    turns = [("user", "one"), ("assistant", "first"), ("user", "two"), ("assistant", "second")]
    row = {"id": "x", "conversations": [{"from": role, "value": text} for role, text in turns]}
    (data / "turns.jsonl").write_bytes(jsonl([row]))
    recipe(swiftagent, data, "val: 0\nsources: [{source: turns.jsonl, channel: general, train: last-turn}]\n")
    [record] = read(data / "mix.jsonl")
    assert [message["content"] for message in record["messages"] if "loss" not in message and message["content"]] == ["second"]


def test_exact_duplicates_are_taken_once_across_sources(swiftagent: Run, data: Path):
    same = [{**chat_row(number), "id": f"again{number}"} for number in range(100)]
    (data / "more.jsonl").write_bytes(jsonl(same + [chat_row(number) for number in range(300, 350)]))
    text = "duplicates: exact\nsources:\n  - {source: chat.jsonl, channel: general}\n  - {source: more.jsonl, channel: more}\n"
    made = recipe(swiftagent, data, text)
    assert {name: counts["rows"] for name, counts in made["channels"].items()} == {"general": 300, "more": 50}
    assert json.loads((data / "mix.report.json").read_text())["reasons"] == {"duplicate": 100}
    assert len(read(data / "mix.rejects.jsonl")) == 100


def long_row(number: int, change: str = "") -> dict[str, Any]:
    words = " ".join(f"word{number * 7919 % 1000 + index * 31}" for index in range(60))
    turns = [("user", f"Say it: {words}"), ("assistant", f"{words} {words}{change}")]
    return {"id": f"l{number}{change}", "conversations": [{"from": role, "value": text} for role, text in turns]}


def test_near_duplicates_are_taken_once(swiftagent: Run, data: Path):
    rows = [long_row(number) for number in range(40)] + [long_row(number, " indeed so") for number in range(20)]
    (data / "long.jsonl").write_bytes(jsonl(rows))
    made = recipe(swiftagent, data, "duplicates: near\nsources: [{source: long.jsonl, channel: general}]\n")
    assert made["channels"]["general"]["rows"] == 40
    again = recipe(swiftagent, data, "duplicates: near\nsources: [{source: long.jsonl, channel: general}]\n", "--processes", 1)
    assert made["content"] == again["content"]


def test_near_duplicates_are_never_on_both_sides(swiftagent: Run, data: Path):
    rows = [{**long_row(number), "id": f"{number}"} for number in range(60)]
    twins = [long_row(number, " indeed so") for number in range(30)]
    for twin in twins:
        twin["conversations"][0]["value"] += " please"
    (data / "long.jsonl").write_bytes(jsonl(rows + twins))
    recipe(swiftagent, data, "val: 20%\nhold_out: {apart: true}\nsources: [{source: long.jsonl, channel: general}]\n")
    train, val = (
        {row["id"].removeprefix("l").split(" ")[0] for row in read(data / name)} for name in ("mix.jsonl", "mix.val.jsonl")
    )
    assert val and train.isdisjoint(val)


def test_tools_are_held_out(swiftagent: Run, data: Path):
    recipe(swiftagent, data, "hold_out: {tools: [weather_3]}\nsources: [{source: agent.jsonl}]\n")
    train, val = read(data / "mix.jsonl"), read(data / "mix.val.jsonl")
    assert not any("weather_3" in row["messages"][0]["content"] for row in train)
    assert sum("weather_3" in row["messages"][0]["content"] for row in val) == sum(number % 7 == 3 for number in range(200))
    assert len(train) + len(val) == 200


def test_evaluation_rows_are_not_trained_on(swiftagent: Run, data: Path):
    evaluation = [{"id": "e", "question": [[{"role": "user", "content": "weather in  town 17?"}]], "function": []}]
    evaluation += [{"messages": [{"role": "user", "content": f"Tell me of {number}."}]} for number in (5, 6)]
    (data / "eval.jsonl").write_bytes(jsonl(evaluation))
    text = "sources:\n  - source: agent.jsonl\n  - {source: chat.jsonl, channel: general}\n"
    recipe(swiftagent, data, text, "--decontaminate", "eval.jsonl")
    assert {"a17", "c5", "c6"}.isdisjoint(row["id"] for row in both(data))
    assert json.loads((data / "mix.report.json").read_text())["reasons"] == {"in-evaluation-set": 3}


def test_no_tool_has_more_rows_than_allowed(swiftagent: Run, data: Path):
    made = recipe(swiftagent, data, "sources: [{source: agent.jsonl, count: 50}]\n", "--max-per-tool", 5)
    called = Counter(row["messages"][2]["content"].split("Action: ")[1].split("\n")[0] for row in both(data))
    assert set(called.values()) == {5}
    assert made["channels"]["agent"]["rows"] == 35


def test_rows_that_teach_restraint_are_added_and_labelled(swiftagent: Run, data: Path, check_record: Callable[[Path], None]):
    made = recipe(swiftagent, data, "no_call: 30%\nsources: [{source: agent.jsonl, count: 200}]\n")
    assert made["channels"]["agent"]["rows"] == 200
    extra = [row for row in both(data) if row["channel"] == "no-call"]
    assert 35 <= len(extra) <= 85 and made["channels"]["no-call"]["rows"] == len(extra)
    assert made["sources"][1]["synthetic"] is True
    assert sum(made["sources"][0]["made"].values()) == len(extra)
    assert set(made["sources"][0]["made"]) == {"tool-swapped", "parameter-missing"}  # each row has one tool: none could be left
    assert not any(
        "Action:" in message["content"] for row in extra for message in row["messages"] if message["role"] == "assistant"
    )
    check_record(data / "mix.jsonl")


def test_augmented_rows_stay_records_and_vary(swiftagent: Run, data: Path, check_record: Callable[[Path], None]):
    words = ("--augment", "names", "order", "descriptions", "prompt")
    made = recipe(swiftagent, data, "sources: [{source: agent.jsonl, count: 200}]\n", *words)
    counts = made["sources"][0]["made"]
    assert 60 < counts["augmented-prompt"] < 140 and 40 < counts["augmented-names"] < 140
    names = {row["messages"][2]["content"].split("Action: ")[1].split("\n")[0] for row in both(data)}
    assert len(names) > 20
    for row in both(data):
        name = row["messages"][2]["content"].split("Action: ")[1].split("\n")[0]
        assert f"1. {name}: " in row["messages"][0]["content"]
    check_record(data / "mix.jsonl")
    again = recipe(swiftagent, data, "sources: [{source: agent.jsonl, count: 200}]\n", *words, "--processes", 1)
    assert again["content"] == made["content"]


@pytest.mark.needs_swift
def test_shares_of_trained_tokens_are_exact(swiftagent: Run, data: Path, shared: Path):
    model = shared / "tokenizers" / "qwen2_5"
    text = (
        f"by: trained-tokens\ntotal: 6000\nmodel: {model}\nsources:\n  - {{source: agent.jsonl, share: 50%}}\n"
        "  - {source: chat.jsonl, channel: general, share: 50%}\n"
    )
    cache = {"XDG_CACHE_HOME": str(data / "cache")}
    (data / "r.yaml").write_text(text)
    done = swiftagent("mix", "r.yaml", "-o", "mix.jsonl", "--json", env=cache)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    trained = {name: counts["trained_tokens"] for name, counts in made["channels"].items()}
    assert all(abs(count - 3000) < 60 for count in trained.values()), trained
    assert made["tokens_are"].startswith("exact")
    told = json.loads(swiftagent("stats", "mix.jsonl", "mix.val.jsonl", "--model", model, "--json", env=cache).stdout)
    assert {name: counts["trained_tokens"] for name, counts in told["channels"].items()} == trained
    again = swiftagent("mix", "r.yaml", "-o", "again.jsonl", "--json", env=cache)
    assert json.loads(again.stdout)["content"] == made["content"]
