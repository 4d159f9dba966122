"""The shell completes commands and options, by asking the program itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


def completed(swiftagent: Run, folder: Path, line: str) -> list[str]:
    """What the shell is answered for a line that it asks with."""
    out = folder / "answer"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(out), "_ARGCOMPLETE_IFS": "\n"}
    done = swiftagent(env={**asked, "COMP_LINE": line, "COMP_POINT": str(len(line))})
    assert done.returncode == 0, done.stderr
    return [word.strip() for word in out.read_text().split("\n")]


def test_commands_and_their_options_are_completed(swiftagent: Run, tmp_path: Path):
    assert completed(swiftagent, tmp_path, "swiftagent conv") == ["convert"]
    assert completed(swiftagent, tmp_path, "swiftagent convert --max-r") == ["--max-rejects"]
    assert completed(swiftagent, tmp_path, "swiftagent export mer") == ["merge"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own_script(shell: str, swiftagent: Run):
    done = swiftagent("completion", shell)
    assert (done.returncode, "_ARGCOMPLETE" in done.stdout) == (0, True)
