"""Where this process stands among several machines: from the config, else from torchrun's, PET_ or SLURM variables."""

from __future__ import annotations

import os
import re
import socket
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
    which = f"nodes: {nodes}, and the rank of this one is not given: node_rank=0 on the first"
    where = f"nodes: {nodes} need master=HOST:PORT, the first node as the others reach it"
    problems = [] if rank is not None else [f"{config.place('nodes')}: {which}"]
    problems += [] if master else [f"{config.place('nodes')}: {where}"]
    if rank is not None and rank >= nodes:
        problems.append(f"{config.place('node_rank')}: node_rank: {rank} of {nodes} nodes; it counts from 0")
    if problems and not lenient:
        raise ConfigError(problems)
    host, _, port = (master or "MASTER_HOST").partition(":")
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
    """The first host of a list as SLURM writes it: gpu[03-07,9],login1 begins with gpu03. "" without a list."""
    listed = env.get("SLURM_JOB_NODELIST") or env.get("SLURM_NODELIST") or ""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", listed)
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", first[0]) if first else ""
