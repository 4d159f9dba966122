"""What the options of `infer` and `serve` ask for: an engine, a toolbox, limits, a grammar, a first conversation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.agent.loop import Grammar, Limits, ReAct, start
from swiftagent.agent.native import Native
from swiftagent.backend.engine import load_engine, resolve
from swiftagent.commands.options import server_of
from swiftagent.errors import refuse
from swiftagent.io.yaml_file import read_text
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import Toolbox
from swiftagent.train.runs import find_run, newest_run
from swiftagent.trajectory.prompts import split_prompt
from swiftagent.trajectory.style import exported_style, prompt_style
from swiftagent.trajectory.types import Trajectory


@console.progress("loading the model")
def load(args: argparse.Namespace) -> Any:
    """The engine that the arguments ask for. Raises ConfigError or SetupError."""
    if args.engine == "openai" or args.base_url:
        server = server_of(args, seconds=args.max_seconds, tell=console.warn)
        return load_engine(args.model, None, args.template, "openai", server=server, model_type=args.model_type)
    model, adapter, template = args.model, args.adapter, args.template
    if args.run or not (model or adapter):
        model, adapter, template = _of_run(args)
    elif args.prompt == "auto":
        args.prompt = exported_style(adapter or model) or "auto"
    if getattr(args, "compare", False):
        problem = f"--compare: {model} has no adapter, so there is no base to compare with; name an adapter's run"
        refuse({problem: not resolve(model, adapter).adapter})
    settings = {name: getattr(args, name) for name in ("model_type", "device", "trust_remote_code")}
    return load_engine(model, adapter, template, args.engine, **settings)


def _of_run(args: argparse.Namespace) -> tuple[str | None, str | None, str | None]:
    found = find_run(args.run) if args.run else newest_run()
    if args.prompt == "auto":
        args.prompt = prompt_style(found.data_files()) or "auto"
    checkpoint = found.checkpoint(args.checkpoint)
    print(f"model: {checkpoint}", file=sys.stderr)
    if (checkpoint / "adapter_config.json").is_file():
        return args.model, str(checkpoint), args.template or found.template
    return str(checkpoint), None, args.template or found.template


def tool_options(args: argparse.Namespace) -> Options:
    return Options(args.tool_seconds, int(args.tool_memory * (1 << 30)), tuple(args.tool_env), mock=args.mock)


def limits_of(args: argparse.Namespace) -> Limits:
    return Limits(args.max_steps, args.max_tokens, args.max_seconds, args.max_repeats, args.step_tokens)


def grammar_of(args: argparse.Namespace, engine: Any) -> Grammar:
    if not args.native:
        return ReAct(args.prompt, args.language)
    return Native(engine.read_calls)


def system_of(given: str | None) -> str:
    """`--system TEXT` or `--system @FILE`. Raises ConfigError."""
    if not given or not given.startswith("@"):
        return given or ""
    return read_text(Path(given[1:]), f"--system {given}").rstrip("\n")


def empty_conversation(toolbox: Toolbox, system: str) -> Trajectory:
    """A system prompt that is a whole ReAct prompt declares its tools, which the user then answers for."""
    split = split_prompt(system)
    if split is None:
        return start(toolbox.specs, system)
    own, declared = split
    known = {tool.name for tool in toolbox.specs}
    return start((*toolbox.specs, *(tool for tool in declared if tool.name not in known)), own)
