"""Which of a source's candidates are taken: they are converted in the order of their keys until the source has what it
wants."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from swiftagent import __version__
from swiftagent.io.jsonl import encode, whole_file
from swiftagent.io.outputs import clear
from swiftagent.mix.converting import MixTask, convert
from swiftagent.mix.fingerprints import Fingerprint, needs_fingerprints
from swiftagent.mix.plan import MixRun, SourcePlan
from swiftagent.mix.recipe import Recipe
from swiftagent.mix.restraint import CHANNEL
from swiftagent.mix.sample import copies
from swiftagent.mix.seen import OF_RECORDS, SEEN, SeenRows
from swiftagent.mix.spool import RECORD, NotTaken, Table, lines_at
from swiftagent.trajectory.ledger import add_up

_TASK_ROWS = 400  # of one task: some megabytes, some tens of milliseconds
_ROUND_ROWS = 50_000  # of one round: what the parent holds for a while, some hundred bytes each
_NOT_NEEDED = "not-needed"


class Round(NamedTuple):
    """What one round of tasks made: records in the order of their keys, a fingerprint for each where the recipe needs
    them, and the rows that became none."""

    records: Table
    fingerprints: list[Fingerprint]
    not_taken: list[NotTaken]


class Selection(msgspec.Struct):
    """The records that one source gives, in order of their keys, and the account of every row that was looked at.

    `rounds`: how often every record is written, and how many of the first ones once more. `made`: synthetic records
    made from those taken. `names`: of spool files. `budget`: tokens wanted, where the recipe shares tokens. There are
    fingerprints only where the recipe needs them.
    """

    records: np.ndarray[Any, Any] = msgspec.field(default_factory=lambda: np.empty(0, RECORD))
    fingerprints: list[Fingerprint] = []
    made: np.ndarray[Any, Any] = msgspec.field(default_factory=lambda: np.empty(0, RECORD))
    made_fingerprints: list[Fingerprint] = []
    names: list[str] = []
    rejects: list[NotTaken] = []
    ledger: dict[str, Any] = msgspec.field(default_factory=lambda: {"rows_in": 0, "rows_out": 0})
    rounds: tuple[int, int] = (1, 0)
    faults: int = 0
    short: int = 0
    budget: int | None = None

    def __len__(self) -> int:
        return len(self.records)

    @property
    def total(self) -> int:
        """Records as written, copies counted."""
        return len(self) * self.rounds[0] + self.rounds[1]

    def sum(self, column: str) -> int:
        """The sum of a column over all that is written, copies counted."""
        values = self.records[column]
        return int(values.sum()) * self.rounds[0] + int(values[: self.rounds[1]].sum())

    def add(self, found: Round, taken: list[bool]) -> None:
        """Add the records that are taken; those made from them stand apart."""
        mask, synthetic = np.array(taken, bool), found.records["synthetic"]
        self.records = np.concatenate([self.records, found.records[mask & ~synthetic]])
        self.made = np.concatenate([self.made, found.records[mask & synthetic]])
        for row, is_made in zip(itertools.compress(found.fingerprints, taken), synthetic[mask], strict=False):
            (self.made_fingerprints if is_made else self.fingerprints).append(row)

    def spool(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def reject_lines(self, work: Path) -> Iterator[bytes]:
        lines = lines_at(work, self.names, ((row.spool, row.offset, row.length) for row in self.rejects))
        for row, line in zip(self.rejects, lines, strict=True):
            yield _reject_of(line, row) if row.code in OF_RECORDS else line


class Selector:
    """Takes from one plan after the other. A source that an earlier, killed run has finished is not converted again."""

    def __init__(self, run: MixRun, plans: list[SourcePlan]) -> None:
        self.run, self.recipe, self.work = run, run.recipe, run.out.work
        self.unit = "trained" if run.recipe.by == "trained-tokens" else "tokens"
        # In this process alone: whether a row is a duplicate depends on the rows taken before it, in their order.
        self.seen = SeenRows(run.recipe) if needs_fingerprints(run.recipe) else None
        # A source resumes only if everything before it is unchanged, since duplicates look across sources.
        self.hashes = _hashes(run.recipe, plans)
        self.restored = self._restore(plans)

    def take(self, plan: SourcePlan) -> Selection:
        """Convert until the source has what it wants, or nothing is left."""
        if plan.number in self.restored:
            return self.restored[plan.number]
        taken = Selection()
        first = 0
        while first < len(plan.candidates) and (wanted := self._wanted(plan, taken)) > 0:
            last = min(first + wanted, len(plan.candidates))
            found = self._convert(plan, taken, first, last)
            taken.add(found, self._judged(plan, taken, found))
            first = last
            self._account(taken, found.not_taken)
        self._repeat(plan, taken)
        self._save(plan, taken)
        return taken

    def _wanted(self, plan: SourcePlan, taken: Selection) -> int:
        """How many rows are converted next; 0 where the source has what it wants."""
        if plan.full:
            return 0
        budget = self._budget(plan)
        if budget is None:
            return _ROUND_ROWS if plan.wanted is None else min(_ROUND_ROWS, plan.wanted - len(taken))
        used = int(taken.records[self.unit].sum())
        # By the mean size of the rows so far; 400 tokens a row is a first guess that the next round corrects.
        return min(_ROUND_ROWS, math.ceil((budget - used) * len(taken) / used) if used else max(1, int(budget / 400)))

    def _budget(self, plan: SourcePlan) -> float | None:
        """How many tokens the source may have, where the recipe shares tokens."""
        if self.recipe.by == "rows" or plan.source.share is None or self.recipe.total is None:
            return None
        return self.recipe.total * plan.source.share

    def _judged(self, plan: SourcePlan, taken: Selection, found: Round) -> list[bool]:
        """Whether each record is taken, in the order of their keys; the others are added to those not taken, each with
        its reason."""
        budget = self._budget(plan)
        rows, used = len(taken), int(taken.records[self.unit].sum())
        most = math.inf if plan.wanted is None or budget is not None else plan.wanted
        if self.seen is None and budget is None and not self.recipe.no_call and rows + len(found.records) <= most:
            return [True] * len(found.records)
        verdicts: list[bool] = []
        sizes = found.records[self.unit].tolist()
        for record, size, row in itertools.zip_longest(found.records, sizes, found.fingerprints):
            # Made from the record before it, and taken or left with it.
            if record["synthetic"]:
                verdicts.append(verdicts[-1])
                continue
            # The budget is met better without a record of which more than half is beyond it.
            met = budget is not None and used >= max(1, budget)
            plan.full = plan.full or (budget is not None and not met and used + size / 2 > budget)
            code = _NOT_NEEDED if plan.full or met or rows >= most else ""
            if not code and self.seen is not None:
                code = self.seen.refuses(row)
            verdicts.append(not code)
            if code:
                about = row.seen_in if code == SEEN else ""
                rank, spool, offset, length = record[["rank", "spool", "offset", "length"]].item()
                found.not_taken.append(NotTaken(rank, code, spool, offset, length, False, about))
            else:
                rows, used = rows + 1, used + size
        return verdicts

    def _convert(self, plan: SourcePlan, taken: Selection, first: int, last: int) -> Round:
        """Convert the candidates ranked first to last."""
        tasks, ranks_of = [], []
        candidates = plan.candidates[first:last]
        # In order of offsets a file is read forwards once, also from an object store.
        order = np.lexsort((candidates["offset"], candidates["file"]))
        for ranks in np.split(order, np.flatnonzero(np.diff(candidates["file"][order])) + 1):
            file = plan.files[candidates["file"][ranks[0]]]
            for start in range(0, len(ranks), _TASK_ROWS):
                part = ranks[start : start + _TASK_ROWS]
                places = candidates[part][["offset", "line"]].tolist()
                tasks.append(MixTask(file, plan.source, self.recipe, places, str(self.work.absolute())))
                ranks_of.append(part + first)
        tables: list[Table] = []
        fingerprints: list[Fingerprint] = []
        not_taken: list[NotTaken] = []
        for number, result in enumerate(self.run.workers.in_order(convert, tasks)):
            spool, ranks = taken.spool(result.spool), ranks_of[number]
            # Ray hands over arrays that cannot be written.
            records = result.records.copy()
            records["spool"] = spool
            records["rank"] = ranks[records["row"]]
            records["key"] = plan.candidates["key"][records["rank"]]
            tables.append(records)
            fingerprints += result.fingerprints
            not_taken += [row._replace(rank=int(ranks[row.rank]), spool=spool) for row in result.not_taken]
            # Ledgers add up in any order; only records are sorted below.
            add_up(taken.ledger, result.ledger)
            wanted = plan.wanted or last
            self.run.tell(min(wanted, first + (number + 1) * _TASK_ROWS), wanted, f"convert {plan.source.channel}")
        records = np.concatenate(tables)
        order = np.lexsort((records["offset"], records["rank"]))
        records = records[order]
        if self.run.exact is not None and len(records):
            lines = list(lines_at(self.work, taken.names, records[["spool", "offset", "length"]].tolist()))
            records["tokens"], records["trained"] = zip(*self.run.exact(lines), strict=True)
        return Round(records, [fingerprints[index] for index in order] if fingerprints else [], not_taken)

    def _account(self, taken: Selection, not_taken: list[NotTaken]) -> None:
        """Count what is not taken, each row with its reason, in order of the keys."""
        # Tasks end in any order; sorted, rejects.jsonl has the same bytes each time.
        for row in sorted(not_taken):
            # The task counted it as a row out; the decision came later.
            if not row.fault:
                add_up(taken.ledger, {"rows_out": -1, "rejected": 1, "reasons": {row.code: 1}})
            taken.faults += row.fault
            if row.code != _NOT_NEEDED:
                taken.rejects.append(row)

    def _repeat(self, plan: SourcePlan, taken: Selection) -> None:
        budget = self._budget(plan)
        if budget is not None:
            taken.budget = round(budget)
            if not plan.full and taken.records[self.unit].any():
                taken.rounds = self._rounds(plan, taken.records[self.unit], budget)
            return
        wanted = len(taken) if plan.wanted is None else plan.wanted
        taken.rounds = copies(wanted, len(taken), plan.source.repeat)
        taken.short = wanted - taken.total

    def _rounds(self, plan: SourcePlan, sizes: Any, budget: float) -> tuple[int, int]:
        """How often all rows are written, and how many of them once more, to meet a budget that they do not fill
        once."""
        used = int(sizes.sum())
        whole = min(plan.source.repeat, int(budget / used))
        if whole == plan.source.repeat:
            return whole, 0
        ends = np.cumsum(sizes, dtype=np.int64)
        return whole, int(np.count_nonzero(ends - sizes / 2 <= budget - whole * used))

    def _restore(self, plans: list[SourcePlan]) -> dict[int, Selection]:
        found: dict[int, Selection] = {}
        for plan in plans:
            state = _read_state(self.work / f"{plan.number}.done", self.hashes[plan.number])
            if state is None:
                break
            found[plan.number] = state
            for row in state.fingerprints if self.seen is not None else ():
                self.seen.learn(row)  # type: ignore[union-attr]
        keep = {name for taken in found.values() for name in taken.names} | {f"{number}.done" for number in found}
        clear(self.work, keep | {path.name for path in self.work.glob("*.rows.jsonl")})
        return found

    def _save(self, plan: SourcePlan, taken: Selection) -> None:
        # A killed run converts only the sources again that it had not finished.
        state = (self.hashes[plan.number], taken)
        with whole_file(self.work / f"{plan.number}.done") as file:
            file.write(msgspec.msgpack.encode(state, enc_hook=lambda table: table.tobytes()))


Taken = list[tuple[SourcePlan, Selection]]


def synthetic(plan: SourcePlan, taken: Selection) -> tuple[SourcePlan, Selection]:
    """What was made from a source's rows, as a source of its own, in a channel of its own."""
    made = Selection(taken.made, taken.made_fingerprints, names=taken.names)
    source = msgspec.structs.replace(plan.source, channel=CHANNEL, count=None, share=None)
    return SourcePlan(plan.number, source, [], "", "", plan.seed, synthetic=True), made


def _hashes(recipe: Recipe, plans: list[SourcePlan]) -> dict[int, str]:
    """By source a hash of all that its records follow from: the recipe, its files and all sources before it."""
    # With the version: another one may convert the same row differently.
    chain = hashlib.sha256(f"{__version__}\0".encode() + msgspec.json.encode(recipe))
    found = {}
    for plan in plans:
        chain.update(msgspec.json.encode([[file.path, file.size, file.stamp, file.sha256] for file in plan.files]))
        found[plan.number] = chain.hexdigest()
    return found


def _read_state(path: Path, fingerprint: str) -> Selection | None:
    """What a killed run has finished of a source, or None where there is nothing of the same recipe and files."""
    try:
        known, taken = msgspec.msgpack.decode(
            path.read_bytes(), type=tuple[str, Selection], dec_hook=lambda kind, table: np.frombuffer(table, RECORD)
        )
    except (OSError, msgspec.MsgspecError, ValueError):
        return None
    return taken if known == fingerprint and all((path.parent / name).exists() for name in taken.names) else None


def _reject_of(line: bytes, row: NotTaken) -> bytes:
    """The line for rejects.jsonl of a record that was refused because of others; its row is the record itself."""
    record = msgspec.json.decode(line)
    message = f"overlaps {row.about}" if row.about else "left out because of another row"
    return encode({"source": record["source"], "code": row.code, "message": message, "row": record}) + b"\n"
