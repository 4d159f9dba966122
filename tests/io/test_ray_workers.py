"""`--engine ray`: the same mix, conversion and check on a cluster of two node processes, with a worker killed
midway."""

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
from convert_inputs import several_inputs
from mix_data import agent_row, chat_row, jsonl

from swiftagent.errors import SetupError
from swiftagent.io.ray_workers import RayWorkers

ray: Any = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_address_where_nothing_answers_is_reported():
    with pytest.raises(SetupError, match=r"^--ray-address 127\.0\.0\.1:1: no Ray cluster answers .*refused"):
        RayWorkers("127.0.0.1:1")


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


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "swiftagent", *map(str, words)]


def run_with_a_killed_worker(words: list[str], folder: Path) -> tuple[int, str]:
    """(exit code, stdout) of a command on the cluster, one of whose workers is killed while it runs a task."""
    run = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
    killed: list[int] = []

    def kill_one() -> None:
        end = time.monotonic() + 200
        while not killed and time.monotonic() < end and run.poll() is None:
            for pid in ray_workers()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.005)

    threading.Thread(target=kill_one, daemon=True).start()
    told, _ = run.communicate(timeout=500)
    assert killed
    return run.returncode, told


def ray_workers() -> list[int]:
    """Processes of this test's own cluster that are running a task of ours."""
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


def same(folder: Path, one: str, other: str, *names: str) -> None:
    for name in names:
        assert (folder / one / name).read_bytes() == (folder / other / name).read_bytes(), name


def by_each_engine(cluster: str, folder: Path, *words: object) -> list[tuple[int, str]]:
    """(exit code, stdout) of a command by one process, by two, and by the cluster; {} in its words is one, two or
    ray."""
    found = []
    for name, way in {"one": ["-j", 1], "two": ["-j", 2], "ray": ["--engine", "ray", "--ray-address", cluster]}.items():
        argv = command(*(str(word).replace("{}", name) for word in words), *way)
        if name == "ray":
            found.append(run_with_a_killed_worker(argv, folder))
        else:
            done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
            found.append((done.returncode, done.stdout))
    return found


def test_a_mix(cluster: str, tmp_path: Path):
    (tmp_path / "agent.jsonl").write_bytes(jsonl([agent_row(number) for number in range(1600)]))
    (tmp_path / "chat.jsonl").write_bytes(jsonl([chat_row(number) for number in range(2200)]))
    words = [
        "mix",
        "--agent",
        1500,
        "--agent-source",
        "agent.jsonl",
        "--general",
        2000,
        "--general-source",
        "chat.jsonl",
        "-q",
    ]
    assert subprocess.run(command(*words, "-o", "local/mix.jsonl"), cwd=tmp_path).returncode == 0
    on_ray = command(*words, "-o", "ray/mix.jsonl", "--engine", "ray", "--ray-address", cluster)
    assert run_with_a_killed_worker(on_ray, tmp_path)[0] == 0
    same(tmp_path, "local", "ray", "mix.jsonl", "mix.val.jsonl", "mix.manifest.json", "mix.report.json")
    assert json.loads((tmp_path / "ray" / "mix.manifest.json").read_text())["rows"] == {"mix": 3465, "val": 35}


def test_a_conversion(cluster: str, tmp_path: Path):
    inputs = [path.name for path in several_inputs(tmp_path)]
    found = by_each_engine(cluster, tmp_path, "convert", *inputs, "-o", "{}/out.jsonl", "--json")
    assert [code for code, _ in found] == [0, 0, 0]
    one, two, three = ({**json.loads(told), "output": ""} for _, told in found)
    assert one == two == three and (one["rows_in"], one["merged"], one["rejected"]) == (6062, 6, 4)
    for other in ("two", "ray"):
        same(tmp_path, "one", other, "out.jsonl", "out.rejects.jsonl")
        assert len(list((tmp_path / other).iterdir())) == 3
    words = [
        "convert",
        *inputs,
        "-o",
        "shards/out.jsonl",
        "--shards",
        3,
        "--engine",
        "ray",
        "--ray-address",
        cluster,
        "-q",
    ]
    assert subprocess.run(command(*words), cwd=tmp_path).returncode == 0
    joined = b"".join(path.read_bytes() for path in sorted((tmp_path / "shards" / "out").iterdir()))
    assert joined == (tmp_path / "one" / "out.jsonl").read_bytes()


def test_a_check_that_finds_faults(cluster: str, tmp_path: Path):
    lines = [json.dumps(row).encode() + b"\n" for row in map(record, range(20_000))]
    (tmp_path / "rows.jsonl").write_bytes(b"\n" + b"".join(lines))
    one, two, three = by_each_engine(cluster, tmp_path, "inspect", "rows.jsonl", "--check", "--json")
    assert one == two == three and one[0] == 6
    found = json.loads(one[1])
    assert (found["rows"], found["faults_total"], found["faults"][-1]["row"]) == (20_000, 2000, 9992)


def record(number: int) -> dict[str, Any]:
    """A training record of half a kilobyte, every tenth of which is faulty: it ends on something masked."""
    said = {"role": "assistant", "content": "said " * 90} | ({} if number % 10 else {"loss": False})
    return {
        "messages": [{"role": "user", "content": f"{number}?", "loss": False}, said],
        "channel": "general",
        "id": str(number),
        "source": "",
    }


@pytest.mark.needs_swift
def test_a_check_with_a_model(cluster: str, tmp_path: Path, root: Path):
    (tmp_path / "rows.jsonl").write_bytes(jsonl([record(number) for number in range(100)]))
    words = ["inspect", "rows.jsonl", "--check", "--json", "--model", root / "datasets" / "tiny-base"]
    words += ["--option", "model_type=qwen2", "--template", "chatml"]
    one = subprocess.run(command(*words), cwd=tmp_path, capture_output=True, text=True)
    words += ["--engine", "ray", "--ray-address", cluster]
    other = subprocess.run(command(*words), cwd=tmp_path, capture_output=True, text=True)
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
    assert one.returncode == 6
