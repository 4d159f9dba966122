"""The edge of the program: a reader that goes away, a user without a home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swiftagent.errors import SetupError
from swiftagent.io.shipped import user_folder


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
