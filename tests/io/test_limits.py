"""Inputs that are packed, cut or changed in bad faith end in one line, without the memory of what they unpack to."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mix_data import agent_row, chat_row, jsonl

from swiftagent.cli import main
from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import whole_file
from swiftagent.io.rows import read_rows

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROW = b'{"a": "b"}\n'


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as found:
        list(read_rows(str(path)))
    assert "\n" not in str(found.value)
    return str(found.value)


def test_gzip_in_gzip_and_zip_in_zip_are_refused(tmp_path: Path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(gzip.compress(ROW)))
    assert "packed more than once (.gz inside .gz); unpack it first" in refusal(tmp_path / "a.jsonl.gz")
    inner = ROW
    for name in ("a.jsonl", "b.zip", "c.zip"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, inner)
        inner = packed.getvalue()
    (tmp_path / "d.zip").write_bytes(inner)
    assert "packed more than once (.zip inside .zip)" in refusal(tmp_path / "d.zip")


def test_utf16_with_an_odd_byte_is_damaged(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes((ROW.decode() * 3).encode("utf-16") + b"x")
    assert "cut or damaged" in refusal(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(('{"a": "中\U0001f600"}\n' * 90_000).encode("utf-16"))
    rows = list(read_rows(str(tmp_path / "a.jsonl")))
    assert len(rows) == 90_000 and {row.value["a"] for row in rows} == {"中\U0001f600"}


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.json.gz"])
def test_a_row_that_unpacks_to_a_gigabyte_is_refused_in_little_memory(name: str, tmp_path: Path):
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as out:
        out.write(b"[" if "json." in name else b"")
        out.write(b'{"a": "')
        for _ in range(600):
            out.write(bytes([97]) * (1 << 20))
    # The peak of this process alone: what the kernel counts for a child begins with the size of its parent.
    peak = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    code = f"import atexit, runpy; atexit.register(lambda: {peak}); runpy.run_module('swiftagent', run_name='__main__')"
    words = ["convert", name, "-o", "out.jsonl", "-j", "1"]
    run = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and run.stderr == (
        f"error: {name}: holds a row of more than 64 MB; this is no data to train on\n"
    )
    assert int(run.stdout) < 600 << 10
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_table_with_a_row_beyond_the_limit_is_refused(tmp_path: Path):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"text": ["x" * (65 << 20)]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert refusal(tmp_path / "a.parquet").endswith("holds a row of more than 64 MB; this is no data to train on")


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (f".o.jsonl.{gone.pid}.part", f".o.jsonl.{os.getppid()}.part", ".o.jsonl.mine.part"):
        (tmp_path / name).write_text("half")
    with whole_file(tmp_path / "o.jsonl") as out:
        out.write(ROW)
    names = [".o.jsonl.mine.part", "o.jsonl", f".o.jsonl.{os.getppid()}.part"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@contextmanager
def _started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `convert` of a.jsonl and stdin that has begun and waits for the end of stdin."""
    words = [sys.executable, "-m", "swiftagent", "convert", "a.jsonl", "-", "-o", "out/o.jsonl", "-q"]
    with subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        end = time.monotonic() + 30
        while not list(folder.glob("out/.o.jsonl.*.part")) and time.monotonic() < end:
            time.sleep(0.01)
        yield run
        run.kill()


def test_a_second_convert_into_the_same_output_is_refused(swiftagent: Run, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(200)]))
    with _started(tmp_path) as run:
        second = swiftagent("convert", "a.jsonl", "-o", "out/o.jsonl")
        assert (second.returncode, second.stderr) == (
            4,
            "error: out/o.jsonl: another run is writing it; wait for it or choose another -o\n",
        )
        run.communicate(jsonl([chat_row(1)]), timeout=60)
        assert run.returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["o.jsonl", "o.rejects.jsonl", "o.report.json"]


def test_an_input_that_changes_while_one_process_reads_is_refused(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(200)]))
    with _started(tmp_path) as run:
        with (tmp_path / "a.jsonl").open("ab") as more:
            more.write(jsonl([agent_row(200)]))
        _, told = run.communicate(jsonl([chat_row(1)]), timeout=60)
    assert run.returncode == 4
    assert (
        told.decode() == "error: a.jsonl: changed while it was read; nothing was written, run again when it is whole\n"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("command", ["convert", "mix"])
def test_the_report_comes_after_the_rows(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ended at any rename, no report tells of rows that are not there, and none of an earlier run stays."""
    (tmp_path / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(20)]))
    monkeypatch.chdir(tmp_path)
    words = {"convert": ["convert", "a.jsonl"], "mix": ["mix", "--agent", "9", "--agent-source", "a.jsonl"]}[command]
    moved: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        if "report" in Path(target).name:
            moved.append("report")
        elif Path(target).name == "o.jsonl":
            moved.append("rows" if not Path("o.report.json").exists() else "rows beside an old report")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    for _ in range(2):
        assert main([*words, "-o", "o.jsonl", "-q", "-j", "1"]) in (0, None)
    assert moved == ["rows", "report", "rows", "report"]
