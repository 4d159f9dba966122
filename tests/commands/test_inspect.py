"""`swiftagent inspect` as a program: what it prints, its exit codes, and what it says of files that are something
else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from swiftagent.io.jsonl import write_lines
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Tool, Trajectory

Run = Callable[..., CompletedProcess[str]]
ROW = to_record(
    Trajectory(
        (
            Question("Oslo?"),
            Thought("look"),
            Call("weather", {"city": "Oslo"}, "c0"),
            Observation("3C", "c0"),
            Answer("It is 3C."),
        ),
        (Tool("weather"),),
        "row-1",
        "raw.jsonl:1",
    )
)
CHAT = to_record(Trajectory((Question("hi"), Answer("Hello.")), id="row-2", channel="general"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    write_lines(path, [ROW, CHAT])
    return path


def spoil(file: Path) -> None:
    """Take the masks of the first row away."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for message in rows[0]["messages"][2:]:
        message.pop("loss", None)
    write_lines(file, rows)


def test_spans_are_shown_without_colour_in_a_pipe(swiftagent: Run, file: Path):
    done = swiftagent("inspect", file)
    assert done.returncode == 0, done.stderr
    assert "\x1b[" not in done.stdout
    assert "line 1 · id row-1 · channel agent" in done.stdout
    assert '  [2] call: trained\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:\n' in done.stdout
    assert "  [3] observation: not trained\n 3C\n" in done.stdout


def test_rows_are_chosen_by_line_id_and_text(swiftagent: Run, file: Path):
    for words in (["--row", "2"], ["--id", "row-2"], ["--grep", "HELLO"]):
        found = json.loads(swiftagent("inspect", file, *words, "--json").stdout)
        assert [row["line"] for row in found["rows"]] == [2]
    assert swiftagent("inspect", file, "--id", "none").returncode == 2


def test_rows_are_chosen_by_the_tool_that_they_call(swiftagent: Run, file: Path):
    only_listed = to_record(Trajectory((Question("weather?"), Answer("no")), (Tool("weather"),), "row-3"))
    call = {"role": "tool_call", "content": '{"name": "weather", "arguments": {"city": "Oslo"}}'}
    native = {"messages": [{"role": "user", "content": "Oslo?"}, call, {"role": "tool_response", "content": "3C"}]}
    write_lines(file, [ROW, CHAT, only_listed, native])
    found = json.loads(swiftagent("inspect", file, "--tool", "weather", "--limit", "0", "--json").stdout)
    assert [(row["line"], row["tools"]) for row in found["rows"]] == [(1, ["weather"]), (4, ["weather"])]
    assert swiftagent("inspect", file, "--tool", "weath").returncode == 2


def test_a_clean_file_passes_the_check(swiftagent: Run, file: Path):
    done = swiftagent("inspect", file, "--check", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    names = ["rows", "tokens", "leaks", "lost", "control", "ends_open", "truncated", "dropped", "parity", "faults"]
    assert [name for name in names if name not in found] == []
    assert found["tokens"]["observation"] == {"total": 4, "trained": 0}


def test_a_fault_is_exit_code_6_and_one_line(swiftagent: Run, file: Path):
    spoil(file)
    done = swiftagent("inspect", file, "--check", "--json")
    assert done.returncode == 6
    assert (
        done.stderr.strip()
        == f"error: {file}:1: message 3: observation in the loss: ' 3C\\n' [leak] (faults in all: 1)"
    )
    assert json.loads(done.stdout)["faults"][0] == {
        "row": 1,
        "span": 3,
        "code": "leak",
        "text": "observation in the loss: ' 3C\\n'",
        "id": "row-1",
    }


def test_a_page_is_written(swiftagent: Run, file: Path):
    done = swiftagent("inspect", file, "--html", "page.html", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 2
    assert (file.parent / "page.html").stat().st_size == json.loads(done.stdout)["bytes"]


def test_a_page_is_not_written_over_the_rows(swiftagent: Run, file: Path):
    before = file.read_bytes()
    done = swiftagent("inspect", file, "--html", file)
    assert done.returncode == 2 and "is the file that is shown" in done.stderr and file.read_bytes() == before


def test_an_empty_file_in_a_folder_of_shards_holds_no_rows(swiftagent: Run, file: Path):
    (file.parent / "none.jsonl").touch()
    done = swiftagent("inspect", file.parent, "--check", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == 2, done.stderr


@pytest.mark.parametrize("text", [None, "", "{broken\n"])
def test_a_file_without_a_row_is_one_line(swiftagent: Run, file: Path, text: str | None):
    file.unlink()
    if text is not None:
        file.write_text(text)
    done = swiftagent("inspect", file)
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1) and done.returncode in (2, 3), done


def test_a_file_of_another_format_names_it_and_the_way(swiftagent: Run, file: Path):
    file.write_text('{"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "Hello."}]}\n')
    done = swiftagent("inspect", file, "--check")
    assert done.returncode == 2
    assert f"{file}:1: sharegpt rows, not training records; make some with: swiftagent convert {file}" in done.stderr


def test_an_array_over_many_lines_is_named_too(swiftagent: Run, file: Path):
    rows = [{"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "Hello."}]}]
    file.write_text(json.dumps(rows, indent=2))
    for words in ((), ("--check",)):
        assert f"{file}:1: sharegpt rows, not training records; " in swiftagent("inspect", file, *words).stderr


def test_rows_with_images_are_refused(swiftagent: Run, file: Path):
    row = json.loads(file.read_text().splitlines()[0])
    file.write_text(json.dumps({**row, "images": ["a.png"]}) + "\n")
    done = swiftagent("inspect", file, "--check")
    assert done.returncode == 6
    assert "the row has images, and masks are of text; `swiftagent convert` leaves them out [malformed]" in done.stderr


def test_rejected_rows_are_shown_with_their_reasons(swiftagent: Run, file: Path):
    rejects = file.with_name("rows.rejects.jsonl")
    rejects.write_text(
        '{"source": "raw.jsonl:7", "code": "cut-arguments", "message": "arguments end in the middle", "row": {"a": '
        "1}}\n"
    )
    done = swiftagent("inspect", file, "--only", "rejected")
    assert done.stdout == 'raw.jsonl:7: arguments end in the middle [cut-arguments]\n  {"a": 1}\n'


@pytest.mark.needs_swift
def test_real_tokens_and_labels_by_ms_swift(swiftagent: Run, file: Path, shared: Path):
    model = shared / "tokenizers" / "qwen2_5"
    done = swiftagent("inspect", file, "--model", model, "--row", 1)
    assert done.returncode == 0, done.stderr
    assert (
        '  [2] call: trained, 17 tokens\nAction|:| weather|\n|Action| Input|:| {"|city|":| '
        '"|Os|lo|"}\n|Observ|ation|:\n' in done.stdout
    )
    assert swiftagent("inspect", file, "--model", model, "--check", "--json").returncode == 0
    spoil(file)
    done = swiftagent("inspect", file, "--model", model, "--check")
    assert done.returncode == 6
    assert "message 3: observation in the loss" in done.stderr


@pytest.mark.needs_swift
def test_a_shipped_model_is_found_and_recognised_from_any_folder(swiftagent: Run, file: Path):
    done = swiftagent("inspect", file, "--model", "datasets/tiny-base", "--check", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["unit"] == "token"


@pytest.mark.needs_swift
def test_wrong_options_are_exit_code_2(swiftagent: Run, file: Path, shared: Path):
    model = shared / "tokenizers" / "qwen2_5"
    done = swiftagent("inspect", file, "--model", model, "--template", "qwen2_6")
    assert (done.returncode, "unknown template 'qwen2_6', did you mean qwen2" in done.stderr) == (2, True)
    done = swiftagent("inspect", file, "--model", model, "--option", "max_lenght=3")
    assert (done.returncode, "max_lenght: unknown key, did you mean max_length?" in done.stderr) == (2, True)


@pytest.mark.needs_swift
def test_code_of_a_hubs_model_is_not_run(swiftagent: Run, tmp_path: Path, root: Path):
    ran = tmp_path / "ran"
    repository = tmp_path / "hf" / "hub" / "models--some--model"
    folder = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(root / "datasets" / "tiny-base", folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(folder.name)
    (folder / "tokenization_own.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nfrom transformers import Qwen2Tokenizer as Own\n"
    )
    about = json.loads((folder / "tokenizer_config.json").read_text())
    about |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["tokenization_own.Own", "tokenization_own.Own"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    rows = tmp_path / "rows.jsonl"
    write_lines(rows, [ROW])
    offline = {"USE_HF": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = swiftagent("inspect", rows, "--model", "some/model", "--template", "qwen2_5", env=offline)
    assert (done.returncode, ran.exists()) == (4, False), done.stderr
    assert "brings its own code (tokenization_own.py)" in done.stderr
    done = swiftagent("inspect", rows, "--model", "some/other", env=offline)
    assert done.returncode == 4
    assert done.stderr.startswith("error: some/other: cannot be fetched from the hub: ")
    assert len(done.stderr.splitlines()) == 1


def test_rows_are_shown_in_chinese(swiftagent: Run, file: Path):
    done = swiftagent("inspect", str(file), "--lang", "zh", "--limit", "1")
    assert "反色：参与训练；变暗：不参与训练" in done.stdout
    assert done.stdout.splitlines()[2].startswith("行 1 · id row-1 · 通道 agent · ")
    assert "[0] 系统提示: 不参与训练" in done.stdout and "调用: 参与训练" in done.stdout
    assert "Action: weather" in done.stdout  # the row itself is not translated
