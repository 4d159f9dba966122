"""The edge of the program: a reader that goes away, a user without a home folder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mix_data import chat_row, jsonl

from swiftagent.errors import SetupError
from swiftagent.io.shipped import user_folder

LARGER = "raise the limit of a file's size (`ulimit -f`), or choose another place"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    "words, code",
    [
        (("formats",), 0),
        (("formats", "--json"), 0),
        (("configs", "--json"), 0),
        (("--help",), 0),
        (("configs", "cp", "none"), 2),
    ],
)
def test_a_reader_that_goes_away_is_no_error(words: tuple[str, ...], code: int):
    reader, writer = os.pipe()
    os.close(reader)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "swiftagent", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert done.returncode == code
    assert "BrokenPipe" not in done.stderr and "Traceback" not in done.stderr


def test_a_user_without_a_home_folder_needs_none(tmp_path: Path):
    plan = "from swiftagent.cli import main; raise SystemExit(main(['sft', 'configs/qwen7b_agent.yaml', '--dry-run']))"
    homeless = f"import os, pwd; os.environ.pop('HOME', None); pwd.getpwuid = lambda uid: {{}}[uid]; {plan}"
    done = subprocess.run([sys.executable, "-c", homeless], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "torch.distributed.run" in done.stdout


def test_what_is_kept_for_a_user_without_a_home_folder_needs_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(SetupError, match="this user has no home folder; set HOME, or XDG_CACHE_HOME to a folder"):
        user_folder("XDG_CACHE_HOME", ".cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_folder("XDG_CACHE_HOME", ".cache") == tmp_path


def test_an_ascii_terminal_shows_any_letter_as_an_escape(swiftagent: Run, tmp_path: Path):
    (tmp_path / "问.jsonl").write_bytes(jsonl([chat_row(1)]))
    done = swiftagent("formats", "--of", "问.jsonl", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr, "\\u95ee.jsonl" in done.stdout) == (0, "", True)
    done = swiftagent("convert", "没有.jsonl", "-o", "o.jsonl", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr.startswith("error: \\u6ca1\\u6709.jsonl: no such file")) == (2, True)


def _run_limited(folder: Path, which: int, most: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "swiftagent", "convert", "a.jsonl", "-o", "o.jsonl", "-q", "-j", "2"]
    limit = lambda: resource.setrlimit(which, (most, most))  # noqa: E731
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, preexec_fn=limit)


def test_a_machine_that_is_full_is_one_line_and_leaves_no_half_file(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([chat_row(number) for number in range(200)]))
    for handles in (5, 6):
        done = _run_limited(tmp_path, resource.RLIMIT_NOFILE, handles)
        assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
        assert "Too many open files" in done.stderr and "ulimit -n 4096" in done.stderr
    done = _run_limited(tmp_path, resource.RLIMIT_FSIZE, 2000)
    assert (done.returncode, done.stderr) == (4, f"error: cannot write o.jsonl: File too large; {LARGER}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_below_stdout_is_one_line(unbuffered: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "swiftagent", "configs", "--json"], stdout=full, stderr=-1, text=True
        )
    assert done.returncode == 4
    assert done.stderr == "error: [Errno 28] No space left on device; make room on that disk, or choose another place\n"
