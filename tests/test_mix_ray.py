"""`--engine ray`: the same mix on a cluster of two node processes, with a worker killed midway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mix_data import agent_row, chat_row, jsonl

ray: Any = pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A head and one more node, each its own processes; the address of the head."""
    from ray.cluster_utils import Cluster

    made = Cluster()
    try:
        made.add_node(num_cpus=1, include_dashboard=False)
        made.add_node(num_cpus=1)
    except Exception as error:  # Ray gives its own processes thirty seconds to come up
        made.shutdown()
        pytest.skip(f"Ray could not start two nodes on this machine in time: {error}")
    yield made.address
    made.shutdown()


def words(out: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "swiftagent", "mix", "--agent", "1500", "--agent-source", "agent.jsonl"),
        *("--general", "2000", "--general-source", "chat.jsonl", "-o", out, "-q", *more),
    ]


def ray_workers() -> list[int]:
    """Processes of this test's own cluster that are running a task of the mix."""
    found = [os.getpid()]
    for parent in found:
        for task in _read(f"/proc/{parent}/task/{parent}/children").split():
            found.append(int(task))
    return [pid for pid in found if "ray::_call" in _read(f"/proc/{pid}/cmdline")]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # the process has just ended
        return ""


@pytest.mark.filterwarnings("ignore")
def test_two_nodes_and_a_killed_worker_give_the_bytes_of_one_machine(cluster: str, tmp_path: Path):
    (tmp_path / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(1600)]))
    (tmp_path / "chat.jsonl").write_bytes(jsonl([chat_row(number) for number in range(2200)]))
    assert subprocess.run(words("local/mix.jsonl"), cwd=tmp_path).returncode == 0
    run = subprocess.Popen(words("ray/mix.jsonl", "--engine", "ray", "--ray-address", cluster), cwd=tmp_path)
    killed = []

    def kill_one() -> None:
        end = time.monotonic() + 200
        while not killed and time.monotonic() < end and run.poll() is None:
            for pid in ray_workers()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.005)

    threading.Thread(target=kill_one, daemon=True).start()
    assert run.wait(timeout=500) == 0
    assert killed
    for name in ("mix.jsonl", "mix.val.jsonl", "mix.manifest.json", "mix.report.json"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
    assert json.loads((tmp_path / "ray" / "mix.manifest.json").read_text())["rows"] == {"mix": 3465, "val": 35}
