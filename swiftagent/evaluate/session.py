"""An evaluation from its files to its page: gold is read, models write (or predictions are read), all is scored and
written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.agent.loop import Grammar, ReAct
from swiftagent.agent.native import Native
from swiftagent.console import progress, say, warn
from swiftagent.convert.reading import read_trajectories
from swiftagent.errors import ConfigError, SetupError
from swiftagent.evaluate.data import GoldFiles, read_gold, read_seen
from swiftagent.evaluate.evalscope import Sets, check_installed, run_sets
from swiftagent.evaluate.page import page
from swiftagent.evaluate.predictions import align, is_llamafactory, llamafactory_gold
from swiftagent.evaluate.report import Case, cases
from swiftagent.evaluate.scoring import Gold, Scored, gold_from, score_model, summary
from swiftagent.evaluate.target import Model, Target, config_of, default_data, name_in, training_files
from swiftagent.evaluate.writing import Log, Writer, Writing, works_of
from swiftagent.io import jsonl
from swiftagent.io.rows import read_rows
from swiftagent.scores.bfcl import Item
from swiftagent.scores.gate import Rule, parse_gate
from swiftagent.scores.metrics import METRICS, WITH_STATE
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.style import exported_style, prompt_style

_TURNS = ("messages", "conversations", "traj")  # the keys of whole conversations
Entries = Mapping[str, Sequence[Mapping[str, Any]]]


class EvaluationOptions(msgspec.Struct, frozen=True):
    """How to evaluate. training: files that training saw (None: the run's own). prompt: auto takes that of the data."""

    data: tuple[str, ...] = ()
    limit: int | None = None
    at_a_time: int | None = None  # None: 16 where the engine batches, else 1
    fresh: bool = False
    free: bool = True
    likelihood: bool = True
    fields: bool = False
    own_name: str = ""
    evalscope: tuple[str, ...] = ()  # its sets
    evalscope_args: str | None = None  # its --dataset-args
    bfcl_eval: str | None = None  # the Python of an environment with bfcl-eval
    stop: bool = True  # whether the stop word ends a step; without it models may go on and invent results
    native: bool = False  # the model's own tool calls in place of ReAct
    prompt: PromptStyle = "auto"
    step_tokens: int = 512
    drop_trained: bool = False
    training: tuple[str, ...] | None = None
    rules: tuple[Rule, ...] | None = None  # None: the gate of the run's config
    quiet: bool = False
    state: tuple[str, ...] | None = None  # files of tasks whose tools hold state; () for the shipped ones
    trials: int = 4  # runs of each of these: the first greedy, the others sampled
    temperature: float = 0.8


class Evaluation(msgspec.Struct):
    """What came out: metrics.json's content, the cases and the loss curve of the page, and the folder of all files."""

    summary: dict[str, Any]
    cases: list[Case]
    curve: list[dict[str, Any]]
    folder: Path

    def write(self) -> None:
        """Write metrics.json and report.html."""
        jsonl.write_json(self.folder / "metrics.json", self.summary)
        jsonl.write_text(self.folder / "report.html", page(self.summary, self.cases, self.curve))


def evaluate_models(target: Target, options: EvaluationOptions, folder: Path | None = None) -> Evaluation:
    """Let the models of a target write, and score them. An earlier evaluation of the same that was cut short is
    resumed."""
    folder = folder or target.folder
    if options.evalscope:
        check_installed()
    data = list(options.data) or default_data(target.run)
    training = list(options.training) if options.training is not None else training_files(target.run)
    files = read_gold(data)
    seen = read_seen(training) if training else None
    if seen is None and target.run is not None and not options.quiet:
        warn(
            "the run's training data is not here, so rows that were trained on are not found (--training FILE gives it)"
        )
    # A split of a mix may share short rows with it (self-cognition is repeated there), which the user did not choose:
    # they are left out rather than refused.
    gold = gold_from(files.rows, limit=options.limit, seen=seen, drop_trained=options.drop_trained or not options.data)
    _tell(gold, files, options)
    prompt = style_of_prompts(options, training, target, files.prompt)
    options = msgspec.structs.replace(options, prompt=prompt, own_name=options.own_name or name_in(training))
    settings = {"rows": [row.id for row in gold.rows], "content": gold.fingerprint, "stop": options.stop}
    works = works_of("step", gold.steps) + works_of("run", gold.tasks if options.free else ())
    works += works_of("likelihood", gold.chats if options.likelihood else ())
    log = let_write(target, folder / "predictions.jsonl", settings, options, works)
    entries = {name: [log.of(name, kind) for kind in ("step", "run", "likelihood")] for name in target.models}
    config = target.run.config if target.run else None
    about = {**target.about, "files": data, "trained on": training, "config": config}
    scored = _scored(gold, entries, files.bfcl, options)
    report = summary(gold, scored, about, rules_of(options, target), seen)
    if options.evalscope:
        report["evalscope"] = {
            name: _evalscope(name, model, options, folder / "evalscope" / name) for name, model in target.models.items()
        }
    curve = [] if target.run is None else list(target.run.metrics())
    return Evaluation(report, cases(**scored), curve, folder)


def evaluate_predictions(path: str, options: EvaluationOptions, folder: Path) -> Evaluation:
    """Score output that exists already. Raises ConfigError where gold is missing, RowError where ids do not line up."""
    rows = list(read_rows(path))
    if not rows:
        raise ConfigError("--predictions: the file holds no row")
    items: dict[str, Item] = {}
    if is_llamafactory(rows[0].value):
        if options.data:
            raise ConfigError("--data: LLaMA-Factory's predictions bring their gold with them; leave --data out")
        gold, entries = llamafactory_gold(rows)
    else:
        if not options.data:
            raise ConfigError("--predictions needs the gold that it is for: give it with --data FILE")
        files = read_gold(list(options.data))
        items = files.bfcl
        whole = read_trajectories([row for row in rows if _is_conversation(row.value)])
        talks = {found.source: found for found in whole}
        gold, entries = align(gold_from(files.rows, limit=options.limit), rows, talks)
    seen = read_seen(options.training) if options.training else None
    about = {"name": Path(path).name, "tuned": path, "files": list(options.data)}
    scored = _scored(gold, {"tuned": [entries, {}, {}]}, items, options)
    report = summary(gold, scored, about, options.rules or (), seen)
    return Evaluation(report, cases(**scored), [], folder)


def _is_conversation(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in _TURNS)


def _tell(gold: Gold, files: GoldFiles, options: EvaluationOptions) -> None:
    if options.quiet:
        return
    steps, tasks = len(gold.steps), len(gold.tasks)
    say(f"{len(gold.rows):,} rows, {steps:,} next steps on given context, {tasks:,} questions to answer freely")
    if gold.left_out:
        warn(f"{gold.left_out:,} rows were trained on and are left out")
    if files.rejected:
        first = files.rejected[0]
        warn(
            f"{len(files.rejected):,} rows cannot be evaluated; "
            f"the first: {first.get('source')}: {first.get('message')}"
        )
    if not any(step.calls for step in gold.steps):
        warn("no row calls a tool: call scores cannot be measured on this data")


def style_of_prompts(
    options: EvaluationOptions, training: list[str], target: Target, of_gold: PromptStyle | None = None
) -> PromptStyle:
    """As asked for, else as the training data, an export's record or the gold has it, else the rule of the tools."""
    if options.prompt != "auto":
        return options.prompt
    loading = target.tuned.loading
    return prompt_style(training) or exported_style(loading.adapter or loading.model) or of_gold or "auto"


def let_write(
    target: Target, path: Path, settings: dict[str, Any], options: EvaluationOptions, works: Sequence[Writing]
) -> Log:
    """The log in which each model of a target has written all works; resumed where there is one of these settings.
    Models that lack nothing are not loaded; an adapter and its own base are one loaded model."""
    marks = {"models": {name: model.mark for name, model in target.models.items()}}
    own = {"prompt": options.prompt, "step_tokens": options.step_tokens, "native": options.native}
    log = Log(path, {**marks, **own, **settings}, fresh=options.fresh)
    if log.resumed and not options.quiet:
        say(f"{log.path}: resuming after {log.resumed:,} predictions (--fresh starts over)")
    if log.aside and not options.quiet:
        say(f"{log.aside}: what another evaluation wrote here before")
    lacking = [name for name in target.models if log.lacking(name, works)]
    try:
        # Loading twice would take twice the memory for the same weights.
        shared = _load(target.tuned) if len(lacking) == 2 and target.is_own_base else None
        for name in lacking:
            model = target.models[name]
            engine = _load(model) if shared is None else shared.without_adapter() if name == "base" else shared
            try:
                with progress(f"{name}: {model.name}", total=len(log.lacking(name, works))) as bar:
                    how = options.step_tokens, options.at_a_time, options.stop
                    Writer(name, engine, log, _grammar(options), *how).finish(works, bar.advance)
            finally:
                engine.close()
    finally:
        log.close()
    return log


def _evalscope(name: str, model: Model, options: EvaluationOptions, folder: Path) -> Sets:
    sets = options.evalscope, options.limit, options.evalscope_args
    with contextlib.closing(_load(model)) as engine:
        return run_sets(engine, _grammar(options), name, *sets, folder)


def _grammar(options: EvaluationOptions) -> Grammar:
    return Native() if options.native else ReAct(options.prompt)


def _load(model: Model) -> Any:
    with progress("loading the model"):
        return model.load()


def _scored(gold: Gold, entries: Entries, items: Mapping[str, Item], options: EvaluationOptions) -> dict[str, Scored]:
    """entries: each model's steps, runs and likelihoods."""
    scored = {}
    for name, found in entries.items():
        referee, own_name = options.bfcl_eval, options.own_name
        each = score_model(gold, *found, bfcl=items, referee=referee, own_name=own_name, fields=options.fields)
        if not any(score.predicted.calls or score.predicted.answer for score in each.steps):
            warn(f"the {name} model wrote nothing that could be scored at any of {len(gold.steps):,} steps")
        scored[name] = each
    return scored


def rules_of(options: EvaluationOptions, target: Target, *, with_state: bool = False) -> tuple[Rule, ...]:
    """The rules of the gate that this evaluation measures: those of tasks with state, or all others."""
    rules = options.rules
    if rules is None:
        config = config_of(target.run)
        rules = parse_gate(config.gate) if config else ()
    return tuple(rule for rule in rules if (METRICS[rule.metric].part == WITH_STATE) == with_state)


def read_summaries(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """metrics.json of each run folder, by run name. Raises SetupError where a run was not evaluated."""
    found = {}
    for folder in folders:
        path = folder if folder.is_file() else folder / "eval" / "metrics.json"
        path = path if path.is_file() else folder / "metrics.json"
        if not path.is_file():
            raise SetupError(f"{folder}: no evaluation there; `swiftagent eval {folder.name}` makes one")
        name = folder.name if folder.is_dir() and folder.name not in found else str(folder)
        found[name] = jsonl.parse_json(path.read_bytes())[0]
    return found


def differ_in_rows(summaries: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether evaluations are of different rows, so that their scores cannot be set side by side."""
    return len({str(summary["data"].get("content", summary["data"]["rows"])) for summary in summaries.values()}) > 1
