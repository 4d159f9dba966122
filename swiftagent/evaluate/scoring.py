"""Gold rows and what models wrote about them become metrics.json: scores per model, differences, groups, the gate,
and what was forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from swiftagent.errors import SetupError
from swiftagent.evaluate.bfcl_files import ask_bfcl_eval
from swiftagent.evaluate.writing import Entry
from swiftagent.io.jsonl import encode
from swiftagent.scores.bfcl import Item, bfcl_right
from swiftagent.scores.calls import DecisionPoint, Part, Predicted, StepScore, run_parts, steps_of, tasks_of
from swiftagent.scores.fields import FieldScores, score_fields
from swiftagent.scores.gate import Rule, gate_report
from swiftagent.scores.groups import grouped
from swiftagent.scores.intervals import Ratios, paired_differences
from swiftagent.scores.metrics import METRICS, not_shares, score_step
from swiftagent.scores.toolbench import toolbench_parts
from swiftagent.trajectory.content import Seen, content_hash, refuse_overlap
from swiftagent.trajectory.types import Question, Trajectory

SELF = "self-cognition"
ROUGE = "answer_rouge_l"
CLEARLY = 0.2  # of ROUGE-L, between two answers to one question


class Gold(msgspec.Struct):
    """What models are asked: decision points, questions to answer freely, and chat answers whose likelihood is
    measured."""

    rows: list[Trajectory]
    steps: list[DecisionPoint]
    tasks: list[DecisionPoint]
    chats: list[DecisionPoint]
    left_out: int = 0  # rows that were trained on

    @property
    def fingerprint(self) -> str:
        rows = [[row.events, row.tools] for row in self.rows]
        # LLaMA-Factory's predictions bring steps alone.
        return sha256(encode(rows or self.steps)).hexdigest()[:16]


class Scored(msgspec.Struct):
    """One model's scores: of each decision point, and all of them summed up."""

    steps: list[StepScore]
    ratios: Ratios
    fields: FieldScores | None = None


def gold_from(
    rows: Iterable[Trajectory], *, limit: int | None = None, seen: Seen | None = None, drop_trained: bool = False
) -> Gold:
    """The gold of an evaluation. Rows of one id are numbered; `limit` takes that many rows spread over all.

    Raises SetupError where nothing is left to evaluate, or where rows were trained on and are not to be dropped.
    """
    kept = _with_ids(rows)
    total = len(kept)
    if not kept:
        raise SetupError("nothing to evaluate: the data holds no row; give other data with --data")
    if seen is not None and drop_trained:
        kept = [row for row in kept if content_hash(row) not in seen.places]
    elif seen is not None:
        refuse_overlap(kept, seen)
    left_out = total - len(kept)
    if limit is not None and limit < len(kept):
        kept = [kept[index * len(kept) // limit] for index in range(limit)]
    steps = [step for row in kept for step in steps_of(row)]
    if not steps:
        reason = "no row holds a call or an answer of the model"
        reason = f"all {total:,} rows were trained on" if left_out == total else reason
        raise SetupError(f"nothing to evaluate: {reason}; give other data with --data")
    # A new name is meant to be learnt: its likelihood is no measure of forgetting.
    not_chat = {row.id for row in kept if row.is_agentic or row.channel == SELF}
    tasks = [task for row in kept for task in tasks_of(row)]
    return Gold(kept, steps, tasks, [step for step in steps if step.row not in not_chat and step.answer], left_out)


def _with_ids(rows: Iterable[Trajectory]) -> list[Trajectory]:
    """Rows with an id each: their own, or their place; a number is added where one comes twice."""
    taken: dict[str, int] = {}
    named = []
    for number, row in enumerate(rows):
        name = row.id or row.source or f"row{number}"
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            name = f"{name}~{taken[name]}"
        named.append(row if row.id == name else msgspec.structs.replace(row, id=name))
    return named


def score_model(
    gold: Gold,
    steps: Mapping[str, Predicted],
    runs: Mapping[str, Entry],
    likelihoods: Mapping[str, Entry],
    *,
    bfcl: Mapping[str, Item] | None = None,
    referee: str | None = None,
    own_name: str = "",
    fields: bool = False,
) -> Scored:
    """Score what one model wrote. `referee`: the Python of an environment with bfcl-eval, which then scores BFCL's
    items.

    Raises KeyError where a decision point has no entry: see `predictions.align`."""
    all_parts: dict[str, dict[str, Part]] = {}
    scores = []
    about_itself = {row.id for row in gold.rows if row.channel == SELF}
    for step in gold.steps:
        score = score_step(step, steps[step.id])
        if step.row in about_itself and own_name and _says(step.answer, own_name):
            score.parts["self_cognition"] = (float(_says(score.predicted.answer, own_name)), 1.0)
        if step.could_call:
            score.parts.update(toolbench_parts(step, score.predicted))
        scores.append(score)
        all_parts[step.id] = score.parts
    if bfcl:
        _score_bfcl([score for score in scores if score.step.row in bfcl], bfcl, referee)
    for task in gold.tasks:
        if task.id in runs:
            run = runs[task.id]
            all_parts[task.id] = run_parts(task, run.calls, run.answer, run.stopped_by)
    for name, entry in likelihoods.items():
        if entry.bits is not None and entry.bytes:
            all_parts.setdefault(name, {})["bits_per_byte"] = (entry.bits, float(entry.bytes))
    # Steps are ROW#N and tasks ROW@N: both are resampled with their row.
    clusters = [name[: max(name.rfind("#"), name.rfind("@"))] for name in all_parts]
    ratios = Ratios(tuple(METRICS), clusters, [*all_parts.values()], [*all_parts])
    answers = ((s.step.row, s.step.answer or "", s.predicted.answer) for s in scores if s.step.answer)
    return Scored(scores, ratios, score_fields(answers) if fields else None)


def _score_bfcl(scores: Sequence[StepScore], items: Mapping[str, Item], referee: str | None) -> None:
    pairs = [(items[score.step.row], score.predicted.calls) for score in scores]
    if referee:
        right = [bool(verdict.valid) for verdict in ask_bfcl_eval(referee, pairs)]
    else:
        right = [bfcl_right(item, calls) for item, calls in pairs]
    for score, valid in zip(scores, right, strict=True):
        score.parts["bfcl_ast"] = (float(valid), 1.0)


def _says(answer: str | None, name: str) -> bool:
    return name.casefold() in (answer or "").casefold()


def measured(models: Mapping[str, Ratios], rules: Sequence[Rule]) -> dict[str, Any]:
    """The metrics of "tuned" and, where it was measured, "base"; then their difference, paired by row; and the gate."""
    report = {name: msgspec.to_builtins(ratios.estimates(not_shares=not_shares())) for name, ratios in models.items()}
    values = {name: {metric: each["value"] for metric, each in found.items()} for name, found in report.items()}
    if "base" in models:
        changes = paired_differences(models["base"], models["tuned"], not_shares=not_shares())
        report["difference"] = {name: change.as_dict() for name, change in changes.items()}
    return {**report, "gate": gate_report(tuple(rules), values["tuned"], values.get("base"))}


def summary(
    gold: Gold, models: dict[str, Scored], about: dict[str, Any], rules: Sequence[Rule] = (), seen: Seen | None = None
) -> dict[str, Any]:
    """What metrics.json holds. `models`: "tuned" and, where it was measured, "base"."""
    report = measured({name: scored.ratios for name, scored in models.items()}, rules)
    if "base" in models and (lost := forgetting(gold, models["base"], models["tuned"])):
        report["forgetting"] = lost
    seen_tools = None if seen is None else seen.tools
    report["groups"] = {name: msgspec.to_builtins(grouped(each.steps, seen_tools)) for name, each in models.items()}
    if fields := {name: msgspec.to_builtins(each.fields) for name, each in models.items() if each.fields}:
        report["fields"] = fields
    report["data"] = {
        "rows": len(gold.rows),
        "steps": len(gold.steps),
        "calls": sum(len(step.calls) for step in gold.steps),
        "questions": len(gold.tasks),
        "chat_answers": len(gold.chats),
        "left_out": gold.left_out,
        "content": gold.fingerprint,
        "training_rows": len(seen.places) if seen is not None else None,
    }
    report["about"] = about
    return report


def forgetting(gold: Gold, base: Scored, tuned: Scored, most: int = 3) -> dict[str, Any] | None:
    """metrics.json's `forgetting`: `answers` of held-out chat, the `change` of their ROUGE-L (tuned - base), how many
    got clearly `further` from the reference or `closer` to it, and as `examples` those furthest away (question, base,
    tuned, reference). None where the data holds no chat."""
    chats = {step.id for step in gold.chats}
    numbers = [number for number, step in enumerate(gold.steps) if step.id in chats]
    change = paired_differences(base.ratios.part(numbers), tuned.ratios.part(numbers))[ROUGE]
    if change.value is None:
        return None
    pairs = [(base.steps[number], tuned.steps[number]) for number in numbers]
    rises = [after.parts[ROUGE][0] - before.parts[ROUGE][0] for before, after in pairs]
    further = sorted(zip(rises, pairs, strict=True), key=lambda each: (each[0], each[1][0].step.id))
    examples = [
        {"question": _question(before.step), "base": before.predicted.answer or "",
         "tuned": after.predicted.answer or "", "reference": before.step.answer}
        for rise, (before, after) in further[:most] if rise <= -CLEARLY
    ]  # fmt: skip
    counts = {"further": sum(rise <= -CLEARLY for rise in rises), "closer": sum(rise >= CLEARLY for rise in rises)}
    return {"answers": len(pairs), **counts, "change": change.as_dict(), "examples": examples}


def _question(step: DecisionPoint) -> str:
    return next((event.text for event in reversed(step.context) if isinstance(event, Question)), "")
