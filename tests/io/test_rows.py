"""Rows out of files of every kind."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import BadRow
from swiftagent.io.rows import read_rows

ROWS = [{"id": 1, "text": "a\u2028b"}, {"id": 2, "text": '{"x": "]"}'}, {"id": 2**70, "text": "雪"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def values(path: Path | str) -> list[object]:
    return [row.value for row in read_rows(str(path))]


def places(path: Path) -> list[str]:
    return [row.where.replace(str(path.parent) + "/", "") for row in read_rows(str(path))]


def codes(path: Path) -> list[str]:
    return [row.error.code if isinstance(row, BadRow) else "ok" for row in read_rows(str(path))]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "\ufeff" + LINES,
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        json.dumps({"data": ROWS, "version": 3}),
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        json.dumps({"rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]}),
    ],
    ids=["lines", "byte order mark", "array", "indented array", "wrapped", "one after another", "viewer"],
)
@pytest.mark.parametrize("name", ["x.json", "x"])
def test_json_is_told_apart_by_what_it_holds(tmp_path: Path, text: str, name: str) -> None:
    assert values(write(tmp_path / name, text)) == ROWS


def test_one_object_is_one_row(tmp_path: Path) -> None:
    assert values(write(tmp_path / "x.json", json.dumps(ROWS[0], indent=2))) == ROWS[:1]
    assert values(write(tmp_path / "y.json", '{"data": ["question", "answer"]}')) == [{"data": ["question", "answer"]}]


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_that_an_object_holds_by_their_id(tmp_path: Path, indent: int | None) -> None:
    asked = [{"query": "a", "answer": "b"}, {"query": "c", "answer": "d"}]
    path = write(tmp_path / "x.json", json.dumps({"7": asked[0], "9": asked[1]}, indent=indent))
    assert values(path) == asked
    assert places(path) == ["x.json:1#7", "x.json:1#9"]


def test_an_object_of_other_objects_is_one_row(tmp_path: Path) -> None:
    row = {"chosen": {"role": "assistant", "content": "a"}, "rejected": {"role": "assistant", "content": "b"}}
    assert values(write(tmp_path / "x.json", json.dumps(row))) == [row]


def test_lines_that_are_lists_stay_lists(tmp_path: Path) -> None:
    assert values(write(tmp_path / "x.jsonl", '[{"a": 1}]\n[{"a": 2}]\n')) == [[{"a": 1}], [{"a": 2}]]
    assert values(write(tmp_path / "x.json", '[{"a": 1}]\n[{"a": 2}]\n')) == [[{"a": 1}], [{"a": 2}]]


def test_places_are_lines(tmp_path: Path) -> None:
    assert places(write(tmp_path / "x.jsonl", '{"a": 1}\n\n{"a": 2}\n')) == ["x.jsonl:1", "x.jsonl:3"]
    assert places(write(tmp_path / "x.json", '[\n  {"a":\n 1},\n  {"a": 2}]')) == ["x.json:2", "x.json:4"]
    assert places(write(tmp_path / "y.json", '[{"a": 1}, {"a": 2}]')) == ["y.json:1", "y.json:1#2"]
    assert places(write(tmp_path / "x.csv", 'a,b\n1,"x\ny"\n3,4\n')) == ["x.csv:2", "x.csv:4"]


@pytest.mark.parametrize(
    ("text", "value", "repairs"),
    [
        ('[{"a": [1, 2,], "b": ",]",},\n]', {"a": [1, 2], "b": ",]"}, ("trailing-comma",)),
        ('[{"a": NaN, "b": "NaN"}]', {"a": None, "b": "NaN"}, ("nan",)),
        ("[{'a': 'it\"s', 'b': None}]", {"a": 'it"s', "b": None}, ("python-row",)),
        ('[{"a": "\\ud83d"}]', {"a": "\ufffd"}, ("lone-surrogate",)),
    ],
)
def test_what_is_plain_is_mended_and_named(tmp_path: Path, text: str, value: object, repairs: tuple[str, ...]) -> None:
    for name, content in (("x.json", text), ("x.jsonl", text.strip("[]\n").removesuffix(",") + "\n")):
        (row,) = read_rows(str(write(tmp_path / name, content)))
        assert (row.value, row.repairs) == (value, repairs)


def test_an_array_written_as_lines_with_commas(tmp_path: Path) -> None:
    assert values(write(tmp_path / "x.jsonl", '[\n{"a": 1},\n{"a": 2}\n]\n')) == [{"a": 1}, {"a": 2}]
    assert [row.repairs for row in read_rows(str(write(tmp_path / "y.jsonl", '{"a": 1},\n{"a": 2}\n')))] == [
        ("trailing-comma",),
        (),
    ]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_a_broken_row_is_one_reject_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    text = '{"a": 1}\n{"a": oops}\n{"a": 3}\n{"a": "open\n{"a": 5}\n'
    if name == "x.json":
        text = "[" + text.strip().replace("\n", ",\n") + "]"
    found = list(read_rows(str(write(tmp_path / name, text))))
    assert [row.value for row in found if not isinstance(row, BadRow)] == [{"a": 1}, {"a": 3}, {"a": 5}]
    assert [row.where[-1] for row in found if isinstance(row, BadRow)] == ["2", "4"]


def test_a_cut_array_gives_its_whole_rows_and_one_reject(tmp_path: Path) -> None:
    assert codes(write(tmp_path / "x.json", json.dumps(ROWS, indent=1)[:-20])) == ["ok", "ok", "not-json"]


def test_bytes_that_are_no_text_are_a_reject(tmp_path: Path) -> None:
    for name, text in (("x.jsonl", b'{"a": 1}\n{"a": "\xff"}\n'), ("x.json", b'[{"a": 1},\n{"a": "\xff"}]')):
        (tmp_path / name).write_bytes(text)
        assert codes(tmp_path / name) == ["ok", "not-utf8"]


def test_csv_of_any_separator(tmp_path: Path) -> None:
    for separator in ",;\t|":
        text = f"query{separator}answer\nq{separator}a\n"
        assert values(write(tmp_path / "x.csv", text)) == [{"query": "q", "answer": "a"}]
    assert codes(write(tmp_path / "y.csv", "a,b\n1,2\n1\n")) == ["ok", "not-csv"]
    (tmp_path / "z.csv").write_bytes("a,b\n雪,2\n".encode("utf-16"))
    assert values(tmp_path / "z.csv") == [{"a": "雪", "b": "2"}]


def test_compressed_files_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the zstandard package comes with ms-swift")
    packers = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": zstandard.ZstdCompressor().compress,
    }
    for suffix, pack in packers.items():
        half = LINES.encode().index(b"\n") + 1
        parts = pack(LINES.encode()[:half]) + pack(LINES.encode()[half:])  # several streams in one file
        (tmp_path / f"x.jsonl{suffix}").write_bytes(parts)
        assert values(tmp_path / f"x.jsonl{suffix}") == ROWS, suffix
    (tmp_path / "misnamed.json").write_bytes(gzip.compress(LINES.encode()))
    assert values(tmp_path / "misnamed.json") == ROWS


def test_a_zip_is_read_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../../evil.jsonl", LINES)
        archive.writestr("README.md", "no rows")
        archive.writestr("__MACOSX/evil.jsonl", "junk")
        archive.writestr("b.json.gz", gzip.compress(json.dumps(ROWS).encode()))
    assert values(tmp_path / "x.zip") == ROWS * 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.zip"]


def test_parquet_and_arrow(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"a": {"x": 1}, "b": None}, {"a": {"y": [b"\xff", 1.5]}, "b": "t"}]
    table = pa.Table.from_pylist([{"a": {"x": 1}, "b": None}, {"a": {"y": 2.5}, "b": "t"}])
    expected = [{"a": {"x": 1}, "b": None}, {"a": {"y": 2.5}, "b": "t"}]
    pq.write_table(table, tmp_path / "x.parquet")
    with pa.ipc.new_file(str(tmp_path / "f.arrow"), table.schema) as out:
        out.write_table(table)
    with pa.ipc.new_stream(str(tmp_path / "s.arrow"), table.schema) as out:
        out.write_table(table)
    assert rows[0] == expected[0]
    for name in ("x.parquet", "f.arrow", "s.arrow"):
        assert values(tmp_path / name) == expected, name
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        assert values(tmp_path / f"{name}.gz") == expected, name
    assert places(tmp_path / "x.parquet") == ["x.parquet:1", "x.parquet:2"]


def test_a_folder_is_its_data_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "b.jsonl", '{"n": 2}')
    write(tmp_path / "a.json", '[{"n": 1}]')
    for name in ("dataset_info.json", "README.md", "a.report.json", "a.rejects.jsonl", ".hidden.jsonl"):
        write(tmp_path / name, '{"n": 0}')
    assert values(tmp_path) == [{"n": 1}, {"n": 2}]


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LINES.encode()))))
    found = list(read_rows("-"))
    assert [row.value for row in found] == ROWS
    assert found[0].where == "stdin:1"


def test_stdin_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(LINES.encode()))))
    assert [row.value for row in read_rows("-")] == ROWS
    assert not sys.stdin.buffer.closed


def test_a_missing_or_damaged_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        values(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="no data in this folder"):
        values(tmp_path)
    for name in ("x.jsonl.gz", "x.jsonl.zst", "x.parquet", "x.zip", "x.arrow"):
        magic = {"gz": gzip.compress(LINES.encode())[:40], "zst": b"\x28\xb5\x2f\xfd..", "ip": b"PK\x03\x04..."}
        (tmp_path / name).write_bytes(magic.get(name[-2:], magic.get(name[-3:], b"PAR1....PAR1")))
        with pytest.raises(ConfigError, match="damaged"):
            values(tmp_path / name)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    row = json.dumps({"text": "x" * 10_000})
    write(tmp_path / "x.json", "[" + ",".join([row] * 3_000) + "]")
    write(tmp_path / "x.jsonl", f"{row}\n" * 3_000)
    write(tmp_path / "x.csv", "text\n" + ("x" * 10_000 + "\n") * 3_000)
    for name in ("x.json", "x.jsonl", "x.csv"):
        tracemalloc.start()
        assert sum(1 for _ in read_rows(str(tmp_path / name))) == 3_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12_000_000, (name, peak)
