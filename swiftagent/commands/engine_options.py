"""The options of commands whose work is divided, and the workers that they ask for: processes here, or tasks on a Ray cluster."""

from __future__ import annotations

import argparse

from swiftagent.mix_workers import Workers, cores


def add_engine_arguments(parser: argparse.ArgumentParser, default: str = "as many as there are cores") -> None:
    add = parser.add_argument
    add("-j", "--processes", type=_count, metavar="N", help=f"default: {default}")
    add("--engine", choices=("local", "ray"), default="local", help="ray: the same bytes by a Ray cluster (the extra `ray`)")
    add("--ray-address", metavar="ADDRESS", help="an existing cluster; default: one is started here")


def open_workers(args: argparse.Namespace, default: int = 0) -> Workers:
    """What the options name; `default` processes where they name no number, or all cores. Raises SetupError for want of Ray."""
    if args.engine == "ray":
        from swiftagent.mix_ray import RayWorkers

        return RayWorkers(args.ray_address, args.processes)
    return Workers(args.processes or default or cores())


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of processes")
    return number
