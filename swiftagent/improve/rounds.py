"""Rounds of asking, judging, training and evaluating; each leaves a folder from which it resumes.

OUT/round-N/questions.jsonl     what was asked, with gold
OUT/round-N/tries.jsonl         what the model did on each question, with verdicts
OUT/round-N/lessons.jsonl       the training records that follow, `lessons.report.json` their counts
OUT/improve.json                the rounds: parents, counts, gain with its interval, whether each was kept and why
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from swiftagent.agent.loop import ReAct
from swiftagent.agent.native import Native
from swiftagent.backend.engine import load_engine
from swiftagent.convert.reading import read_trajectories
from swiftagent.errors import SetupError
from swiftagent.evaluate.data import read_gold
from swiftagent.evaluate.scoring import gold_from, score_model
from swiftagent.evaluate.target import default_data
from swiftagent.evaluate.writing import Entry
from swiftagent.formats.writers.openai import render
from swiftagent.improve.asking import Questions, ask
from swiftagent.improve.judging import Check, Judgement, Try, judge, lesson, most_to_learn
from swiftagent.improve.trying import Trying
from swiftagent.io.jsonl import BadRow, encode, read_entries, write_json, write_lines
from swiftagent.io.own_command import run_command
from swiftagent.io.rows import read_rows
from swiftagent.io.storage import sha256_of
from swiftagent.scores.intervals import MetricDifference, paired_differences
from swiftagent.scores.metrics import not_shares
from swiftagent.tools.toolbox import Toolbox
from swiftagent.train.runs import Run, find_run
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.style import prompt_style
from swiftagent.trajectory.types import Trajectory

METRIC = "call_exact"
_GATE_FAILED = 7


class Rounds(msgspec.Struct, frozen=True):
    """What is to be done. data: what rounds are judged on (none: the run's validation split). questions: the user's
    own, with gold where it is known. scratch: train from the base on all rows, else on from the adapter."""

    run: Run
    out: Path
    data: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    rounds: int = 2
    count: int = 300
    tries: int = 4
    temperature: float = 0.8
    step_tokens: int = 256
    seed: int = 0
    max_minutes: float | None = None
    max_tokens: int | None = None
    scratch: bool = True
    native: bool = False
    all_rounds: bool = False
    device: str = "auto"
    changes: tuple[str, ...] = ()  # key=value, as `sft` takes them
    check: Check | None = None
    toolbox: Toolbox | None = None
    tell: Callable[[str], None] = print

    @property
    def gold(self) -> tuple[str, ...]:
        return tuple(self.data) or tuple(default_data(self.run))


class Tried(msgspec.Struct):
    """One line of tries.jsonl: the tries of a question with their verdicts. `of`: a hash of what was asked of which
    checkpoint, and how."""

    id: str
    of: str
    tries: list[Try]
    verdicts: list[str]


Judged = tuple[Trajectory, list[Try], list[Judgement]]


class Outcome(msgspec.Struct):
    """One round, as improve.json holds it. parents: the run that was asked and the files that were trained on."""

    number: int
    parents: dict[str, Any]
    asked: int = 0
    left_out: dict[str, int] = {}
    verdicts: dict[str, int] = {}
    lessons: dict[str, int] = {}
    run: str = ""
    gate_passed: bool | None = None
    gain: dict[str, Any] | None = None
    kept: bool = False
    reason: str = ""


def first_questions(plan: Rounds) -> dict[str, Any]:
    """What the first round would ask: how many questions, why others are left out, and the first five."""
    found = _questions(plan, plan.run.data_files())
    first = [render(row)[0]["messages"] for row in found.rows[:5]]
    return {"questions": len(found.rows), "left_out": dict(found.left_out), "first": first}


def _questions(plan: Rounds, files: Sequence[str]) -> Questions:
    """Other questions in each round, since each round has one file more. Raises SetupError where there are none."""
    own = _rows(plan.questions)
    if plan.questions and not own:
        names = ", ".join(plan.questions)
        raise SetupError(f"--questions: {names}: no row can be read; `swiftagent convert {names} -o OUT` says why")
    found = ask(_rows(files), read_gold(plan.gold).rows, plan.count, plan.seed + len(files), own)
    if not found.rows:
        why = ", ".join(f"{reason} {count:,}" for reason, count in found.left_out.most_common()) or "no training rows"
        raise SetupError(f"no question can be made: {why}; give your own with --questions FILE")
    return found


def improve(plan: Rounds) -> list[Outcome]:
    """Run the rounds that are not done; returns all, the last with the reason why it is the last."""
    began, best, files = time.monotonic(), plan.run, plan.run.data_files()
    if not files:
        raise SetupError(f"{best.folder}: its training data is not here, so nothing can be asked; bring it back")
    _evaluated(plan, best, plan.out)
    outcomes: list[Outcome] = []
    for number in range(1, plan.rounds + 1):
        minutes = (time.monotonic() - began) / 60
        if plan.max_minutes is not None and minutes >= plan.max_minutes:
            plan.tell(
                f"round {number} is not begun: {minutes:.0f} minutes are over (--max-minutes {plan.max_minutes:g})"
            )
            break
        outcome = _round(plan, best, number, files)
        outcomes.append(outcome)
        write_json(plan.out / "improve.json", {"run": plan.run.name, "rounds": msgspec.to_builtins(outcomes)})
        plan.tell(f"round {number}: {outcome.reason}")
        if outcome.kept:
            best = find_run(outcome.run, str(plan.run.folder.parent))
            files = [*files, str(_lessons(plan, number))]
        if not outcome.kept or (outcome.gain or {}).get("is_noise") and not plan.all_rounds:
            break
    return outcomes


def _lessons(plan: Rounds, number: int) -> Path:
    return plan.out / f"round-{number}" / "lessons.jsonl"


def _round(plan: Rounds, parent: Run, number: int, files: Sequence[str]) -> Outcome:
    """One round from `parent`. files: what it and the runs before it learned from."""
    lessons = _lessons(plan, number)
    folder, report = lessons.parent, lessons.with_name("lessons.report.json")
    folder.mkdir(parents=True, exist_ok=True)
    if not report.is_file():
        write_json(report, _ask_and_judge(plan, parent, folder, files))
    about = json.loads(report.read_text(encoding="utf-8"))
    counts = {name: about[name] for name in ("asked", "left_out", "verdicts", "lessons")}
    outcome = Outcome(number, {"run": parent.name}, **counts)
    if not outcome.lessons:
        outcome.reason = f"nothing to learn: {outcome.asked:,} questions left no lesson"
        return outcome
    rows = [*files, str(lessons)]
    if not plan.scratch:
        replay = lessons.with_name("replay.jsonl")
        if not replay.is_file():
            write_lines(replay, replayed(files, sum(outcome.lessons.values()), plan.seed))
        rows = [str(replay), str(lessons)]
    run = _trained(plan, parent, f"{plan.run.name}-round{number}", rows)
    run.update(parents={"run": parent.name, "lessons": str(lessons)})
    outcome.parents["data"] = {path: sha256_of(path) for path in rows}
    outcome.run = run.name
    outcome.gate_passed = _evaluated(plan, run, folder)
    gain = _gain(plan.gold, parent, run)
    outcome.gain = gain.as_dict()
    decide(outcome, gain)
    return outcome


def replayed(files: Sequence[str], count: int, seed: int) -> list[Any]:
    """Rows of the data before, each at most once, so that a model that trains on forgets none of it."""
    rows = [row.value for file in files for row in read_rows(file) if not isinstance(row, BadRow)]
    return random.Random(seed).sample(rows, min(count, len(rows)))


def decide(outcome: Outcome, gain: MetricDifference) -> None:
    """The gate decides, then the gain: a round that calls worse is not kept, whatever the gate says."""
    low, high = (100 * (bound or 0.0) for bound in (gain.low, gain.high))
    shown = "not measured"
    if gain.value is not None:
        shown = f"{100 * gain.value:+.1f} ({low:+.1f} to {high:+.1f}) points of {METRIC}"
    if not outcome.gate_passed:
        outcome.reason = f"not kept: the gate was not passed; {shown}"
    elif gain.value is None or gain.value <= 0:
        outcome.reason = f"not kept: no gain; {shown}"
    else:
        outcome.kept = True
        outcome.reason = f"kept: {shown}{', within its noise' if gain.is_noise else ''}"


def _ask_and_judge(plan: Rounds, parent: Run, folder: Path, files: Sequence[str]) -> dict[str, Any]:
    """Write questions, tries and lessons of a round; returns their counts."""
    questions = _questions(plan, files)
    write_lines(folder / "questions.jsonl", questions.rows)
    verdicts: Counter[str] = Counter()
    found: list[tuple[str, Trajectory]] = []
    tokens = done = 0
    for done, (row, tries, judged) in enumerate(_judged(plan, parent, questions.rows, folder / "tries.jsonl"), 1):
        verdicts.update(verdict.reason for verdict in judged)
        if (learnt := lesson(row, tries, judged)) is not None:
            found.append((learnt[0], msgspec.structs.replace(learnt[1], source=f"improve:{row.id}")))
        if done % 50 == 0:
            plan.tell(
                f"{parent.name}: {done:,} of {len(questions.rows):,} questions, {verdicts['right']:,} tries right"
            )
        tokens += sum(each.tokens for each in tries)
        if plan.max_tokens is not None and tokens >= plan.max_tokens:
            break
    style = prompt_style(parent.data_files()) or "auto"
    lessons = most_to_learn(found)
    write_lines(folder / "lessons.jsonl", (to_record(row, style) for _, row in lessons))
    left_out = questions.left_out + Counter({"right-already": len(found) - len(lessons)})
    kinds = Counter(kind for kind, _ in lessons)
    counts = {"left_out": dict(left_out), "verdicts": dict(verdicts), "lessons": dict(kinds)}
    return {"asked": done, **counts, "tokens": tokens}  # fewer than there are where the tokens are spent


def _judged(plan: Rounds, parent: Run, rows: list[Trajectory], path: Path) -> Iterator[Judged]:
    """Every question with its tries and their verdicts. Tries are appended to a file as they come, and those that an
    earlier run left there are not made again."""
    checkpoint = str(parent.checkpoint("best"))
    how = [rows, plan.tries, plan.temperature, plan.step_tokens, plan.native, checkpoint]
    mark = xxhash.xxh3_64_hexdigest(encode([*how, parent.record.get("started")]))
    known = {each.id: each for each in read_entries(path, Tried) if each.of == mark}
    write_lines(path, known.values())
    plan.tell(f"{parent.name}: {len(rows):,} questions, {plan.tries} tries each, {len(known):,} there already")
    for row in rows:
        if row.id in known:
            yield row, known[row.id].tries, judge(row, known[row.id].tries, plan.check)
    left = [row for row in rows if row.id not in known]
    if not left:
        return
    grammar = Native() if plan.native else ReAct(prompt_style(parent.data_files()) or "auto")
    # An adapter's folder names its base.
    with closing(load_engine(checkpoint, None, parent.template, device=plan.device)) as engine:
        trying = Trying(engine, grammar, plan.tries, plan.temperature, plan.step_tokens, plan.toolbox)
        for row, tries in trying.all_tries(left):
            judged = judge(row, tries, plan.check)
            with path.open("ab") as out:
                out.write(encode(Tried(row.id, mark, tries, [each.reason for each in judged])) + b"\n")
            yield row, tries, judged


def _trained(plan: Rounds, parent: Run, name: str, files: Sequence[str]) -> Run:
    """The run of this round: as it is where it is done, resumed where it was interrupted, else trained."""
    root = parent.folder.parent
    known = Run(root / name)
    if known.state == "done" and known.data_files() == list(files):
        return known
    if known.folder.exists() and known.checkpoint_last is not None:
        words = ["sft", "--resume", name, f"runs={root}"]
    else:
        adapter = [] if plan.scratch else [f"adapters=[{parent.checkpoint('best')}]"]
        data = f"data={json.dumps(list(files))}"
        words = ["sft", str(parent.folder / "config.yaml"), data, f"runs={root}", f"name={name}", *adapter]
    plan.tell(f"training {name} on {len(files)} files")
    printed = run_command([*words, *plan.changes, "--json"], plan.out / f"{name}.sft.log")
    return Run(Path(json.loads(printed)["run"]))


def _evaluated(plan: Rounds, run: Run, folder: Path) -> bool:
    """Evaluate a run on the held-out rows, where that is not done; whether its gate was passed."""
    plan.tell(f"evaluating {run.name}")
    words = ["eval", run.name, "--runs", str(run.folder.parent), "--no-free", "--drop-trained", "--json"]
    words += [word for path in plan.gold for word in ("--data", path)] + ["--device", plan.device]
    words += ["--step-tokens", str(plan.step_tokens), *(["--native"] if plan.native else [])]
    folder.mkdir(parents=True, exist_ok=True)
    printed = run_command(words, folder / f"{run.name}.eval.log", passes=(0, _GATE_FAILED))
    return bool(json.loads(printed)["gate"]["passed"])


def _gain(gold: tuple[str, ...], before: Run, after: Run) -> MetricDifference:
    """The paired difference of exact calls between two evaluated runs."""
    rows = gold_from(read_gold(gold).rows)
    steps = []
    for run in (before, after):
        entries = read_entries(run.folder / "eval" / "predictions.jsonl", Entry)
        steps.append({each.id: each for each in entries if (each.model, each.kind) == ("tuned", "step")})
    rows.steps = [step for step in rows.steps if step.id in steps[0] and step.id in steps[1]]
    base, tuned = (score_model(rows, found, {}, {}).ratios for found in steps)
    return paired_differences(base, tuned, not_shares=not_shares())[METRIC]


def _rows(paths: Sequence[str]) -> list[Trajectory]:
    return [row for path in paths for row in read_trajectories(read_rows(path))]
