"""Rows in with their place, files out whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swiftagent.errors import RowError, SetupError
from swiftagent.io.jsonl import parse_json, read_lines, whole_file
from swiftagent.io.outputs import claimed, outputs


@pytest.mark.parametrize("leaf", ["1", '"\\ud800"'])
def test_json_nested_too_deeply_is_a_row_that_cannot_be_read(leaf: str, tmp_path: Path):
    text = "[" * 100_000 + leaf + "]" * 100_000
    with pytest.raises(RowError, match=r"not JSON: .*recursion.* \[not-json\]"):
        parse_json(text)
    (tmp_path / "a.jsonl").write_text(f'{{"a": 1}}\n{text}\n')
    with pytest.raises(RowError, match=r"a\.jsonl:2: not JSON"):
        list(read_lines(tmp_path / "a.jsonl"))


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SetupError, match="pipe: it is no regular file"), whole_file(tmp_path / "pipe") as out:
        out.write(b"lost")
    with pytest.raises(SetupError, match="pipe: it is no regular file"), claimed(outputs(tmp_path / "pipe")):
        pass
    with pytest.raises(SetupError, match="/dev/stdout: it is no regular file"), whole_file(Path("/dev/stdout")) as out:
        out.write(b"lost")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"] and (tmp_path / "pipe").is_fifo()


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file" / "out.jsonl", tmp_path / ("x" * 250), tmp_path):
        with pytest.raises(SetupError, match="choose another place with -o"), whole_file(place) as out:
            out.write(b"lost")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as out:
        out.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["out.jsonl"]
