"""Raw data of any format is recognised, converted into the run's folder and trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from swiftagent.commands.sft import config_of
from swiftagent.errors import ConfigError, RejectsError
from swiftagent.train.config import Config
from swiftagent.train.raw_data import in_folder, raw_data, raw_format, staged
from swiftagent.train.runs import newest_run

Run = Callable[..., CompletedProcess[str]]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "", "parameters": {"type": "object"}}}]
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
OPENAI = {
    "tools": TOOLS,
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "3C"},
        {"role": "assistant", "content": "It is 3C."},
    ],
}
ALPACA = {"instruction": "Say hello", "input": "", "output": "hello"}
CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
NATIVE = {
    "tools": json.dumps(TOOLS),
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {"role": "tool_call", "content": '{"name": "weather", "arguments": {}}'},
        {"role": "tool_response", "content": "3C"},
        {"role": "assistant", "content": "It is 3C."},
    ],
}


def file_of(path: Path, *rows: Any) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def config(tmp_path: Path, *data: str, model: str = "Qwen/Qwen2.5-7B-Instruct") -> Config:
    return Config(model=model, data=data, runs=str(tmp_path / "runs"), name="r")


def test_what_ms_swift_reads_as_it_is_meant_is_not_raw(tmp_path: Path):
    assert raw_format(file_of(tmp_path / "chat.jsonl", CHAT)) == ""
    assert raw_format(file_of(tmp_path / "native.jsonl", NATIVE)) == ""
    assert raw_format(file_of(tmp_path / "calls.json", OPENAI)) == "openai"
    assert raw_format(file_of(tmp_path / "alpaca.json", ALPACA)) == "alpaca"
    assert raw_format("nowhere.json") == ""


@pytest.mark.parametrize(
    ("model", "calls", "roles"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "auto", ["user", "tool_call", "tool_response", "assistant"]),
        ("Qwen/Qwen2.5-7B-Instruct", "react", ["system", "user", "assistant", "assistant", "assistant"]),
        ("Qwen/Qwen-7B-Chat-unknown", "auto", ["system", "user", "assistant", "assistant", "assistant"]),
    ],
)
def test_native_calls_stay_native_where_the_template_writes_them(
    model: str, calls: Any, roles: list[str], tmp_path: Path
):
    told: list[Any] = []
    given = config(tmp_path, file_of(tmp_path / "calls.json", OPENAI), model=model)
    with staged(given, calls, lambda line, report: told.append(line or report["rows_out"])) as found:
        row = json.loads(Path(found.data[0]).read_text())
        assert [message["role"] for message in row["messages"]] == roles
    assert told[1] == 1
    assert ("stay native" in told[0]) is ("tool_call" in roles)
    assert not (tmp_path / "runs").exists()


def test_native_where_the_template_has_no_way_is_refused(tmp_path: Path):
    given = config(tmp_path, file_of(tmp_path / "calls.json", OPENAI), model="a/b")
    with pytest.raises(ConfigError, match="has no way to write native calls"), staged(given, "native", lambda *_: None):
        pass


def test_folders_several_files_and_entries_become_one_file(tmp_path: Path):
    file_of(tmp_path / "folder/a.json", ALPACA)
    file_of(tmp_path / "folder/b.jsonl", OPENAI)
    file_of(tmp_path / "lf/mine.json", {"q": "Say bye", "a": "bye"})
    entry = {"file_name": "mine.json", "columns": {"prompt": "q", "response": "a"}}
    (tmp_path / "lf/dataset_info.json").write_text(json.dumps({"mine": entry}))
    ready = file_of(tmp_path / "chat.jsonl", CHAT)
    given = config(tmp_path, str(tmp_path / "folder"), ready, f"{tmp_path}/lf/dataset_info.json#mine")
    with staged(given, "auto", lambda *_: None) as found:
        rows = [json.loads(line) for line in Path(found.data[0]).read_text().splitlines()]
        assert (len(rows), found.data[1:]) == (3, (ready,))
        assert rows[2]["messages"][-1]["content"] == "bye"
        assert rows[1]["messages"][0]["content"].startswith("Answer the following questions")


def test_rows_that_cannot_be_read_stop_the_run_with_their_codes(tmp_path: Path):
    given = config(tmp_path, file_of(tmp_path / "some.json", ALPACA, {"x": 1}))
    with pytest.raises(RejectsError, match="1 of 2 rows rejected: unknown-format 1"), staged(given, "auto", print):
        pass
    assert not (tmp_path / "runs").exists()


def test_data_on_the_command_line_is_a_config_of_its_own(tmp_path: Path):
    path = file_of(tmp_path / "my calls.json", ALPACA)
    found = config_of([path, "learning_rate=2e-4"], "Qwen/Qwen3-8B")
    assert (found.model, found.data, found.run_name) == ("Qwen/Qwen3-8B", (path,), "my-calls")
    assert (found.train["learning_rate"], found.train["tuner_type"]) == (2e-4, "lora")
    with_config = config_of(["configs/tiny_cpu.yaml", path])
    assert (with_config.data, with_config.run_name) == ((path,), "tiny_cpu")


def test_a_dry_run_names_the_file_of_the_run_and_writes_nothing(tmp_path: Path, swiftagent: Run):
    file_of(tmp_path / "raw.json", ALPACA)
    done = swiftagent("sft", "raw.json", "--model", "Qwen/Qwen3-8B", "--dry-run", "--json")
    command = json.loads(done.stdout)["command"]
    assert command[command.index("--dataset") + 1] == "runs/raw/data/data.jsonl"
    assert "raw.json: alpaca rows are trained as ReAct text" in done.stderr
    assert "no such file" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw.json"]


def test_a_start_that_fails_leaves_nothing(tmp_path: Path, swiftagent: Run):
    file_of(tmp_path / "raw.json", ALPACA)
    done = swiftagent("sft", "raw.json", "--model", "here")
    assert (done.returncode, "model: here: no such folder" in done.stderr) == (4, True), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw.json"]


def test_the_config_of_a_run_names_its_own_files(tmp_path: Path):
    given = config(tmp_path, file_of(tmp_path / "raw.json", ALPACA), "x.jsonl")
    assert in_folder(given, raw_data(given), Path("runs/r/data")).data == ("runs/r/data/data.jsonl", "x.jsonl")


@pytest.mark.needs_swift
def test_raw_data_is_trained_and_stands_in_the_run(tiny_config: Path, swiftagent: Run):
    file_of(tiny_config.parent / "raw.json", *[OPENAI] * 8, *[ALPACA] * 8)
    done = swiftagent("sft", tiny_config.name, "raw.json", "max_steps=1", "eval_strategy=no", timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "raw.json: openai rows stay native" in done.stderr
    assert "rows_out" in done.stderr
    run = newest_run(tiny_config.parent / "runs")
    assert (run.state, Path(run.data_files()[0])) == ("done", run.folder.absolute() / "data/data.jsonl")
    assert sorted(path.name for path in (run.folder / "data").iterdir()) == [
        "data.jsonl", "data.rejects.jsonl", "data.report.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("cut.json", '{"a": [1, 2', "not JSON"),
        ("none.json", "[]", "no row is in it"),
        ("other.json", '[{"x": 1}]', "unknown-format"),
        ("words.txt", "hello\nworld\n", "not JSON"),
    ],
)
def test_data_that_nobody_reads_is_refused_before_the_trainer_starts(
    name: str, text: str, problem: str, tmp_path: Path
):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=f"{name}: .*{problem}.*; `swiftagent formats` lists what is read"):
        raw_format(str(tmp_path / name))


def test_the_recipe_that_nobody_chose_is_no_longer_than_the_models_context(tmp_path: Path):
    data = file_of(tmp_path / "calls.json", OPENAI)
    (tmp_path / "small").mkdir()
    (tmp_path / "small/config.json").write_text('{"max_position_embeddings": 2048}')
    small = str(tmp_path / "small")
    assert config_of([data], small).train["max_length"] == 2048
    assert config_of([data, "max_length=4000"], small).train["max_length"] == 4000
    assert config_of([data]).train["max_length"] == 4096


def test_a_script_handed_to_sft_is_one_line(tmp_path: Path):
    (tmp_path / "train.sh").write_text("swift sft --model a/b --dataset x.jsonl\n")
    with pytest.raises(ConfigError, match="train.sh: a script; `swiftagent configs from .*train.sh -o ours.yaml`"):
        config_of([str(tmp_path / "train.sh")])
