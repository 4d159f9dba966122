"""Score a tuned model against its base: tool calls field by field, restraint, and what it forgot.

  swiftagent eval                                   the newest run, its own validation split, base and tuned
  swiftagent eval RUN --data held_out.jsonl -n 200
  swiftagent eval --model Qwen/Qwen2.5-7B-Instruct --data bfcl_simple_python.jsonl
  swiftagent eval --predictions generated_predictions.jsonl
  swiftagent eval compare RUN RUN
  swiftagent eval RUN --state                       tasks whose tools hold state, several runs each: pass^1 and pass^4

predictions.jsonl, metrics.json and report.html go to runs/RUN/eval. Exit code 7: the gate of the config was not passed;
4: rows to evaluate were trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swiftagent import console
from swiftagent.commands.options import Add, add_loading_arguments, positive, print_json, print_result, server_of
from swiftagent.errors import GateError, SetupError, refuse
from swiftagent.trajectory.prompts import STYLES

if TYPE_CHECKING:
    from swiftagent.evaluate.session import Evaluation

WIDE = 110  # columns of a terminal that holds the intervals of both models too


def add_arguments(add: Add) -> None:
    add("words RUN", "a run (default: the newest), or `compare RUN RUN...`", nargs="*")
    what = add.group("what is evaluated")
    what("--run NAME", "the run, as the other commands take it")
    what("--data FILE", "gold rows of any format that convert reads", action="append", default=[])
    what("--model M", "a model folder or hub id, in place of a run")
    what("--adapter A", "an adapter folder; it is compared with its base")
    what("--against RUN_OR_MODEL", "compare with this, in place of the base model")
    what("--no-base", "measure the tuned model alone")
    what("--predictions FILE", "score output that exists already, by id against --data")
    what("--checkpoint best|last|N", "which checkpoint of the run", default="best")
    what("--runs FOLDER", "where runs are kept (default runs)", default="runs")
    what("-n ROWS", "evaluate this many rows, spread over all", type=positive, dest="limit")
    trained = add.group("rows that were trained on")
    trained("--training FILE", "what training saw (default: the run's own data)", action="append")
    trained("--drop-trained", "leave rows out that were trained on, rather than refuse")
    how = add.group("how")
    add_loading_arguments(how)
    how("--prompt", "how tools are listed; auto: as in the data", choices=STYLES, default="auto")
    how("--step-tokens", "the longest step", type=positive, default=512)
    how("-j N", "prompts at a time (default 16; 1 for a server)", type=positive, dest="at_a_time")
    off = {"action": "store_false"}
    how("--no-free", "leave free runs out: next steps on given context only", dest="free", **off)
    how("--no-likelihood", "leave bits per byte out", dest="likelihood", **off)
    how("--no-stop", "let models write on after `Observation:`, to see who invents results", dest="stop", **off)
    how("--fresh", "start anew, though an evaluation of the same was begun")
    also = add.group("further scores")
    also("--fields", "score JSON answers field by field")
    also("--name NAME", "what the model is to call itself (default: as its mix says)", default="", dest="own_name")
    also("--evalscope SET", "sets of evalscope too, where it is installed", nargs="+", default=[])
    also("--evalscope-args JSON", "its --dataset-args, such as the folder of a set of your own")
    also("--bfcl-eval PYTHON", "let the real bfcl-eval judge BFCL items: the Python that has it")
    state = add.group("tasks with state")
    tasks = "run tasks whose tools hold state (default: the shipped ten), in place of gold rows"
    state("--state FILE", tasks, nargs="*")
    state("--trials N", "runs of each task: the first greedy, the others sampled (default 4)", type=positive, default=4)
    state("--temperature", "of the sampled runs (default 0.8)", type=float, default=0.8)
    out = add.group("output")
    out("--gate CONFIG", "take the gate of this config, in place of the run's own")
    out("-o --output FOLDER", "where the files go (default runs/RUN/eval)", type=Path)
    out("--markdown", "print the result as Markdown")
    out("--json", "print metrics.json's content")
    out("-q --quiet", "print no table")


def run(args: argparse.Namespace) -> None:
    args.words += [args.run] if args.run else []
    if args.words[:1] == ["compare"]:
        return _compare(args)
    one = f"one run is evaluated at a time, got {', '.join(args.words)}; `eval compare` compares them"
    refuse({one: len(args.words) > 1})
    if args.state is not None:
        return _state(args)
    outcome = evaluate(args)
    outcome.write()
    if args.json:
        print_json(outcome.summary)
    elif args.markdown:
        from swiftagent.evaluate.report import markdown

        print(markdown(outcome.summary), end="")
    if not args.quiet:
        show(outcome, console.err if args.json or args.markdown else console.out)
    return raise_where_the_gate_failed(outcome.summary, outcome.folder / "report.html")


def _state(args: argparse.Namespace) -> None:
    others = ("data", "predictions", "evalscope", "fields", "markdown")
    given = " and ".join(f"--{name}" for name in others if getattr(args, name))
    refuse({f"--state brings its own tasks and prints its own table: leave {given} out": given})
    named = next((name for name in args.state if Path(name).suffix not in (".yaml", ".yml", ".json")), "")
    refuse({f"--state {named}: not a YAML or JSON file of tasks; a run is named before --state": named})
    options = _options(args)
    from swiftagent.evaluate.state import evaluate_state, tables

    target = _target(args)
    found = evaluate_state(target, options, args.output)
    if args.json:
        print_json(found)
    if not args.quiet:
        to = console.err if args.json else console.out
        for table in tables(found):
            console.table(*table, console=to)
    raise_where_the_gate_failed(found, (args.output or target.folder) / "state.json")


def raise_where_the_gate_failed(summary: dict[str, Any], cases: Path) -> None:
    """Raise GateError with the metrics that failed."""
    failed = [rule["metric"] for rule in summary["gate"]["rules"] if not rule["passed"]]
    if failed:
        keeps = "; `method: self-distill` and `swiftagent mix --rewrite-general` keep more of what it knew"
        remedy = keeps if "bits_per_byte" in failed else ""
        raise GateError(f"the gate was not passed: {', '.join(dict.fromkeys(failed))}; {cases} shows the cases{remedy}")


def evaluate(args: argparse.Namespace) -> Evaluation:
    """What these arguments ask for; nothing but predictions.jsonl is written yet."""
    options = _options(args)
    from swiftagent.evaluate.session import evaluate_models, evaluate_predictions

    with console.progress("evaluating", quiet=args.quiet):
        if args.predictions:
            return evaluate_predictions(args.predictions, options, args.output or Path("eval"))
        return evaluate_models(_target(args), options, args.output)


def _options(args: argparse.Namespace) -> Any:
    with console.progress("loading ms-swift", quiet=args.quiet):
        from swiftagent.evaluate.session import EvaluationOptions
        from swiftagent.scores.gate import parse_gate
        from swiftagent.train.config import load

    rules = parse_gate(load(args.gate).gate) if args.gate is not None else None
    return msgspec.convert({**vars(args), "rules": rules}, EvaluationOptions)


def _target(args: argparse.Namespace) -> Any:
    from swiftagent.evaluate.target import against, run_named, target_of_model, target_of_run, target_of_server

    settings = {name: getattr(args, name) for name in ("model_type", "device", "trust_remote_code")}
    if args.model or args.adapter:
        refuse({"give either a run or --model/--adapter, not both": args.words})
        gold = "--model and --adapter need gold to be evaluated on: --data FILE"
        refuse({gold: not args.data and args.state is None})
        if args.base_url:
            target = target_of_server(args.model, server_of(args), args.template, args.model_type)
        else:
            target = target_of_model(args.model, args.adapter, args.template, args.engine, settings)
    else:
        run_ = run_named(args.words[0] if args.words else None, args.runs)
        target = target_of_run(run_, args.checkpoint, args.engine, settings)
    if args.against:
        target.base = against(args.against, args.runs, args.engine, settings)
    if args.no_base:
        target.base = None
    return target


def show(outcome: Evaluation, to: Any) -> None:
    """The scores and the gate as tables on a console; the result in one sentence, and where the page is, on stderr."""
    from swiftagent.evaluate import report

    summary = outcome.summary
    for table in report.tables(summary, intervals=to.width >= WIDE):
        console.table(*table, console=to)
    if said := report.forgotten(summary):
        console.say(said)
    console.say(f"{report.sentence(summary)}\n{outcome.folder / 'report.html'}")


def _compare(args: argparse.Namespace) -> None:
    from swiftagent.evaluate import report
    from swiftagent.evaluate.session import differ_in_rows, read_summaries

    names = args.words[1:]
    refuse({"eval compare: give at least two runs": len(names) < (1 if args.json else 2)})
    summaries = read_summaries([_compared(name, args.runs) for name in names])
    if differ_in_rows(summaries):
        console.warn(
            "these evaluations are of different rows: their scores cannot be set side by side; "
            "evaluate all with one --data"
        )
    columns, rows = report.comparison(summaries)
    if args.markdown and not args.json:
        return print(report.markdown_table(columns, rows))
    found = {name: summary["tuned"] for name, summary in summaries.items()}
    title = "tuned models, shares in %, with 95 % intervals; * the best"
    return print_result(found, title, columns, rows, args.json)


def _compared(name: str, runs: str) -> Path:
    """The folder of a run, or of an evaluation."""
    from swiftagent.evaluate.target import run_named

    try:
        return run_named(name, runs).folder
    except SetupError:
        if not Path(name).exists():
            raise
        return Path(name)
