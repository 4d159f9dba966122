"""What this machine has, found without importing torch: GPUs by nvidia-smi, packages by their metadata. And where this
process stands among several machines: from the config, else from torchrun's, PET_ or SLURM variables."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import socket
import subprocess
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.train.config import Config
from swiftagent.train.options import TABLES

PACKAGES = ("ms-swift", "torch", "transformers", "peft", "modelscope", "deepspeed", "datasets", "accelerate")
OPTIONAL_PACKAGES = ("kernels", "vllm", *TABLES["packages"].values(), *TABLES["optimizers"].values())
GIB = 1 << 30
DEFAULT_PORT = 29500  # of a launch on several machines


class Gpu(msgspec.Struct, frozen=True):
    """One visible GPU. Memory in bytes; `capability` as (8, 0)."""

    index: int
    name: str
    total: int
    free: int
    capability: tuple[int, int]


class Machine(msgspec.Struct, frozen=True):
    """Plain facts that a launch is planned from; a test makes its own."""

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cpus: int = 1
    memory: int = 0  # bytes of host memory available
    packages: dict[str, str] = {}

    @property
    def capability(self) -> tuple[int, int]:
        """What all GPUs can do; (0, 0) without one."""
        return min((gpu.capability for gpu in self.gpus), default=(0, 0))

    def has(self, package: str) -> bool:
        return package in self.packages


def look() -> Machine:
    """The machine as it is now. Never fails: what cannot be seen is absent."""
    gpus, driver = _gpus()
    return Machine(gpus, driver, os.cpu_count() or 1, _free_memory(), packages())


@lru_cache
def packages() -> dict[str, str]:
    """Version of every installed package that matters here."""
    found = {}
    for name in (*PACKAGES, *OPTIONAL_PACKAGES):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def trainer_entry() -> str:
    """The file that `swift sft` itself runs under torchrun; found without importing ms-swift. "" where it is not
    installed."""
    spec = importlib.util.find_spec("swift")
    if spec is None or not spec.submodule_search_locations:
        return ""
    return str(Path(next(iter(spec.submodule_search_locations))) / "cli" / "sft.py")


def describe() -> dict[str, str]:
    """What is written into a run folder, so that a run can be distinguished from another machine's."""
    return {"python": platform.python_version(), "platform": platform.platform(), **packages()}


def _gpus() -> tuple[tuple[Gpu, ...], str]:
    fields = "index,name,memory.total,memory.free,compute_cap,driver_version,uuid"
    try:
        asked = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return (), ""
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    rows = [row for row in rows if len(row) == 7 and row[0].isdigit()]
    gpus = [_gpu(*row[:5]) for row in rows]
    uuids = {row[6]: int(row[0]) for row in rows}
    return _visible(gpus, uuids), rows[-1][5] if rows else ""


def _gpu(index: str, name: str, total: str, free: str, capability: str) -> Gpu:
    major, _, minor = capability.partition(".")
    level = (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
    # A card in MIG mode, or one that is shared, says [N/A].
    size, room = (int(cell) << 20 if cell.isdigit() else 0 for cell in (total, free))
    return Gpu(int(index), name, size, room, level)


def _visible(gpus: list[Gpu], uuids: dict[str, int]) -> tuple[Gpu, ...]:
    """CUDA_VISIBLE_DEVICES as CUDA reads it: it ends at the first entry that names no GPU."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return tuple(gpus)
    by_index = {gpu.index: gpu for gpu in gpus}
    visible = []
    for word in filter(None, (word.strip() for word in listed.split(","))):
        index = int(word) if word.isdigit() else uuids.get(word, -1)
        if index not in by_index:
            break
        visible.append(by_index[index])
    return tuple(visible)


def _free_memory() -> int:
    path = Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+)", path.read_text()) if path.is_file() else None
    return int(found[1]) << 10 if found else 0


# several machines
# ---------------------------------------------------------------------------------------------------------------


class Place(msgspec.Struct, frozen=True):
    """One node of a launch. `rank` is 0 on the master; `port` 0 asks for a free one."""

    nodes: int = 1
    rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0


def find_place(config: Config, *, lenient: bool = False) -> Place:
    """Raises ConfigError where several nodes are wanted and their master or this node's rank is not to be found.

    `lenient`, for a dry run: what is missing is named MASTER_HOST, and the rank is 0.
    """
    nodes = config.nodes or _number("PET_NNODES", "NNODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") or 1
    if nodes == 1:
        return Place()
    rank = config.node_rank
    if rank is None:
        rank = _number("PET_NODE_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_NODEID")
    master = config.master or os.environ.get("PET_MASTER_ADDR") or os.environ.get("MASTER_ADDR") or _first_slurm_node()
    which = f"nodes: {nodes}, and the rank of this one is not given: node_rank=0 on the first"
    where = f"nodes: {nodes} need master=HOST:PORT, the first node as the others reach it"
    problems = [] if rank is not None else [f"{config.place('nodes')}: {which}"]
    problems += [] if master else [f"{config.place('nodes')}: {where}"]
    if rank is not None and rank >= nodes:
        problems.append(f"{config.place('node_rank')}: node_rank: {rank} of {nodes} nodes; it counts from 0")
    if problems and not lenient:
        raise ConfigError(problems)
    host, _, port = (master or "MASTER_HOST").partition(":")
    number = int(port) if port.isdigit() else _number("PET_MASTER_PORT", "MASTER_PORT") or DEFAULT_PORT
    return Place(nodes, rank or 0, host, number)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _number(*names: str) -> int | None:
    for name in names:
        value = os.environ.get(name, "").partition(":")[2] or os.environ.get(name, "")  # PET_NNODES may be "1:4"
        if value.isdigit():
            return int(value)
    return None


def _first_slurm_node() -> str:
    """The first host of a list as SLURM writes it: gpu[03-07,9],login1 begins with gpu03. "" without a list."""
    listed = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST") or ""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", listed)
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", first[0]) if first else ""
