"""An MCP server of this program on stdio: formats, conversion, masks, set-up, runs and scores for coding agents.

  swiftagent mcp                   reads alone; what `convert` makes is shown and thrown away
  swiftagent mcp --allow-write     `convert` may write files

A client's entry: {"mcpServers": {"swiftagent": {"command": "swiftagent", "args": ["mcp"]}}}. Each tool runs one command
with --json; an exit code such as 6 (a check found a fault) is part of the result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swiftagent.commands.options import Add
from swiftagent.io.jsonl import first_values
from swiftagent.io.own_command import own_command

SHOWN_ROWS = 3


def add_arguments(add: Add) -> None:
    add("--allow-write", "let `convert` write files")


def run(args: argparse.Namespace) -> None:
    from mcp.server import MCPServer
    from mcp.types import ToolAnnotations

    from swiftagent import __version__

    about = "Fine-tune tool-calling models: read data of any format, prove loss masks, check set-ups, look at runs."
    server = MCPServer("swiftagent", instructions=about, version=__version__)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    for tool in (formats, convert_preview, inspect_check, doctor, runs, eval_results):
        server.add_tool(tool, annotations=reads)
    if args.allow_write:
        server.add_tool(convert, annotations=ToolAnnotations(destructive_hint=True))
    server.run("stdio")


async def formats(name: str = "", file: str = "", codes: bool = False) -> dict[str, Any]:
    """The formats that can be read and written, each with a sample row; one of them by `name`; the formats of a
    `file`'s first rows; or the `codes` of checks, repairs and reasons for rejection."""
    return await _answer("formats", [*_given(of=file), *(["--codes"] if codes else [])], [name] if name else [])


async def convert_preview(inputs: list[str], to: str = "react", on: list[str] | None = None) -> dict[str, Any]:
    """What `convert` would make of files, folders or hub ids: its report (rows read, written and rejected by reason,
    repairs, texts that nothing read) with the first rows and the first rejects. `to`: a format that is written. `on`:
    CODE=ACTION words. Nothing is kept."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.jsonl"
        found = await _answer("convert", [*_given(output=str(out), to=to), "--max-rejects=1", *_on(on)], inputs)
        for name, file in (("rows", out), ("rejects", out.with_suffix(".rejects.jsonl"))):
            found[name] = first_values(file, SHOWN_ROWS)
        return found


async def convert(inputs: list[str], output: str, to: str = "react", on: list[str] | None = None) -> dict[str, Any]:
    """Convert files, folders or hub ids of any format into `output` (.jsonl) and return the report. `to`: react is the
    training record. `on`: CODE=ACTION words. Exit code 3: too many rows were rejected."""
    return await _answer("convert", [*_given(output=output, to=to), *_on(on)], inputs)


async def inspect_check(file: str, model: str = "", sample: int = 0) -> dict[str, Any]:
    """Prove the loss masks of a file of training records; exit code 6 where anything is wrong. `model`: a folder or
    hub id, for ms-swift's own labels. `sample`: so many rows alone."""
    return await _answer("inspect", ["--check", *_given(model=model, sample=str(sample or ""))], [file])


async def doctor(config: str = "", settings: list[str] | None = None) -> dict[str, Any]:
    """The machine and its packages, and what training by `config` (a YAML) would run into: problems, memory, hours.
    `settings`: key=value words that override it. Exit code 4 where there are problems."""
    return await _answer("doctor", [], [*([config] if config else []), *(settings or [])])


async def runs(name: str = "", folder: str = "runs") -> dict[str, Any]:
    """The training runs in a folder, or one by `name`: its state, settings and metrics."""
    return await _answer("runs", _given(runs=folder), ["show", name] if name else [])


async def eval_results(names: list[str], folder: str = "runs") -> dict[str, Any]:
    """The scores of runs that were evaluated, by name."""
    return await _answer("eval", _given(runs=folder), ["compare", *names])


def _given(**values: str) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items() if value]


def _on(words: Sequence[str] | None) -> list[str]:
    return [f"--on={word}" for word in words or ()]


async def _answer(command: str, options: list[str], words: list[str]) -> dict[str, Any]:
    """What a command prints with --json, with its exit code. Raises ToolError with its error where it has no
    result."""
    from anyio import run_process
    from mcp.server.mcpserver.exceptions import ToolError

    # Options that write or run code are not for clients, and stdin is the protocol's.
    if refused := [word for word in words if word.startswith("-")]:
        raise ToolError(f"{refused[0]}: neither an option nor stdin can be given; ./{refused[0]} is a file")
    argv = own_command(command, *options, "--json", *words)
    done = await run_process(argv, stdin=subprocess.DEVNULL, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {"error": {"message": done.stderr.decode(errors="replace")[-4000:]}}
    if set(found) == {"error"}:
        raise ToolError(found["error"]["message"])
    return {"exit_code": done.returncode, "result": found}
