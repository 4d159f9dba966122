"""Let a tuned model answer questions, check what it does by rule, and train it on what is right.

  swiftagent improve                                     the newest run, asked about its own training tools
  swiftagent improve RUN --rounds 2 --ask 300 --data held_out.jsonl
  swiftagent improve RUN --tools tools.py --questions questions.jsonl --check check.py:is_right --yes
  swiftagent improve RUN --dry-run

Each round asks, judges, trains a run RUN-round1, RUN-round2, ... and evaluates it; the gate of the config and the gain
in exact calls decide whether it is kept. Questions are made of training rows by exchanging values, and nothing of the
evaluation set is asked. Run again, it resumes. Exit code 0 also where no round was kept; the reason is in
improve.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import msgspec

from swiftagent import console
from swiftagent.commands.options import Add, above_zero, from_zero, given, positive, print_result
from swiftagent.errors import refuse


def add_arguments(add: Add) -> None:
    add("run RUN", "the run to begin with (default: the newest)", nargs="?")
    add("--rounds N", "at most (default 2); a round without a clear gain is the last", type=positive, default=2)
    add("--all-rounds", "begin the next round also where a gain is within its noise")
    add("--data FILE", "gold to judge rounds on (default: the run's validation split)", action="append", default=[])
    add("--runs FOLDER", "where runs are kept (default runs)", default="runs")
    ask = add.group("what is asked")
    ask("--ask N", "questions of a round (default 300)", type=positive, default=300, dest="count")
    own = "ask these, in any format that convert reads, with gold where it is known"
    ask("--questions FILE", own, nargs="+", default=[])
    ask("--tools WHAT", "run whole tasks with real tools, as infer takes them; repeatable", action="append", default=[])
    ask("--yes", "the tools may have effects, and run without being asked for")
    ask("--check FILE.py:FUNCTION", "judges runs without gold: (question, calls, answer) -> bool")
    ask("--tries N", "of each question: the first greedy, the others sampled (default 4)", type=positive, default=4)
    ask("--temperature", "of the sampled tries (default 0.8)", type=from_zero, default=0.8)
    ask("--step-tokens N", "the longest step", type=positive, default=256)
    ask("--native", "the model's own tool calls in place of ReAct")
    ask("--seed N", "of the questions (default 0)", type=int, default=0)
    how = add.group("training and budget")
    how("--on-adapter", "train on from the adapter, in place of from the base", action="store_false", dest="scratch")
    how("--set KEY=VALUE", "changes to the config, as `sft` takes them", nargs="*", default=[], dest="changes")
    how("--device", "auto, cpu or cuda:N", default="auto")
    how("--max-minutes N", "begin no round after so many minutes", type=above_zero)
    how("--max-tokens N", "tokens that the model may write in a round", type=positive)
    out = add.group("output")
    out("-o --output FOLDER", "where questions, tries and lessons go (default RUNS/RUN-improve)", type=Path)
    out("--dry-run", "make the first questions, print some, and run nothing")
    out("--json", "print improve.json's content")


def run(args: argparse.Namespace) -> None:
    from swiftagent.formats.outside import function_named
    from swiftagent.improve.rounds import Rounds, first_questions, improve
    from swiftagent.tools.toolbox import open_toolbox
    from swiftagent.train.config import load
    from swiftagent.train.runs import find_run, newest_run

    found = find_run(args.run, args.runs) if args.run else newest_run(args.runs)
    load(found.folder / "config.yaml", args.changes)  # a wrong --set shows before anything is asked
    check = function_named(args.check, "--check") if args.check else None
    out = args.output or found.folder.with_name(f"{found.name}-improve")
    with open_toolbox(args.tools) if args.tools else nullcontext() as toolbox:
        own = {"run": found, "out": out, "check": check, "toolbox": toolbox, "tell": console.say}
        plan = Rounds(**(given(args, Rounds) | own))
        if args.dry_run:
            print(json.dumps(first_questions(plan), ensure_ascii=False, indent=1))
            return
        if toolbox is not None and not args.yes:
            _ask_for_effects(", ".join(tool.name for tool in toolbox.specs))
        outcomes = improve(plan)
    rows = [
        (each.number, each.run, each.asked, each.verdicts.get("right", 0), sum(each.lessons.values()), each.reason)
        for each in outcomes
    ]
    columns = ["", "run", "asked", "tries right", "lessons", ""]
    print_result({"run": found.name, "rounds": msgspec.to_builtins(outcomes)}, "rounds", columns, rows, args.json)
    best = next((each.run for each in reversed(outcomes) if each.kept), "")
    if not args.json:
        console.say(f"the best run is {best or found.name}\n{out / 'improve.json'}")


def _ask_for_effects(names: str) -> None:
    """Raise ConfigError where the user does not want these tools to run unattended."""
    refuse({f"--tools: {names} would be called many times, unattended; --yes allows it": not sys.stdin.isatty()})
    reply = input(f"{names} will be called many times, unattended. Go ahead? [y/N] ").strip().lower()
    refuse({"--tools: not allowed; leave --tools out to ask for single steps": reply not in ("y", "yes")})
