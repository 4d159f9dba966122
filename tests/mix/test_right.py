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

from swiftagent.convert.reading import read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.mix.fingerprints import shingles, signature
from swiftagent.mix.seen import NearDuplicates
from swiftagent.trajectory.content import content_hash, words

Run = Callable[..., "subprocess.CompletedProcess[str]"]
END = "<|endoftext|>"


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
    text = (
        "total: 100\nsources:\n  - {source: agent.jsonl, share: 30%}\n  - {source: chat.jsonl, channel: "
        "general, share: 70%}\n"
    )
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
        (data / "parts" / f"{part}.jsonl").write_bytes(
            jsonl([chat_row(number) for number in range(part * 10, part * 10 + 10)])
        )
    assert (
        recipe(swiftagent, data, "sources: [{source: 'parts/*.jsonl', channel: general}]\n")["channels"]["general"][
            "rows"
        ]
        == 30
    )
    assert (
        recipe(swiftagent, data, "sources: [{source: parts, channel: general}]\n")["channels"]["general"]["rows"] == 30
    )


def test_only_the_last_turn_is_trained(swiftagent: Run, data: Path, check_record: Callable[[Path], None]):
    turns = [("user", "one"), ("assistant", "first"), ("user", "two"), ("assistant", "second")]
    row = {"id": "x", "conversations": [{"from": role, "value": text} for role, text in turns]}
    (data / "turns.jsonl").write_bytes(jsonl([row]))
    recipe(swiftagent, data, "val: 0\nsources: [{source: turns.jsonl, channel: general, train: last-turn}]\n")
    [record] = read(data / "mix.jsonl")
    assert [message["content"] for message in record["messages"] if "loss" not in message and message["content"]] == [
        "second"
    ]


def test_exact_duplicates_are_taken_once_across_sources(swiftagent: Run, data: Path):
    same = [{**chat_row(number), "id": f"again{number}"} for number in range(100)]
    (data / "more.jsonl").write_bytes(jsonl(same + [chat_row(number) for number in range(300, 350)]))
    text = (
        "duplicates: exact\nsources:\n  - {source: chat.jsonl, channel: general}\n  - {source: more.jsonl, "
        "channel: more}\n"
    )
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
    again = recipe(
        swiftagent, data, "duplicates: near\nsources: [{source: long.jsonl, channel: general}]\n", "--processes", 1
    )
    assert made["content"] == again["content"]


def test_near_duplicates_are_never_on_both_sides(swiftagent: Run, data: Path):
    rows = [{**long_row(number), "id": f"{number}"} for number in range(60)]
    twins = [long_row(number, " indeed so") for number in range(30)]
    for twin in twins:
        twin["conversations"][0]["value"] += " please"
    (data / "long.jsonl").write_bytes(jsonl(rows + twins))
    recipe(swiftagent, data, "val: 20%\nhold_out: {apart: true}\nsources: [{source: long.jsonl, channel: general}]\n")
    train, val = (
        {row["id"].removeprefix("l").split(" ")[0] for row in read(data / name)}
        for name in ("mix.jsonl", "mix.val.jsonl")
    )
    assert val and train.isdisjoint(val)


def test_tools_are_held_out(swiftagent: Run, data: Path):
    recipe(swiftagent, data, "hold_out: {tools: [weather_3]}\nsources: [{source: agent.jsonl}]\n")
    train, val = read(data / "mix.jsonl"), read(data / "mix.val.jsonl")
    assert not any("weather_3" in row["messages"][0]["content"] for row in train)
    assert sum("weather_3" in row["messages"][0]["content"] for row in val) == sum(
        number % 7 == 3 for number in range(200)
    )
    assert len(train) + len(val) == 200


def asked(rows: list[dict[str, Any]]) -> set[str]:
    return {message["content"] for row in rows for message in row["messages"] if message["role"] == "user"}


def test_rows_made_from_others_are_held_out_with_them(swiftagent: Run, data: Path):
    text = "val: 20%\nno_call: 100%\nhold_out: {tools: [weather_3]}\nsources: [{source: agent.jsonl}]\n"
    recipe(swiftagent, data, text)
    train, val = read(data / "mix.jsonl"), read(data / "mix.val.jsonl")
    assert not any("weather_3" in row["messages"][0]["content"] for row in train)
    assert asked(train).isdisjoint(asked(val))
    assert {row["channel"] for row in val} == {row["channel"] for row in train} == {"agent", "no-call"}


def test_equal_rows_of_two_channels_are_on_one_side(swiftagent: Run, data: Path):
    recipe(
        swiftagent, data, "val: 20%\nsources: [{source: chat.jsonl, channel: a}, {source: chat.jsonl, channel: b}]\n"
    )
    train, val = read(data / "mix.jsonl"), read(data / "mix.val.jsonl")
    assert (len(train), len(val)) == (480, 120)
    assert asked(train).isdisjoint(asked(val))


def test_what_is_like_a_row_like_a_held_out_one_is_apart_too(swiftagent: Run, data: Path):
    rows = []
    for number in range(60):  # the second is like both others, which are not like each other
        words = [f"word{number}x{index}" for index in range(100)]
        for start in (0, 8, 16):
            said = [
                {"from": "user", "value": f"{start} {number}"},
                {"from": "assistant", "value": " ".join(words[start : start + 80])},
            ]
            rows.append({"id": f"{number}-{start}", "conversations": said})
    (data / "chain.jsonl").write_bytes(jsonl(rows))
    (data / "held.jsonl").write_bytes(jsonl(rows[:1]))
    text = (
        "val: 30%\nnear: 0.7\nhold_out: {apart: true, hashes: held.jsonl}\nsources: [{source: chain.jsonl, "
        "channel: general}]\n"
    )
    recipe(swiftagent, data, text)
    near = NearDuplicates(0.7)
    for row in read(data / "mix.jsonl"):
        near.add(signature(shingles("\n".join(message["content"] for message in row["messages"]))))
    val = read(data / "mix.val.jsonl")
    assert "0-0" in {row["id"] for row in val}
    assert not any(near.like(signature(shingles("\n".join(m["content"] for m in row["messages"])))) for row in val)


def test_rows_are_held_out_by_hash_or_as_rows(swiftagent: Run, data: Path):
    (data / "held.jsonl").write_bytes(jsonl([chat_row(7), chat_row(8)]))
    [eight] = read_trajectories([Row(chat_row(8), "x:1")])
    (data / "held.txt").write_text(f"{content_hash(eight):x}\n")
    for name, ids in (("held.jsonl", {"c7", "c8"}), ("held.txt", {"c8"})):
        recipe(
            swiftagent,
            data,
            f"val: 0\nhold_out: {{hashes: {name}}}\nsources: [{{source: chat.jsonl, channel: general}}]\n",
        )
        assert {row["id"] for row in read(data / "mix.val.jsonl")} == ids
    done = swiftagent("mix", "r.yaml", "-o", "x.jsonl")
    (data / "held.txt").write_text("none\n")
    done = swiftagent("mix", "r.yaml", "-o", "x.jsonl")
    assert (done.returncode, "holds neither hashes of rows" in done.stderr) == (2, True)


def test_evaluation_sets_of_any_format_are_read(swiftagent: Run, data: Path):
    parts = [{"type": "text", "value": "Tell me of 5."}]
    answer = [{"type": "text", "value": "Five."}]
    texts = {
        "chat": f"USER: Tell me of 6.\n\n\nASSISTANT: Six. {END}\n\n\n",
        "system": "SYSTEM: You are a helpful assistant.",
    }
    (data / "parts.jsonl").write_bytes(
        jsonl([{"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]}])
    )
    (data / "glaive.jsonl").write_bytes(jsonl([texts]))
    words = ("--decontaminate", "parts.jsonl", "glaive.jsonl")
    recipe(swiftagent, data, "sources: [{source: chat.jsonl, channel: general}]\n", *words)
    told = {(line["row"]["id"], line["code"], line["message"]) for line in read(data / "mix.rejects.jsonl")}
    assert told == {
        ("c5", "in-evaluation-set", "overlaps parts.jsonl:1"),
        ("c6", "in-evaluation-set", "overlaps glaive.jsonl:1"),
    }


def test_an_evaluation_set_without_a_question_is_said_so(swiftagent: Run, data: Path):
    (data / "eval.jsonl").write_bytes(jsonl([{"a": 1}]))
    done = swiftagent("mix", "--agent", 5, "--agent-source", "agent.jsonl", "--decontaminate", "eval.jsonl")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: eval.jsonl: no question is found in this evaluation set")


def test_a_chinese_character_is_a_word_beside_others_too():
    assert words("CPU温度5个") == ["cpu", "温", "度", "5", "个"]


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


def test_rows_that_teach_restraint_are_added_and_labelled(
    swiftagent: Run, data: Path, check_record: Callable[[Path], None]
):
    made = recipe(swiftagent, data, "no_call: 30%\nsources: [{source: agent.jsonl, count: 200}]\n")
    assert made["channels"]["agent"]["rows"] == 200
    extra = [row for row in both(data) if row["channel"] == "no-call"]
    assert 35 <= len(extra) <= 85 and made["channels"]["no-call"]["rows"] == len(extra)
    assert made["sources"][1]["synthetic"] is True
    assert sum(made["sources"][0]["made"].values()) == len(extra)
    assert set(made["sources"][0]["made"]) == {
        "tool-swapped",
        "parameter-missing",
    }  # each row has one tool: none could be left
    assert not any(
        "Action:" in message["content"]
        for row in extra
        for message in row["messages"]
        if message["role"] == "assistant"
    )
    check_record(data / "mix.jsonl")


def test_a_mix_with_made_rows_is_repeated_from_its_manifest_and_nothing_else(swiftagent: Run, data: Path):
    made = recipe(swiftagent, data, "no_call: 30%\nsources: [{source: agent.jsonl, count: 50}]\n")
    again = swiftagent("mix", "--manifest", "mix.manifest.json", "-o", "again.jsonl", "--json")
    assert json.loads(again.stdout) == made
    assert (data / "again.jsonl").read_bytes() == (data / "mix.jsonl").read_bytes()
    other = swiftagent("mix", "--manifest", "mix.manifest.json", "--seed", 5, "--keep-leaks", "-o", "again.jsonl")
    told = (
        "error: --manifest makes the same mix once more and takes no other word of it: leave out --seed, --keep-leaks\n"
    )
    assert (other.returncode, other.stderr) == (2, told)


def test_what_is_asked_for_fits_any_description(swiftagent: Run, data: Path):
    rows = [{key: value for key, value in agent_row(number).items() if key != "id"} for number in range(200)]
    (data / "agent.jsonl").write_bytes(jsonl(rows))
    recipe(swiftagent, data, "no_call: 100%\nsources: [{source: agent.jsonl}]\n")
    asked_back = [row for row in both(data) if row["id"] == "parameter-missing"]
    ends = ("tell me: where.", "from you: where.", "(where). Could you tell me?")
    assert len(asked_back) > 30 and all(row["messages"][-1]["content"].endswith(ends) for row in asked_back)


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


def test_a_mix_without_rows_is_said_loudly(swiftagent: Run, data: Path):
    (data / "r.yaml").write_text("sources: [{source: agent.jsonl, filter: {language: zh}}]\n")
    done = swiftagent("mix", "r.yaml", "-o", "mix.jsonl", "-q")
    assert done.stderr == "warning: no row is left to train on; the report beside the mix says why\n"


@pytest.mark.needs_swift
def test_shares_of_tokens_are_met_by_repeats_or_it_is_said(swiftagent: Run, data: Path, shared: Path):
    model = shared / "tokenizers" / "qwen2_5"
    sources = ("--agent", "50%", "--agent-source", "agent.jsonl", "--general", "50%", "--general-source", "chat.jsonl")
    words = ("--by", "tokens", "--total", 60_000, "--model", model, "-o", "mix.jsonl", "--json", "-q")
    done = swiftagent("mix", *sources, *words)
    agent, general = json.loads(done.stdout)["sources"]
    assert abs(agent["budget"]["taken"] - 30_000) < 300 and general["taken"] == 300
    assert f"asked for, only {general['budget']['taken']:,} there; all of them are taken" in done.stderr
    text = (
        f"by: tokens\ntotal: 30000\nmodel: {model}\nsources: "
        f"[{{source: chat.jsonl, channel: general, share: 100%, repeat: 3}}]\n"
    )
    [told] = recipe(swiftagent, data, text)["sources"]
    assert 300 < told["taken"] < 900 and told["distinct"] == 300
    assert abs(told["budget"]["taken"] - 30_000) < 100


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
