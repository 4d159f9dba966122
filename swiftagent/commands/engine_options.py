"""The options of commands whose work is divided, and the workers that they ask for: processes here, or tasks on a Ray
cluster."""

from __future__ import annotations

import argparse

from swiftagent.commands.options import options, positive
from swiftagent.io.workers import Workers, cores

_LARGE = 4 << 20  # bytes of input that are worth the start of more processes


def add_engine_arguments(parser: argparse.ArgumentParser, default: str = "as many as there are cores") -> None:
    add = options(parser)
    add("-j --processes N", f"default: {default}", type=positive)
    add("--engine", "ray: the same bytes by a Ray cluster (the extra `ray`)", choices=("local", "ray"), default="local")
    add("--ray-address ADDRESS", "an existing cluster; default: one is started here")


def open_workers(args: argparse.Namespace, size: int = _LARGE) -> Workers:
    """What the options name; where they name no number, one process for `size` bytes that are few. Raises
    SetupError."""
    if args.engine == "ray":
        from swiftagent.io.ray_workers import RayWorkers

        return RayWorkers(args.ray_address, args.processes)
    return Workers(args.processes or (cores() if size >= _LARGE else 1))
