"""Options of the command line, one a line, as its help shows them: `add("-o --output FILE", "where it goes")`; and
those that several commands have."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.errors import refuse
from swiftagent.io.words import share
from swiftagent.io.workers import Workers, cores

_ALL_CORES = "as many as there are cores"
_LARGE = 4 << 20  # bytes of input that are worth the start of more processes


class Add:
    """Adds options to a parser, or to one titled group of its help."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def group(self, title: str) -> Add:
        return Add(self._parser.add_argument_group(title))

    def __call__(self, words: str, about: str | None = None, **more: Any) -> None:
        """`words`: its names and what its value is called. A name with neither that nor anything else is a switch."""
        names = [word for word in words.split() if word.startswith("-")] or words.split()[:1]
        value = words.split(maxsplit=len(names))[len(names) :]
        if value:
            more["metavar"] = value[0]
        elif not more:
            more["action"] = "store_true"
        self._parser.add_argument(*names, help=about, **more)


def parser_of(name: str) -> argparse.ArgumentParser:
    """What reads the words of a command where it is no process of its own."""
    parser = argparse.ArgumentParser(prog=f"swiftagent {name}", allow_abbrev=False)
    importlib.import_module(f"swiftagent.commands.{name}").add_arguments(Add(parser))
    return parser


def given(args: argparse.Namespace, kind: Any) -> dict[str, Any]:
    """The arguments that are named as fields of a Struct."""
    return {name: getattr(args, name) for name in kind.__struct_fields__ if hasattr(args, name)}


def add_loading_arguments(add: Add) -> None:
    """How a model is loaded, or reached at a server."""
    add("--template TEMPLATE", "ms-swift's template, where it cannot be found from the model")
    add("--model-type MODEL_TYPE", "ms-swift's model type, where the config names none it knows")
    add("--engine", choices=("auto", "transformers", "vllm", "openai"), default="auto")
    add("--base-url URL", "a server with OpenAI's interface, as http://127.0.0.1:8000/v1; --model is its name there")
    add("--api-key-env NAME", "the variable that holds its key", default="OPENAI_API_KEY")
    add("--tokenizer M", "a folder or hub id: prompts for the server are written as in training")
    add("--device", "auto, cpu or cuda:N", default="auto")
    add("--trust-remote-code", "let a model run code that it brings")
    add("--native", "the model's own tool calls (hermes, qwen3, ...) in place of ReAct")


def server_of(args: argparse.Namespace, **more: Any) -> Any:
    """The server that the loading arguments name. Raises ConfigError."""
    from swiftagent.backend.loading import Server

    problem = "--engine openai needs --base-url URL and --model NAME, the server's own name for the model"
    refuse({problem: not (args.base_url and args.model)})
    return Server(args.base_url, os.environ.get(args.api_key_env, ""), args.tokenizer, **more)


def add_output_arguments(add: Add, default: str = _ALL_CORES) -> None:
    """Where rows, their report and their rejects go beside the one file of the command, and what makes them."""
    add("--report FILE", "default x.report.json beside x.jsonl", type=Path)
    add("--rejects FILE", "default x.rejects.jsonl beside x.jsonl", type=Path)
    add("--shards N", "write the rows to train on as N files in the folder x for x.jsonl", type=count, default=0)
    add("--shard-format", "of the shards (default jsonl)", choices=("jsonl", "parquet"), default="jsonl")
    add("--upload URL", "put every file there too: s3://, oss://, hdfs://, any that fsspec knows")
    add_engine_arguments(add, default)


def add_engine_arguments(add: Add, default: str = _ALL_CORES) -> None:
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


def print_json(value: Any) -> None:
    """A result on stdout as one JSON object."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_result(
    value: Any, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], as_json: bool, notes: str = ""
) -> None:
    """A result on stdout: a table with lines below it, or one JSON object where --json asks for it."""
    if as_json:
        return print_json(value)
    console.table(title, columns, rows, console=console.out)
    return console.tell(notes) if notes else None


def count(text: str) -> int:
    """A whole number from 0 up, also as 30,000. Raises ArgumentTypeError."""
    value = int(text.replace("_", "").replace(",", ""))
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def positive(text: str) -> int:
    """A whole number from 1 up. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text!r}")
    return int(text)


def share_of(text: str) -> float:
    """`2%` or a share from 0 to 1. Raises ArgumentTypeError."""
    try:
        return share(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 2% or a number from 0 to 1") from None


def above_zero(text: str) -> float:
    """Raises ArgumentTypeError."""
    if not (value := float(text)) > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def from_zero(text: str) -> float:
    """Raises ArgumentTypeError."""
    if not (value := float(text)) >= 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 up, got {text!r}")
    return value
