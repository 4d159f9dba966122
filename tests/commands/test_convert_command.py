"""`swiftagent convert` as a program: exit codes, report, rejects, whole files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
GOOD = {"messages": [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": "3C."}]}
ALPACA = {"instruction": "Rome?", "output": "9C."}
ORPHAN = {
    "messages": [
        {"role": "user", "content": "x"},
        {"role": "tool", "content": "y"},
        {"role": "assistant", "content": "z"},
    ]
}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_inputs_of_different_formats_become_one_file(swiftagent: Run, tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.jsonl", GOOD), write(tmp_path / "b.jsonl", ALPACA)
    done = swiftagent("convert", one, two, "-o", "out.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["formats"] == {"alpaca": 1, "openai": 1} and report["rows_out"] == 2
    assert report == json.loads((tmp_path / "out.report.json").read_text())
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {
        "messages": [{"role": "user", "content": "Rome?", "loss": False}, {"role": "assistant", "content": "9C."}],
        "channel": "general",
        "id": "",
        "source": f"{two}:1",
    }


def test_too_many_rejects_end_in_3_with_everything_written(swiftagent: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", GOOD, ORPHAN)
    done = swiftagent("convert", "a.jsonl", "-o", "out.jsonl")
    assert done.returncode == 3 and "orphan-observation 1" in done.stderr and "--max-rejects" in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1
    rejected = json.loads((tmp_path / "out.rejects.jsonl").read_text())
    assert rejected["row"] == ORPHAN and rejected["source"] == "a.jsonl:2"
    assert swiftagent("convert", "a.jsonl", "-o", "out.jsonl", "--max-rejects", "50%").returncode == 0


def test_stdin_and_an_array(swiftagent: Run, tmp_path: Path) -> None:
    done = swiftagent("convert", "-", "-o", "out.json", stdin=json.dumps(GOOD))
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "out.json").read_text())) == 1


def test_wrong_arguments_are_one_line_each(swiftagent: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a.jsonl", "x.rejects.jsonl", "folder/b.jsonl"):
        write(tmp_path / name, GOOD)
    for words, part in (
        (("nowhere.jsonl", "-o", "out.jsonl"), "nowhere.jsonl"),
        (("a.jsonl", "-o", "out.jsonl", "--from", "opnai"), "did you mean openai?"),
        (("a.jsonl", "-o", "out.jsonl", "--on", "wrong-typ=keep"), "did you mean wrong-type?"),
        (("a.jsonl", "-o", "out.jsonl", "--max-rejects", "lots"), "2%"),
        (("a.jsonl", "-o", "a.jsonl"), "input and output at once"),
        (("a.jsonl", "-o", "out.jsonl", "--rejects", "a.jsonl"), "a.jsonl is input and --rejects at once"),
        (("a.jsonl", "-o", "out.jsonl", "--report", "./a.jsonl"), "a.jsonl is input and --report at once"),
        (("a.jsonl", "-o", "out.jsonl", "--report", "out.jsonl"), "out.jsonl is -o and --report at once"),
        (("x.rejects.jsonl", "-o", "x.jsonl"), "x.rejects.jsonl is input and --rejects at once"),
        (("folder", "-o", "folder/b.jsonl"), "folder/b.jsonl is input and output at once"),
    ):
        done = swiftagent("convert", *words)
        assert done.returncode == 2 and part in done.stderr and "Traceback" not in done.stderr, (words, done.stderr)
        assert not (tmp_path / "out.jsonl").exists()


def test_formats_are_listed_with_a_sample(swiftagent: Run) -> None:
    listed = json.loads(swiftagent("formats", "--json").stdout)
    assert "ms-agent" in listed and listed["openai"]["to"] == "openai"
    assert "tool_calls" in swiftagent("formats", "openai").stdout


def test_nothing_to_convert_is_an_error(swiftagent: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    done = swiftagent("convert", "empty.jsonl", "-o", "out.jsonl")
    assert (done.returncode, done.stderr) == (2, "error: empty.jsonl: no rows; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.jsonl"]


def test_what_became_of_the_texts_of_one_row_is_explained(swiftagent: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {**GOOD, "remark": "by Ann"}, ORPHAN)
    done = swiftagent("convert", "--explain", "a.jsonl:1")
    assert done.returncode == 0 and "read as openai, records: 1" in done.stdout, done.stderr
    assert "unread" in done.stdout and "by Ann" in done.stdout and not (tmp_path / "out.jsonl").exists()
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    tool = {"type": "function", "function": {"name": "weather", "description": "Weather of a city.", "parameters": {}}}
    asked, answered = GOOD["messages"]
    calls = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "3C"}]
    write(tmp_path / "b.jsonl", {"messages": [asked, *calls, answered], "tools": [tool]})
    texts = json.loads(swiftagent("convert", "--explain", "b.jsonl:1", "--json").stdout)["texts"]
    fates = {text["path"]: text["fate"] for text in texts}
    assert fates["messages[1].tool_calls[0].function.name"] == "trained"
    assert {fate for path, fate in fates.items() if path.startswith("tools[0]")} == {"metadata", "not trained"}
    told = json.loads(swiftagent("convert", "--explain", "a.jsonl:2", "--json").stdout)
    assert told["rejects"][0][0] == "orphan-observation"
    assert "rows are written as JSON" in swiftagent("convert", "a.jsonl", "-o", "a.parquet").stderr
    assert "-o OUT is missing" in swiftagent("convert", "a.jsonl").stderr
