"""A training run from a checked config to its last line: preflight, launch, progress, end."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import yaml

from swiftagent.console import progress, say, warn
from swiftagent.errors import LaunchError, RowError, SetupError
from swiftagent.io.jsonl import whole_file, write_json, write_lines
from swiftagent.io.storage import sha256_of
from swiftagent.train import preflight
from swiftagent.train.advice import trend_advice
from swiftagent.train.config import Config, load
from swiftagent.train.estimates import mfu
from swiftagent.train.follow import Follower, TrainingEnd, finish, train
from swiftagent.train.held_out import as_trained, scale_checkpoint
from swiftagent.train.inputs import Inputs, resolve
from swiftagent.train.launch import needs_copy, plan
from swiftagent.train.lines import duration, length_lines, loaded_line, metric_line, seconds_left
from swiftagent.train.loss_curves import draw
from swiftagent.train.machine import describe, look
from swiftagent.train.raw_data import into_run, write_copies
from swiftagent.train.runs import Run, all_runs, find_run, identity, new_run, next_name, now, shared_run
from swiftagent.train.step_cutting import LaunchPlan

INTERRUPTED = 130
MEASURED_AFTER = 10  # steps
MEASURED = (
    "micro_steps", "micro_step_tokens", "padding", "tokens_per_second", "mfu", "memory_reserved_gb", "attention",
    "seconds_per_step",
)  # fmt: skip
FROM_CUTTING = ("unknown", "gpu-memory")  # causes that steps cut by tokens may have
RESHAPING = {"split_dataset_ratio", "packing", "streaming", "cached_dataset"}  # rows are no longer rows of the files


PLANNED = ("sequences_per_step", "device", "processes", "nodes", "warnings")  # of the plan, kept in run.json


class Verbosity(msgspec.Struct, frozen=True):
    """Output of a run: the result as JSON on stdout, problems alone, or all that the trainer writes."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    def say(self, *lines: str) -> None:
        for line in lines if not self.quiet else ():
            say(line)


def start(config: Config, verbosity: Verbosity) -> int:
    """Train a config in a new run folder. Raises SetupError before anything is written, LaunchError when training
    fails."""
    inputs = resolve(config, look())
    root, name = Path(config.runs), config.run_name
    draft = plan(inputs, next_name(root, name))
    report = _check(inputs, draft, verbosity)
    run = new_run(root, name) if draft.nodes == 1 else shared_run(root, name, draft.node_rank)
    try:
        inputs = into_run(inputs, run.folder)
        planned = plan(inputs, run.folder, tokens_a_row=report.tokens_a_row)
        return _train(inputs, planned, run, verbosity)
    except BaseException:
        # A trainer that was never started leaves nothing, so that its name is free.
        if draft.nodes == 1 and not (run.folder / "log.txt").exists():
            shutil.rmtree(run.folder)
        raise


def resume(name: str, overrides: list[str], verbosity: Verbosity) -> int:
    """Resume a run from its last complete checkpoint, in its own folder."""
    root = next((word.partition("=")[2] for word in overrides if word.startswith("runs=")), "runs")
    run = find_run(name, root) if name else _newest_unfinished(root)
    if run.alive():
        raise SetupError(f"{run.folder}: this run is still going (process {run.record.get('pid')}); end it first")
    if run.state == "done" and not overrides:
        remedy = "`num_train_epochs=N` or `max_steps=N` with --resume trains it on"
        raise SetupError(f"{run.folder}: this run is done; {remedy}")
    inputs = resolve(load(run.folder / "config.yaml", overrides), look())
    checkpoint = run.checkpoint_last
    if checkpoint is None and not verbosity.quiet:
        warn(f"{run.folder}: no complete checkpoint; training starts from the beginning")
    report = _check(inputs, plan(inputs, run.folder), verbosity)
    planned = plan(inputs, run.folder, resume=str(checkpoint or ""), tokens_a_row=report.tokens_a_row)
    _forget_metrics_after(run, _step(checkpoint))
    if checkpoint:
        as_trained(checkpoint)
        verbosity.say(f"resuming {run.folder} from step {_step(checkpoint)}")
    return _train(inputs, planned, run, verbosity)


def _newest_unfinished(root: str) -> Run:
    if newest := next((run for run in all_runs(root) if run.state != "done"), None):
        return newest
    raise SetupError(f"{root}: no unfinished run to resume; `swiftagent runs` lists them")


def _check(inputs: Inputs, planned: LaunchPlan, verbosity: Verbosity) -> preflight.Report:
    """Raises SetupError with every problem that the preflight found."""
    with progress("checking", quiet=verbosity.quiet):
        report = preflight.examine(inputs, planned, inputs.config.preflight)
    if report.problems:
        raise SetupError(report.problems)
    for warning in report.warnings:
        warn(warning)
    if inputs.config.preflight != "off":
        verbosity.say(*summary(report))
    return report


def summary(report: preflight.Report) -> list[str]:
    """What a passed preflight found, in two or three lines."""
    measured = report.measured
    lines = []
    if measured and not measured.error:
        faults = "masks exact" if measured.masks.get("clean") else "masks not checked"
        on = f"{faults} on {measured.sampled:,} of them"
        lines.append(f"{report.data.rows:,} rows; {on}, template {measured.template}")
    if report.effort:
        hours = f", about {duration(report.effort.hours * 3600)}" if report.effort.hours else ""
        lines.append(f"{report.effort.steps:,} steps, about {report.effort.tokens:,} tokens{hours}")
    lines.append(f"preflight: {report.seconds:.1f} s (preflight=off leaves it out)")
    return lines


def _train(inputs: Inputs, planned: LaunchPlan, run: Run, verbosity: Verbosity) -> int:
    if planned.node_rank:
        return _train_on_another_node(planned, run, verbosity)
    _write_down(inputs, planned, run)
    if needs_copy(inputs.config):
        write_copies(inputs, run.folder)
    verbosity.say(*planned.notes)
    for warning in planned.warnings:
        warn(warning)
    verbosity.say(f"run {run.folder}: {_shape(planned)}; log in {run.folder / 'log.txt'}")
    with progress("starting the trainer", quiet=verbosity.quiet), _View(inputs, run, verbosity) as view:
        outcome = train(planned, run, view)
    # Nobody asked for steps cut by tokens, and no other machine waits for them.
    may_be_batches = planned.micro and inputs.config.micro_batch == "auto" and planned.nodes == 1
    if may_be_batches and outcome.state == "failed" and outcome.code in FROM_CUTTING and not view.stepped:
        warn(f"failed before its first step, cut by tokens: {outcome.cause}; it starts again with batches of sequences")
        config = msgspec.structs.replace(inputs.config, micro_batch="sequences")
        batches = msgspec.structs.replace(inputs, config=config)
        again = plan(batches, run.folder, resume=planned.options.get("resume_from_checkpoint", ""))
        return _train(batches, again, run, verbosity)
    try:
        finish(run, outcome)
    except SetupError as error:
        why = error.message.partition(";")[0]
        fact = f"{outcome.cause or 'trained to its end'}; its end was not written down ({why})"
        remedy = f"`swiftagent sft --resume {run.name}` resumes from the last whole checkpoint"
        raise LaunchError(f"{run.folder}: {fact}, then {remedy}") from error
    if outcome.state != "done" and run.checkpoint_last:  # else the trainer drew it
        with suppress(OSError):  # a picture that finds no room hides no cause
            draw(run.folder)
    if outcome.state == "done" and inputs.config.adapter_scale == "auto" and (best := run.checkpoint_best):
        _scale_adapter(inputs, run, best, verbosity)
    return _report_end(run, outcome, as_json=verbosity.as_json)


def _scale_adapter(inputs: Inputs, run: Run, best: Path, verbosity: Verbosity) -> None:
    config = inputs.config
    loading = {"trust_remote_code": config.trust_remote_code, "device": "cpu" if config.gpus == 0 else "auto"}
    try:
        with progress("trying scales of the adapter", quiet=verbosity.quiet) as stage:
            found = scale_checkpoint(best, map(str, inputs.val_files), config.gate, stage.update, **loading)
    except (SetupError, RowError, RuntimeError) as error:  # a GPU without room raises the last
        again = f"`swiftagent sft --resume {run.name} adapter_scale=auto` tries again"
        warn(f"adapter_scale: {error}; the adapter stays as it was trained; {again}")
        return
    run.update(adapter_scale=found)
    for trial in found["tried"]:
        chosen = ", chosen" if trial["scale"] == found["scale"] else ""
        rise = "" if trial["rise"] is None else f", {trial['rise']:+.3f} bits per byte of chat"
        verbosity.say(f"adapter at {trial['scale']:g}: {trial['call_exact']:.1%} of calls exact{rise}{chosen}")


def _train_on_another_node(planned: LaunchPlan, run: Run, verbosity: Verbosity) -> int:
    """The first machine keeps the run's record; this one only trains, with a log of its own."""
    log = f"log-node{planned.node_rank}.txt"
    verbosity.say(f"run {run.folder}: node {planned.node_rank} of {planned.nodes}; log in {run.folder / log}")
    outcome = train(planned, run, Follower(), log_name=log)
    if outcome.state == "failed":
        raise _failure(run, outcome, log)
    return INTERRUPTED if outcome.state == "interrupted" else 0


def _write_down(inputs: Inputs, planned: LaunchPlan, run: Run) -> None:
    """The resolved config, the command and the environment, before the first process starts."""
    config = inputs.config
    with whole_file(run.folder / "config.yaml") as out:
        head = f"# swiftagent sft --resume {run.name}      resumes this run\n"
        out.write((head + yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True)).encode())
    write_json(run.folder / "plugin.json", settings_of_the_plugin(inputs, planned))
    run.update(
        state="running", started=run.record.get("started") or now(), ended=None, exit_code=None, cause="",
        config=config.as_dict(), folder=str(Path.cwd()), command=planned.argv, environment=planned.env,
        versions=describe(), data=_hashes(inputs), plan=_plan_of_steps(planned),
        **{name: getattr(planned, name) for name in PLANNED}, checkpoint_best="", checkpoint_last="", **identity(),
    )  # fmt: skip


def settings_of_the_plugin(inputs: Inputs, planned: LaunchPlan) -> dict[str, Any]:
    """What the trainer reads in `plugin.json`."""
    config, micro = inputs.config, planned.micro
    left = {name: getattr(config, name) for name in ("trust_remote_code", "method", "eval_calls")}
    left |= {"token_trainer": planned.token_trainer, "micro_step_tokens": micro.tokens if micro else None}
    left["held_out"] = [str(path.resolve()) for path in inputs.val_files]
    return left | {"mfu_of_a_token": mfu(inputs.shape, 1.0, planned.gpu_names) if inputs.shape else None}


def _plan_of_steps(planned: LaunchPlan) -> dict[str, Any]:
    """What run.json says of a step before it is measured; `_View` adds what was."""
    if planned.micro is None:
        return {"micro_batch": "sequences", "micro_steps": planned.accumulation}
    micro = planned.micro
    plan = {"micro_batch": "tokens", "micro_step_tokens": micro.tokens, "micro_steps": micro.micro_steps or None}
    plan |= {"attention": micro.attention, "gradient_checkpointing": micro.checkpointing}
    return plan | {"seconds_per_step": micro.seconds or None, "memory_gb": round(micro.memory / 1e9, 2) or None}


def _hashes(inputs: Inputs) -> dict[str, str]:
    """SHA-256 of every data file, and of the manifest that `mix` wrote beside it."""
    files = [*inputs.files, *inputs.val_files]
    files += [path.with_name(f"{path.stem}.manifest.json") for path in inputs.files]
    return {str(path): sha256_of(str(path)) for path in files if path.is_file()}


def _shape(planned: LaunchPlan) -> str:
    where = "GPU" if planned.device == "gpu" else "CPU process"
    count = planned.ranks
    plural = ("s" if where == "GPU" else "es") if count > 1 else ""
    cut = f"batch {planned.batch} x accumulation {planned.accumulation} x {count}"
    if planned.micro:
        one = "one sequence" if planned.micro.tokens == 1 else f"up to {planned.micro.tokens:,} tokens"
        cut = f"micro-steps of {one} on each"
    return f"{count} {where}{plural}, {planned.sequences_per_step} sequences a step ({cut})"


class _View(ExitStack, Follower):
    """News as plain lines; on a terminal a bar below them too."""

    def __init__(self, inputs: Inputs, run: Run, verbosity: Verbosity) -> None:
        super().__init__()
        self.inputs, self.run, self.verbosity = inputs, run, verbosity
        self.log = self.enter_context((run.folder / "log.txt").open("ab+")) if verbosity.verbose else None
        self.bar: Any = None
        self.measured, self.stepped, self.began = False, False, 0

    def __exit__(self, *raised: Any) -> bool | None:
        self.tick()
        return super().__exit__(*raised)

    def tick(self) -> None:
        if self.log is not None and (fresh := self.log.read()):
            sys.stderr.write(fresh.decode("utf-8", "replace"))

    def loaded(self, loaded: dict[str, Any]) -> None:
        self.began = int(loaded.get("started_at_step") or 0)
        names = {"loaded": "rows", "validation": "val_rows", "too_long": "too_long"}
        self.run.update(rows={name: loaded[key] for name, key in names.items()})
        if vanished := self._vanished(loaded):
            warn(f"{vanished:,} rows of the data did not reach the trainer; {self.run.folder / 'log.txt'} may say why")
        left_out, shortened = length_lines(loaded, self.inputs.config.train.get("max_length"))
        if left_out:
            warn(left_out)
        self.verbosity.say(*filter(None, (shortened, loaded_line(loaded))))
        quiet = self.verbosity.quiet
        self.bar = self.enter_context(progress("training", int(loaded["max_steps"]), quiet=quiet))

    def _vanished(self, loaded: dict[str, Any]) -> int:
        """Rows of the files that were neither loaded nor counted as too long; 0 where the number cannot be known."""
        files, config = self.inputs.files, self.inputs.config
        sampled = self.inputs.hub_data or any("#" in entry for entry in config.data)
        if sampled or any(path.suffix != ".jsonl" for path in files) or config.train.keys() & RESHAPING:
            return 0
        rows = sum(1 for path in files for line in path.open("rb") if line.strip())
        return int(max(0, rows - int(loaded["rows"]) - sum(loaded["too_long"].values())))

    def metric(self, line: dict[str, Any]) -> None:
        self.stepped = True
        if not self.measured and int(line["step"]) - self.began >= MEASURED_AFTER and "micro_steps" in line:
            self.measured = True
            figures = {name: line.get(name) for name in MEASURED}
            self.run.update(plan={**self.run.record.get("plan", {}), "measured": figures})
            if (left := seconds_left(line)) is not None:
                self.verbosity.say(f"measured: {line['seconds_per_step']:.2f} s a step, {duration(left)} to go")
        self.verbosity.say(*filter(None, [metric_line(line)]))
        if self.bar is not None:
            self.bar.update(int(line["step"]))

    def asked_to_stop(self, times: int) -> None:
        first = "stopping: a checkpoint is saved at the end of this step; again ends it at once"
        say(first if times == 1 else "ending at once")


def _report_end(run: Run, outcome: TrainingEnd, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"run": str(run.folder), **run.record}, ensure_ascii=False))
    if outcome.state == "failed":
        raise _failure(run, outcome, "log.txt")
    if outcome.state == "interrupted":
        last = run.checkpoint_last
        kept = f"step {_step(last)} is saved" if last else "no checkpoint was saved yet"
        warn(f"{run.folder}: {outcome.cause}; {kept}; `swiftagent sft --resume {run.name}` resumes it")
        return INTERRUPTED
    for advice in trend_advice(list(run.metrics())):
        warn(advice)
    best = run.checkpoint_best
    say(f"best checkpoint: {best}" if best else f"{run.folder}: done; no checkpoint was saved (save_strategy)")
    if best:
        named = f" --model {best}" if run.config["train"].get("tuner_type") == "full" else ""
        say(f"next: swiftagent infer --react{named}")
    if logs := next(run.folder.rglob("events.out.tfevents.*"), None):
        say(f"curves: tensorboard --logdir {logs.parent}")
    return 0


def _failure(run: Run, outcome: TrainingEnd, log: str) -> LaunchError:
    return LaunchError(f"{run.folder}: {outcome.cause} (exit code {outcome.exit_code}; log: {run.folder / log})")


def _step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def _forget_metrics_after(run: Run, step: int) -> None:
    """Steps after the checkpoint are trained again; each is to stand in metrics.jsonl once."""
    kept = [line for line in run.metrics() if int(line.get("step", 0)) <= step]
    write_lines(run.folder / "metrics.jsonl", kept)
