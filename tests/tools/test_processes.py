"""A tool's program ends with all that it started, whatever session, environment and signals that has."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import attack_functions
import attack_mcp
import pytest
from processes_seen import is_running

from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import Toolbox, open_toolbox
from swiftagent.trajectory.types import Call


def opened(word: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
    monkeypatch.chdir(folder)
    shutil.copy(attack_functions.__file__, folder)
    return open_toolbox([word], Options(seconds=2))


def left(folder: Path) -> list[str]:
    """What the tools started and left."""
    return (folder / "left").read_text().split()


def all_run(processes: list[str]) -> bool:
    """Whether all run within ten seconds: until it has its arguments, a new process seems to have none."""
    until = time.monotonic() + 10
    while not all(map(is_running, processes)) and time.monotonic() < until:
        time.sleep(0.02)
    return all(map(is_running, processes))


def test_daemons_without_environment_and_deaf_tools_end_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened("attack_functions.py", tmp_path, monkeypatch) as box:
        for name in ("own_session", "daemon"):
            assert box.call(Call(name, {})).text == "started"
        assert len(left(tmp_path)) == 3 and all_run(left(tmp_path))
        for name in ("daemon_and_hang", "deaf"):
            assert box.call(Call(name, {})).error.endswith("2 seconds and was stopped")
        # The worker was ended with all of its calls.
        assert not any(map(is_running, left(tmp_path)))
        assert box.call(Call("daemon_and_crash", {})).error == "the tool's process ended (exit code 3)"
        assert box.call(Call("crash", {})).error == "the tool's process ended (signal SIGSEGV)"
    assert len(left(tmp_path)) == 6 and not any(map(is_running, left(tmp_path)))


@pytest.mark.parametrize("parent", ["os.getppid()", "int(open(f'/proc/{os.getppid()}/stat').read().split()[3])"])
def test_a_tool_that_kills_what_watches_over_it_leaves_nothing(tmp_path: Path, parent: str):
    (tmp_path / "killer.py").write_text(
        "import os, signal, subprocess, time\n\n\ndef kill():\n"
        "    left = subprocess.Popen(['sleep', '100'], start_new_session=True, env={'PATH': os.environ['PATH']})\n"
        f"    open({str(tmp_path / 'left')!r}, 'w').write(str(left.pid))\n"
        f"    os.kill({parent}, signal.SIGKILL)\n    time.sleep(100)\n"
    )
    with open_toolbox([str(tmp_path / "killer.py")], Options(seconds=10)) as box:
        assert box.call(Call("kill", {})).error == "the tool's process ended (signal SIGKILL)"
    until = time.monotonic() + 20
    while is_running(left(tmp_path)[0]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(left(tmp_path)[0])


def test_what_an_mcp_server_started_without_environment_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(f"mcp:{sys.executable} {attack_mcp.__file__} grandchild", tmp_path, monkeypatch) as box:
        assert box.call(Call("act", {})).text == "fine"
        assert len(left(tmp_path)) == 2 and all_run(left(tmp_path))
    assert not any(map(is_running, left(tmp_path)))


def test_a_run_that_is_killed_takes_its_tools_with_it(tmp_path: Path):
    shutil.copy(attack_functions.__file__, tmp_path)
    code = (
        "from swiftagent.tools.toolbox import open_toolbox; from swiftagent.trajectory.types import Call; "
        "open_toolbox(['attack_functions.py']).call(Call('daemon_and_hang', {}))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    end = time.monotonic() + 30
    while not (tmp_path / "left").exists() or not left(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    while is_running(left(tmp_path)[0]) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(left(tmp_path)[0])
