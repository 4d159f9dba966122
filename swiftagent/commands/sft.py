"""Train from one YAML, or from data of any format: what would fail is reported first, then `swift sft` runs under
torchrun, and the run can be read and resumed.

swiftagent sft calls.json --model Qwen/Qwen3-8B        reads, converts, checks and trains; also folders, several files
swiftagent sft data/dataset_info.json#my_calls
swiftagent sft configs/qwen7b_agent.yaml
swiftagent sft configs/qwen7b_agent.yaml learning_rate=1e-4 gpus=2
swiftagent sft configs/qwen7b_agent.yaml --dry-run
swiftagent sft --resume [NAME]
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swiftagent import console
from swiftagent.commands.options import Add, print_json
from swiftagent.errors import SetupError, refuse
from swiftagent.models.identity import names_a_file

if TYPE_CHECKING:
    from swiftagent.train.config import Config


def add_arguments(add: Add) -> None:
    add("words CONFIG|DATA key=value", "the config, or the data, then settings that override it", nargs="*")
    add("--model M", "the model, as model=M")
    add("--react", "raw data: train ReAct text, also where the template has native calls", action="store_true")
    add("--native", "raw data: keep native calls, in the way of the model's template", action="store_true")
    add("--dry-run", "print the exact command and environment, and start nothing")
    add("--resume NAME", "go on with a run from its last complete checkpoint", nargs="?", const="")
    add("--json", "print the result (or the planned command) as one JSON object")
    add("-v --verbose", "show the trainer's log as it is written")
    add("-q --quiet", "say only what is wrong and where the result is")


def run(args: argparse.Namespace) -> int:
    from swiftagent.train import session

    words: list[str] = args.words
    verbosity = session.Verbosity(as_json=args.json, quiet=args.quiet, verbose=args.verbose)
    if args.resume and "=" in args.resume:  # `sft --resume key=value` resumes the newest run
        words, args.resume = [args.resume, *words], ""
    if args.resume is not None:
        return session.resume(args.resume, words, verbosity)
    config = config_of(words, args.model)
    calls: Any = "react" if args.react else "native" if args.native else "auto"
    if args.dry_run:
        _dry_run(config, calls, args.json)
        return 0
    from swiftagent.commands.convert import show
    from swiftagent.train.raw_data import staged

    def seen(line: str, report: dict[str, Any]) -> None:
        """Show how raw data is trained, then what becomes of its rows."""
        if line and not args.quiet:
            console.say(line)
        if report and not args.quiet:
            show(report)

    with ExitStack() as stack:
        with console.progress("reading the data", quiet=args.quiet):
            found = stack.enter_context(staged(config, calls, seen))
        return session.start(found, verbosity)


def config_of(words: list[str], model: str | None = None) -> Config:
    """The config that the words mean: CONFIG, DATA..., or both, then key=value. Raises ConfigError."""
    from swiftagent.train.config import load

    names = [word for word in words if "=" not in word or Path(word).exists()]
    script = next((name for name in names if name.endswith((".sh", ".py", ".ipynb"))), "")
    refuse({f"{script}: a script; `swiftagent configs from {script} -o ours.yaml` translates it": script})
    settings = [word for word in words if word not in names] + ([f"model={model}"] if model else [])
    data = [name for name in names if _is_data(name)]
    configs = [name for name in names if name not in data]
    which = "which config? `swiftagent sft configs/qwen7b_agent.yaml`; `swiftagent configs` lists the shipped ones"
    refuse({which: not names})
    first, second = [*configs, "", ""][:2]
    refuse({f"{second}: a second config; one says `extends: {first}`, or give data files": second})
    named = [f"data={json.dumps(data, ensure_ascii=False)}"] if data else []
    if configs:
        return load(configs[0], [*named, *settings])
    return _within_context(load("lora_any_data", [*named, f"name={_run_name(data[0])}", *settings]))


def _within_context(config: Config) -> Config:
    """The recipe that nobody chose, no longer than the model's context; a max_length on the command line stays."""
    import msgspec

    from swiftagent.models.identity import local_folder
    from swiftagent.train.advice import context_of

    context, is_given = context_of(local_folder(config.model)), "command" in config.place("train.max_length")
    if is_given or not 0 < context < config.train["max_length"]:
        return config
    console.say(f"max_length: {context:,} tokens, the model's own context")
    return msgspec.structs.replace(config, train={**config.train, "max_length": context})


def _is_data(name: str) -> bool:
    """Whether a word names data rather than a config."""
    if name.endswith((".yaml", ".yml")):
        return False
    return "dataset_info.json#" in name or Path(name).exists() or names_a_file(name)


def _run_name(entry: str) -> str:
    path, _, name = entry.partition("#")
    return re.sub(r"[^\w.-]+", "-", name or Path(path).resolve().name.partition(".")[0]).strip("-.") or "run"


def _dry_run(config: Config, calls: Any, as_json: bool) -> None:
    from swiftagent.train import preflight, raw_data
    from swiftagent.train.inputs import resolve
    from swiftagent.train.launch import plan
    from swiftagent.train.machine import look
    from swiftagent.train.runs import next_name

    folder = next_name(Path(config.runs), config.run_name)
    if raw := raw_data.raw_data(config):
        console.say(f"{raw_data.written_as(config, raw, calls)[1]}, converted into {folder / 'data'}")
        config = raw_data.in_folder(config, raw, folder / "data")
    inputs = resolve(config, look())
    if problems := preflight.missing_for_good(inputs):
        raise SetupError(problems)
    planned = plan(inputs, folder, as_configured=True)
    for note in planned.notes:
        console.say(note)
    missing = [line for line in preflight.what_is_missing(inputs) if f"{folder / 'data'}/" not in line]
    for warning in [*planned.warnings, *missing]:
        console.warn(warning)
    if as_json:
        named = ("device", "processes", "nodes", "batch", "accumulation", "sequences_per_step")
        facts = {"command": planned.argv, "environment": planned.env, "folder": str(folder)}
        return print_json(facts | {name: getattr(planned, name) for name in named})
    for name, value in planned.env.items():
        print(f"{name}={shlex.quote(value)} \\")
    return print(_as_shell(planned.argv))


def _as_shell(argv: list[str]) -> str:
    """The command with one option a line, as it can be pasted."""
    begins = (word.startswith("--") or word.endswith("sft.py") for word in argv)
    return "".join(
        (" \\\n  " if new else " ") + shlex.quote(word) for new, word in zip(begins, argv, strict=True)
    ).lstrip()
