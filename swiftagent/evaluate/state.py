"""Tasks with state, run several times each: pass^k of a model and of its base.

The user is a script: its next turn is sent after the model's answer. A run passes where every answer holds what it
has to, and the state at the end is the expected one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import comb
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.agent.drive import RequestRefused
from swiftagent.agent.loop import Limits, conversation_after, run_turn, start
from swiftagent.console import progress
from swiftagent.errors import ConfigError, ToolError
from swiftagent.evaluate.environment import StatefulTools, StateTask, answer_faults, patched, read_tasks, state_faults
from swiftagent.evaluate.jobs import Job
from swiftagent.evaluate.report import Table, gate_lines, verdict, with_difference, with_interval
from swiftagent.evaluate.session import (
    EvaluationOptions,
    begin_log,
    rules_of,
    style_of_prompts,
    with_engines,
    writer_of,
)
from swiftagent.evaluate.target import Model, Target, training_files
from swiftagent.evaluate.writing import Entry, Log, Writer, driven, transcript
from swiftagent.io import jsonl
from swiftagent.io.shipped import shipped
from swiftagent.io.storage import sha256_of
from swiftagent.scores.calls import Attempt
from swiftagent.scores.gate import gate_report
from swiftagent.scores.intervals import Ratios, paired_differences
from swiftagent.trajectory.types import Call

_KS = (1, 4)
Summary = dict[str, Any]


def evaluate_state(target: Target, options: EvaluationOptions, folder: Path | None = None) -> Summary:
    """Run every task with the models of a target; state.jsonl, from which it resumes, and state.json are written.

    Raises ConfigError for files of tasks that cannot be used, before any model is loaded."""
    if options.temperature < 0:
        raise ConfigError(f"--temperature {options.temperature}: must be at least 0")
    files = options.state or [str(path) for path in sorted(shipped("datasets").glob("state_*.yaml"))]
    tasks = read_tasks(files)[: options.limit]
    folder = folder or target.folder
    models = {name: model for name, model in (("base", target.base), ("tuned", target.tuned)) if model is not None}
    prompt = style_of_prompts(options, training_files(target.run), target)
    settings = {
        "models": {name: model.mark for name, model in models.items()},
        "tasks": msgspec.to_builtins(tasks),
        "tools": [sha256_of(path) for path in sorted({task.tools for task in tasks})],
        "prompt": prompt,
        **{name: getattr(options, name) for name in ("temperature", "step_tokens", "native")},
    }
    log = begin_log(folder / "state.jsonl", settings, options)
    try:
        runs = set(_runs(tasks, range(options.trials)))
        todo = {name: model for name, model in models.items() if runs - set(log.of(name, "state"))}
        with_engines(target, todo, partial(_write, tasks, log, prompt, options))
        entries = {name: log.of(name, "state") for name in models}
    finally:
        log.close()
    found = _summary(target, tasks, options, entries)
    jsonl.write_json(folder / "state.json", found)
    return found


def _runs(tasks: Sequence[StateTask], trials: range) -> dict[str, StateTask]:
    return {f"{task.id}#{trial + 1}": task for trial in trials for task in tasks}


def _write(
    tasks: Sequence[StateTask], log: Log, prompt: Any, options: EvaluationOptions, name: str, model: Model, engine: Any
) -> None:
    with progress(f"{name}: {model.name}", total=len(tasks) * options.trials) as bar:
        for temperature, trials in ((0.0, range(1)), (options.temperature, range(1, options.trials))):
            writer = writer_of(name, engine, log, prompt, options, temperature)
            work = {run: partial(_run, task, run, writer) for run, task in _runs(tasks, trials).items()}
            writer.all("state", list(work.items()), bar.advance)


def _run(task: StateTask, run: str, writer: Writer) -> Job[Entry]:
    """One run of a task with tools of its own, which no other run shares."""
    faults: list[str] = []
    limits = Limits(step_tokens=writer.step_tokens)
    tools = StatefulTools(task.tools)
    with tools:
        tools.begin(task)
        talk = start(tools.specs, task.system)
        try:
            for number, asked in enumerate(task.user_turns(), 1):
                turn = yield from driven(run_turn(talk, asked.user, limits, writer.grammar), tools.call)
                talk = conversation_after(talk, turn)
                if turn.answer is None:
                    faults.append(f"turn {number}: no answer ({turn.stopped_by})")
                    break
                faults += [f"turn {number}: {fault}" for fault in answer_faults(asked, turn.answer)]
            faults += state_faults(patched(tools.start, task.end), tools.snapshot(), task.any_order)
        # A conversation that the server does not take any longer, or tools that broke: the run has failed.
        except (RequestRefused, ToolError) as error:
            faults.append(str(error))
    calls = [Attempt(event.tool, event.arguments) for event in talk.events if isinstance(event, Call)]
    return Entry(writer.name, "state", run, transcript(talk.events, questions=True), calls, faults=faults)


def pass_hat(passed: int, runs: int, k: int) -> float:
    """The chance that k independent runs of a task all pass, by the unbiased estimator C(passed, k) / C(runs, k).

    Source: tau-bench (Yao et al. 2024, arXiv 2406.12045), pass^k."""
    return comb(passed, k) / comb(runs, k)


def _summary(
    target: Target, tasks: Sequence[StateTask], options: EvaluationOptions, runs: Mapping[str, Mapping[str, Entry]]
) -> Summary:
    about = {"name": target.name, "tuned": target.tuned.name, "base": target.base.name if target.base else None}
    found: Summary = {"about": about, "trials": options.trials, "temperature": options.temperature}
    domains = sorted({task.domain for task in tasks})
    ks = [k for k in _KS if k <= options.trials]
    names = [f"pass^{k}{of}" for of in ("", *(f" {name}" for name in domains if len(domains) > 1)) for k in ks]
    by_task: dict[str, dict[str, Any]] = {task.id: {"domain": task.domain} for task in tasks}
    ratios = {}
    for model, entries in runs.items():
        ratios[model] = Ratios(names)
        for task in tasks:
            faults = [entries[f"{task.id}#{trial + 1}"].faults for trial in range(options.trials)]
            passed = faults.count([])
            by_task[task.id][model] = {"passed": passed, "faults": faults}
            parts = {f"pass^{k}": (pass_hat(passed, options.trials, k), 1.0) for k in ks}
            parts |= {f"{name} {task.domain}": part for name, part in parts.items()}
            ratios[model].add(task.id, {name: part for name, part in parts.items() if name in names})
        found[model] = {name: msgspec.structs.asdict(each) for name, each in ratios[model].estimates().items()}
    if "base" in ratios:
        differences = paired_differences(ratios["base"], ratios["tuned"], {})
        found["difference"] = {name: each.as_dict() for name, each in differences.items()}
    values = {name: {k: each.value for k, each in part.estimates().items()} for name, part in ratios.items()}
    rules = rules_of(options, target, with_state=True)
    return {**found, "gate": gate_report(rules, values["tuned"], values.get("base")), "tasks": by_task}


def tables(found: Summary) -> Iterator[Table]:
    """pass^k over all and by domain; each task, with what was wrong first; the gate."""
    lines = []
    for name, tuned in found["tuned"].items():
        metric = name.partition(" ")[0]  # pass^1 of "pass^1 shop"
        base, difference = (found.get(part, {}).get(name) for part in ("base", "difference"))
        values = [with_interval(metric, base), with_interval(metric, tuned), with_difference(metric, difference)]
        lines.append([name, *values, tuned["n"], verdict(metric, difference) or "noise"])
    yield Table("shares in %, with 95 % intervals", ("", "base", "tuned", "difference", "n", ""), lines)
    lines = []
    for name, task in found["tasks"].items():
        faults = [fault for each in task["tuned"]["faults"] for fault in each]
        counts = [f"{task[model]['passed']}/{found['trials']}" if model in task else "–" for model in ("base", "tuned")]
        lines.append([name, *counts, faults[0] if faults else ""])
    yield Table("runs that passed", ("task", "base", "tuned", "what was wrong"), lines)
    if found["gate"]["rules"]:
        yield Table("gate", ("rule", "measured", ""), gate_lines(found))
