"""Entries of LLaMA-Factory's dataset_info.json as inputs of `convert`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.commands.convert import run
from swiftagent.commands.options import parser_of
from swiftagent.errors import ConfigError
from swiftagent.formats.dataset_entries import expand, input_rows

TAGS = {
    **{"role_tag": "who", "content_tag": "said", "user_tag": "U", "assistant_tag": "A", "observation_tag": "R"},
    **{"function_tag": "F", "system_tag": "S"},
}
INFO = {
    "plain": {"file_name": "plain.json"},
    "named": {"file_name": "named.json", "columns": {"prompt": "q", "response": "a", "system": "s", "history": "h"}},
    "pairs": {
        "file_name": "pairs.jsonl",
        "ranking": True,
        "columns": {"prompt": "q", "chosen": "good", "rejected": "bad"},
    },
    "turns": {
        "file_name": "turns.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "tools": "f"},
        "tags": TAGS,
    },
    "openai": {"file_name": "openai.jsonl", "formatting": "openai", "columns": {"messages": "messages"}},
    "far": {"hf_hub_url": "owner/name"},
}
CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'
ROWS: dict[str, list[dict[str, Any]]] = {
    "plain.json": [{"instruction": "Hi", "input": "you", "output": "Hello."}],
    "named.json": [{"q": "Hi", "a": "Hello.", "s": "Be brief.", "h": [["1?", "1."]], "input": "not named", "id": "n"}],
    "pairs.jsonl": [{"q": "Hi", "good": "Hello.", "bad": "Go."}],
    "turns.jsonl": [
        {
            "talk": [
                *({"who": "U", "said": "Oslo?"}, {"who": "F", "said": CALL}, {"who": "R", "said": "3C"}),
                {"who": "A", "said": "It is 3C."},
            ],
            "f": "[]",
        }
    ],
    "openai.jsonl": [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}],
    "loose.json": [{"instruction": "Bye", "input": "", "output": "Bye."}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in ROWS.items():
        text = json.dumps(rows) if name.endswith(".json") else "\n".join(map(json.dumps, rows))
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "dataset_info.json").write_text(json.dumps(INFO), encoding="utf-8")
    return tmp_path


def rows(folder: Path, name: str) -> list[Any]:
    return [row.value for row in input_rows(f"{folder}/dataset_info.json#{name}")]


def test_columns_and_tags_have_the_usual_names(folder: Path) -> None:
    assert rows(folder, "plain") == ROWS["plain.json"]
    named = {"instruction": "Hi", "output": "Hello.", "system": "Be brief.", "history": [["1?", "1."]], "id": "n"}
    assert rows(folder, "named") == [named]
    assert rows(folder, "pairs") == [{"instruction": "Hi", "chosen": "Hello.", "rejected": "Go."}]
    (row,) = rows(folder, "turns")
    assert [turn["from"] for turn in row["conversations"]] == ["human", "function_call", "observation", "gpt"]
    assert row["tools"] == "[]"


def convert(word: str, folder: Path) -> list[Any]:
    words = [word, "-o", str(folder / "out" / "o.jsonl"), "--to", "openai", "-q"]
    assert run(parser_of("convert").parse_args(words)) == 0
    return [json.loads(line)["messages"] for line in (folder / "out" / "o.jsonl").read_text().splitlines()]


def test_an_entry_is_converted_with_its_calls(folder: Path) -> None:
    (folder / "out").mkdir()
    (turns,) = convert(f"{folder}/dataset_info.json#turns", folder)
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert turns[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}


def test_a_folder_is_its_entries_and_the_files_that_none_names(folder: Path) -> None:
    info = folder / "dataset_info.json"
    entries = [f"{info}#{name}" for name in INFO if name != "far"]
    assert expand(str(info)) == entries
    assert expand(str(folder)) == [*entries, str(folder / "loose.json")]


@pytest.mark.parametrize(("name", "told"), [("nmaed", "did you mean named"), ("far", "owner/name")])
def test_an_entry_that_is_not_there_is_an_error(folder: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        rows(folder, name)


def test_a_dataset_info_of_datasets_is_no_list_of_entries(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"builder_name": "json", "features": {}}', encoding="utf-8")
    assert expand(str(tmp_path)) == [str(tmp_path)]
