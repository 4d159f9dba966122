"""The options that `infer` and `serve` share, and what they make of them: an engine, a toolbox, limits, a grammar."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.agent.loop import Grammar, Limits, ReAct, start
from swiftagent.agent.native import Native
from swiftagent.commands.options import above_zero, add_loading_arguments, options, positive, server_of
from swiftagent.errors import ConfigError
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import Toolbox
from swiftagent.train.runs import find_run, newest_run
from swiftagent.trajectory.prompts import STYLES, split_prompt
from swiftagent.trajectory.style import exported_style, prompt_style
from swiftagent.trajectory.types import Trajectory


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    model = options(parser, "the model")
    model("--run NAME", "a run under runs/, or its folder; the newest one where nothing is named")
    model("--checkpoint best|last|N", "which checkpoint of the run", default="best")
    model("--model M", "a model folder or hub id; with --engine openai, the server's name for it")
    model("--adapter A", "an adapter folder; its base is found by itself")
    add_loading_arguments(model)
    model("--temperature", "0 always takes the likeliest token", type=float, default=0.0)
    model("--prompt", "how tools are listed; auto: as trained, else as the tools need", choices=STYLES, default="auto")
    model("--language", "of the prompt's own words", choices=("auto", "en", "zh"), default="auto")


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    limits = options(parser, "limits")
    limits("--max-steps N", "calls of one question", type=positive, default=10)
    limits("--max-tokens N", "tokens that the model writes for one question", type=positive, default=8192)
    limits("--step-tokens N", "tokens of one step", type=positive, default=1024)
    limits("--max-seconds S", "of one question", type=above_zero, default=600)
    limits("--max-repeats N", "identical calls", type=positive, default=3)


def add_tool_arguments(parser: argparse.ArgumentParser) -> None:
    tools = options(parser, "tools")
    tools(
        "--tools WHAT",
        "a .py file of functions, an mcp.json, mcp:COMMAND, a URL, openapi:SPEC@URL, a tools .json, or one of "
        "calculator, clock, units, memory, http:HOST, human; repeatable",
        action="append",
        default=[],
    )
    tools("--mock FILE", "canned results for tools without code", default="")
    tools("--tool-seconds S", "of one call", type=float, default=30)
    tools("--tool-memory GB", "of a tool file's process", type=float, default=4)
    tools("--tool-env NAME", "a variable that tools may see; repeatable", action="append", default=[])


@console.progress("loading the model")
def load(args: argparse.Namespace) -> Any:
    """The engine that the arguments ask for. Raises ConfigError or SetupError."""
    from swiftagent.backend.engine import load_engine, resolve

    if args.engine == "openai" or args.base_url:
        server = server_of(args, seconds=args.max_seconds, tell=console.warn)
        return load_engine(args.model, None, args.template, "openai", server=server, model_type=args.model_type)
    model, adapter, template = args.model, args.adapter, args.template
    if args.run or not (model or adapter):
        model, adapter, template = _of_run(args)
    elif args.prompt == "auto":
        args.prompt = exported_style(adapter or model) or "auto"
    if getattr(args, "compare", False) and not resolve(model, adapter).adapter:
        raise ConfigError(
            f"--compare: {model} has no adapter, so there is no base to compare with; name an adapter's run"
        )
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


def grammar_of(args: argparse.Namespace) -> Grammar:
    return Native() if args.native else ReAct(args.prompt, args.language)


def system_of(given: str | None) -> str:
    """`--system TEXT` or `--system @FILE`. Raises ConfigError."""
    if not given or not given.startswith("@"):
        return given or ""
    try:
        return Path(given[1:]).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--system {given}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def empty_conversation(toolbox: Toolbox, system: str) -> Trajectory:
    """A system prompt that is a whole ReAct prompt declares its tools, which the user then answers for."""
    split = split_prompt(system)
    if split is None:
        return start(toolbox.specs, system)
    own, declared = split
    known = {tool.name for tool in toolbox.specs}
    return start((*toolbox.specs, *(tool for tool in declared if tool.name not in known)), own)
