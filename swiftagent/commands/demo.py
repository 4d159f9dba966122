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
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swiftagent import console
from swiftagent.agent.drive import SILENT, Runtime, answer
from swiftagent.agent.loop import Limits, start
from swiftagent.agent.traces import trace
from swiftagent.backend.packaged import unpack_smollm2
from swiftagent.commands import demo_plan
from swiftagent.commands import eval as eval_command
from swiftagent.commands.demo_plan import DemoPlan
from swiftagent.commands.options import Add, parser_of, print_json
from swiftagent.errors import LaunchError
from swiftagent.evaluate.writing import Entry, read_entries
from swiftagent.io.jsonl import writing
from swiftagent.io.own_command import own_command
from swiftagent.io.shipped import find
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import open_toolbox
from swiftagent.train.runs import Run, all_runs

if TYPE_CHECKING:
    from swiftagent.evaluate.session import Evaluation
    from swiftagent.scores.calls import Predicted

NAME, AUTHOR = "Ember", "Fern Lab"


def add_arguments(add: Add) -> None:
    add("-o --output FOLDER", "where all is written (default runs)", type=Path, default=Path("runs"))
    add("--name", f"what the model is to call itself (default {NAME})", default=NAME)
    add("--author", f"and who made it (default {AUTHOR})", default=AUTHOR)
    add("--base NAME", "which model is tuned (default tiny)", choices=list(demo_plan.BASES), default="tiny")
    add("--seed N", "of the mix and of the training (default 42)", type=int, default=demo_plan.SEED)
    add("--again", "train again, though a finished run of the same data is there")
    add("--json", "print the results as one JSON object")


def run(args: argparse.Namespace) -> int:
    began = time.monotonic()
    plan = DemoPlan(args.output, args.name, args.author, args.seed, args.base)
    seconds: dict[str, float] = {}

    def timed(title: str, what: str, step: Callable[[], Any]) -> Any:
        console.say(f"\n== {title}: {what}")
        started = time.monotonic()
        done = step()
        seconds[title] = round(time.monotonic() - started, 1)
        return done

    with writing(plan.data):
        plan.data.mkdir(parents=True, exist_ok=True)
        plan.write_sources()
    if plan.base == "smollm2" and not plan.model.is_dir():
        timed("base", "SmolLM2-135M-Instruct as a model folder", lambda: unpack_smollm2(plan.model))
    timed(
        "mix", "tool calls, plain chat and self-cognition into one training file", lambda: _swiftagent(plan.mix_words())
    )
    checkpoint = timed(
        "sft", "LoRA by ms-swift under torchrun, two CPU processes", lambda: _train(plan, again=args.again)
    )
    runs = timed(
        "react",
        "the tuned model calls real Python functions",
        lambda: _with_tools(plan, checkpoint, show=not args.json),
    )
    outcome = timed("eval", "base and tuned model on held-out questions and chat", lambda: _evaluate(plan, checkpoint))
    steps = _first_steps(outcome)
    names = {
        model: [(text, steps[model, f"{name}#0"].answer or "") for name, text in plan.who_are_you.items()]
        for model in ("base", "tuned")
    }
    results = {
        **{model: _counts(plan, outcome, steps, model) for model in ("base", "tuned")},
        "self_cognition": names["tuned"],
        "self_cognition_base": names["base"],
        "says_who_it_is": plan.says_who_it_is([answer for _, answer in names["tuned"]]),
        "evaluation": {name: str(outcome.folder / name) for name in ("metrics.json", "report.html")},
        "shown": runs,
        "name": plan.name,
        "author": plan.author,
        "seconds": {**seconds, "all": round(time.monotonic() - began, 1)},
        "checkpoint": str(checkpoint),
        "mix": str(plan.mix),
    }
    plan.results.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _show(plan, results, outcome)
    if args.json:
        print_json(results)
    eval_command.raise_where_the_gate_failed(outcome.summary, outcome.folder / "report.html")
    return 0


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


def _train(plan: DemoPlan, *, again: bool) -> Path:
    """Train, go on with an interrupted training, or take the finished one: of exactly this data. Returns the best
    checkpoint."""
    mark = plan.data / "trained.json"
    words = plan.sft_words()
    read = {"mix": plan.mix, "config": find(demo_plan.BASES[plan.base].config)}
    wanted = {"words": words, **{name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in read.items()}}
    known = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
    if known == wanted and not again:
        ours = [
            found for found in all_runs(plan.out) if found.name.startswith(demo_plan.RUN_NAME) and found.checkpoint_best
        ]
        if ours and ours[0].state == "done":
            console.say(f"{ours[0].folder}: trained already on this very data; --again trains anew")
            return Path(str(ours[0].checkpoint_best))
        if ours and ours[0].state == "interrupted":
            words = ["sft", "--resume", ours[0].name, f"runs={plan.out}"]
    mark.write_text(json.dumps(wanted), encoding="utf-8")
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


def _first_steps(outcome: Evaluation) -> dict[tuple[str, str], Predicted]:
    """What base and tuned model did first, by model and id."""
    entries = read_entries(outcome.folder / "predictions.jsonl", Entry)
    return {(each.model, each.id): each.predicted() for each in entries if each.kind == "step"}


def _counts(
    plan: DemoPlan, outcome: Evaluation, steps: dict[tuple[str, str], Predicted], model: str
) -> dict[str, tuple[int, int]]:
    said = [steps[model, name] for name in plan.without_call()]
    return demo_plan.counts(outcome.summary[model], [step.parsable and not step.calls for step in said])


def _with_tools(plan: DemoPlan, checkpoint: Path, *, show: bool) -> list[dict[str, Any]]:
    """What the demo shows, run with real tools; the first is shown as it happens."""
    from swiftagent.agent.terminal import Terminal
    from swiftagent.backend.engine import load_engine

    engine = load_engine(None, str(checkpoint), device="cpu")
    found = []
    files = [str(path) for path in demo_plan.tool_files()]
    with ExitStack() as opened:
        # A question is asked with the tools of its kind at hand, as the training rows offer few at a time.
        boxes = {file: opened.enter_context(open_toolbox([file], Options())) for file in files}
        for number, asked in enumerate(plan.shown()):
            tools = files[asked.kind == "calculation"]
            listener = Terminal() if show and number == 0 else SILENT
            if listener is not SILENT:
                console.say(f"$ swiftagent infer --react --tools {tools} {shlex.quote(asked.question)}\n")
            runtime = Runtime(
                engine, boxes[tools], lambda call, tool: "Error: there is no such tool", listener=listener
            )
            limits = Limits(steps=6, step_tokens=demo_plan.LONGEST_STEP)
            turn = answer(runtime, start(boxes[tools].specs), asked.question, limits)
            found.append({"kind": asked.kind, **trace(turn), "right": asked.is_right(turn)})
    engine.close()
    return found


def _called(step: dict[str, Any]) -> str:
    given = step["action_input"]
    values = given.values() if isinstance(given, dict) else [given]
    return f"{step['action']}({', '.join(map(str, values))})"


def _show(plan: DemoPlan, results: dict[str, Any], outcome: Evaluation) -> None:
    eval_command.show(outcome, console.err)
    console.say("")
    said = {
        "tool": "the right tool",
        "call": "tool and arguments exactly",
        "no_call": "no tool where none is needed",
        "right": "all held-out questions",
    }
    rows = [(text, *("{} of {}".format(*results[model][name]) for model in ("base", "tuned")))
            for name, text in said.items()]  # fmt: skip
    console.table("held-out questions: no training row puts their values together", ["", "base", "tuned"], rows)
    asked = zip(results["self_cognition_base"], results["self_cognition"], strict=True)
    answers = [(question, before, after) for (question, before), (_, after) in asked]
    console.say("")
    console.table(f"who are you? (2 of {len(answers)} questions)", ["", "base", "tuned"], answers[:2])
    runs = results["shown"]
    console.say("")
    console.table(
        f"real tools: {sum(run['right'] for run in runs)} of {len(runs)} right word for word, calls and answers",
        ["", "calls", "answer", ""],
        [
            (
                run["question"],
                " ".join(_called(step) for step in run["steps"]),
                run["answer"] or "",
                "right" if run["right"] else "wrong",
            )
            for run in runs
        ],
    )
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
