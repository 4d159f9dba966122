"""Where this process stands among several machines: from the config, else from torchrun's, PET_ or SLURM variables."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Mapping

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.train.config import Config

DEFAULT_PORT = 29500


class Place(msgspec.Struct, frozen=True):
    """One node of a launch. `rank` is 0 on the master; `port` 0 asks for a free one."""

    nodes: int = 1
    rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0


def find_place(config: Config, env: Mapping[str, str] | None = None, *, lenient: bool = False) -> Place:
    """Raises ConfigError where several nodes are wanted and their master or this node's rank is not to be found.

    `lenient`, for a dry run: what is missing is named MASTER_HOST, and the rank is 0.
    """
    if env is None:
        # As it is now: `datasets` puts another object there, so that a default argument would be out of date.
        env = os.environ
    nodes = config.nodes or _number(env, "PET_NNODES", "NNODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") or 1
    if nodes == 1:
        return Place()
    rank = config.node_rank
    if rank is None:
        rank = _number(env, "PET_NODE_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_NODEID")
    master = config.master or env.get("PET_MASTER_ADDR") or env.get("MASTER_ADDR") or _first_slurm_node(env)
    problems = []
    if rank is None:
        problems.append(
            f"{config.place('nodes')}: nodes: {nodes}, and which this one is is not said: node_rank=0 on the first"
        )
    elif rank >= nodes:
        problems.append(f"{config.place('node_rank')}: node_rank: {rank} of {nodes} nodes; it counts from 0")
    if not master:
        problems.append(
            f"{config.place('nodes')}: nodes: {nodes} need master=HOST:PORT, the first node as the others reach it"
        )
    if lenient:
        rank, master = rank or 0, master or "MASTER_HOST"
    elif problems:
        raise ConfigError(problems)
    host, _, port = master.partition(":")
    number = int(port) if port.isdigit() else _number(env, "PET_MASTER_PORT", "MASTER_PORT") or DEFAULT_PORT
    return Place(nodes, rank or 0, host, number)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _number(env: Mapping[str, str], *names: str) -> int | None:
    for name in names:
        value = env.get(name, "").partition(":")[2] or env.get(name, "")  # PET_NNODES may be "1:4"
        if value.isdigit():
            return int(value)
    return None


def _first_slurm_node(env: Mapping[str, str]) -> str:
    listed = env.get("SLURM_JOB_NODELIST") or env.get("SLURM_NODELIST") or ""
    if not listed:
        return ""
    try:
        done = subprocess.run(["scontrol", "show", "hostnames", listed], capture_output=True, text=True, timeout=10)
        if done.stdout.split():
            return done.stdout.split()[0]
    except (OSError, subprocess.TimeoutExpired):
        pass
    ranged = re.match(r"([^\[,]+)\[(\d+)", listed)  # node[03-07,9] starts at node03
    return "".join(ranged.groups()) if ranged else listed.split(",")[0]
