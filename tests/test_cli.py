"""The edge of the program: exit codes and one line for whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


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
