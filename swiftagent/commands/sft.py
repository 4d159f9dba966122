"""Train from one YAML: what would fail is told first, then `swift sft` runs under torchrun, and the run can be read and
resumed.

swiftagent sft configs/qwen7b_agent.yaml
swiftagent sft configs/qwen7b_agent.yaml learning_rate=1e-4 gpus=2
swiftagent sft configs/qwen7b_agent.yaml --dry-run
swiftagent sft --resume [NAME]
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from swiftagent.commands.options import options
from swiftagent.errors import ConfigError, SetupError
from swiftagent.train.config import Config, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = options(parser)
    add("words CONFIG key=value", "the config, then settings that override it", nargs="*")
    add("--dry-run", "print the exact command and environment, and start nothing")
    add("--resume NAME", "go on with a run from its last complete checkpoint", nargs="?", const="")
    add("--json", "print the result (or the planned command) as one JSON object")
    add("-v --verbose", "show the trainer's log as it is written")
    add("-q --quiet", "say only what is wrong and where the result is")


def run(args: argparse.Namespace) -> int:
    words: list[str] = args.words
    if args.resume and "=" in args.resume:  # `sft --resume key=value` resumes the newest run
        words, args.resume = [args.resume, *words], ""
    if args.resume is None and (not words or "=" in words[0]):
        raise ConfigError(
            "which config? `swiftagent sft configs/qwen7b_agent.yaml`; `swiftagent configs` lists the shipped ones"
        )
    if args.dry_run:
        return _dry_run(load(words[0], words[1:]), as_json=args.json)
    from swiftagent.train import session

    verbosity = session.Verbosity(as_json=args.json, quiet=args.quiet, verbose=args.verbose)
    if args.resume is not None:
        return session.resume(args.resume, words, verbosity)
    return session.start(load(words[0], words[1:]), verbosity)


def _dry_run(config: Config, *, as_json: bool) -> int:
    from swiftagent.train import preflight
    from swiftagent.train.inputs import resolve
    from swiftagent.train.launch import plan
    from swiftagent.train.machine import look
    from swiftagent.train.runs import next_name

    inputs = resolve(config, look())
    if problems := preflight.missing_for_good(inputs):
        raise SetupError("\nerror: ".join(problems))
    folder = next_name(Path(config.runs), config.run_name)
    planned = plan(inputs, folder, as_configured=True)
    for note in planned.notes:
        print(note, file=sys.stderr)
    for warning in [*planned.warnings, *preflight.what_is_missing(inputs)]:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        named = ("device", "processes", "nodes", "batch", "accumulation", "sequences_per_step")
        facts = {"command": planned.argv, "environment": planned.env, "folder": str(folder)}
        print(json.dumps(facts | {name: getattr(planned, name) for name in named}, ensure_ascii=False))
        return 0
    for name, value in planned.env.items():
        print(f"{name}={shlex.quote(value)} \\")
    print(_as_shell(planned.argv))
    return 0


def _as_shell(argv: list[str]) -> str:
    """The command with one option a line, as it can be pasted."""
    lines = [""]
    for word in argv:
        if word.startswith("--") or word.endswith("sft.py"):
            lines.append("  " + shlex.quote(word))
        else:
            lines[-1] += " " + shlex.quote(word)
    return " \\\n".join(lines).lstrip()
