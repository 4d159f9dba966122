"""A file in parts gives the rows that it gives as a whole, with the same places, wherever it is cut."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from swiftagent.io.parts import Part, numbered, parts_of, read_part
from swiftagent.io.rows import read_rows

LINES = [b"", b"  ", b"{broken", b'{"a": "\xff"}', b'{"a": 1,}\r', b'{"a": {"b": [1, 2]}}', '{"a": "中文"}'.encode()]
SIZES = (1, 7, 40, 300)


def divided(path: Path, size: int) -> list[Part]:
    return numbered(parts_of(str(path), size, lambda first: "sessionId" in first), map)


def assert_same_rows(path: Path, size: int) -> int:
    parts = divided(path, size)
    found = [(type(row), row.value, row.where, row.repairs) for part in parts for row in read_part(part)]
    assert found == [(type(row), row.value, row.where, row.repairs) for row in read_rows(str(path))], (
        path.read_bytes(),
        size,
    )
    return len(parts)


@pytest.mark.parametrize("seed", range(40))
def test_lines_of_any_content(tmp_path: Path, seed: int):
    rng = random.Random(seed)
    lines = [rng.choice(LINES) for _ in range(rng.randint(1, 30))]
    data = rng.choice([b"", b"\xef\xbb\xbf"]) + b"\n".join(lines) + rng.choice([b"", b"\n"])
    path = tmp_path / rng.choice(["a.jsonl", "a.json", "a.txt"])
    path.write_bytes(data)
    for size in SIZES:
        assert_same_rows(path, size)


def test_row_groups(tmp_path: Path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    rows = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(100)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=10)
    assert assert_same_rows(path, 1) == 10


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.jsonl.gz"])
def test_what_cannot_be_cut_is_one_part(tmp_path: Path, name: str):
    import gzip

    line: dict[str, Any] = {"type": "user", "sessionId": "s", "message": {"role": "user", "content": "go"}}
    text = {
        "rows.jsonl": f"{json.dumps(line)}\n" * 9,
        "rows.json": json.dumps([line] * 9),
        "rows.jsonl.gz": '{"a": 1}\n' * 999,
    }
    path = tmp_path / name
    path.write_bytes(gzip.compress(text[name].encode()) if name.endswith(".gz") else text[name].encode())
    assert assert_same_rows(path, 20) == 1


def test_a_url_is_cut_as_a_file_is(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n' * 50)
    parts = parts_of(f"file://{tmp_path}/a.jsonl", 100)
    assert len(parts) == 5 and sum(len(list(read_part(part))) for part in parts) == 50


def test_real_files(shared: Path):
    for path in sorted((shared / "data").iterdir()):
        if path.suffix in (".jsonl", ".json", ".csv", ".parquet"):
            assert_same_rows(path, 1 + path.stat().st_size // 5)
