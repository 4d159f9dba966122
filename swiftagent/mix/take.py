"""Which of a source's candidates are taken: they are converted in the order of their keys until the source has what it
wants."""

from __future__ import annotations

import hashlib
import itertools
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from swiftagent import __version__
from swiftagent.io.jsonl import encode, whole_file
from swiftagent.io.outputs import clear
from swiftagent.io.workers import Workers
from swiftagent.mix.judge import OF_RECORDS, SEEN, Judge
from swiftagent.mix.notes import Note, needs_notes
from swiftagent.mix.plan import Plan, scan_all
from swiftagent.mix.recipe import Recipe
from swiftagent.mix.restraint import CHANNEL
from swiftagent.mix.sample import copies
from swiftagent.mix.task import CARD, SYNTHETIC, Done, Left, Task, convert
from swiftagent.trajectory.ledger import add_up

CountLines = Callable[[list[bytes]], list[tuple[int, int]]]  # records as lines -> (tokens, trained tokens)
_TASK_ROWS = 400  # of one task: some megabytes, some tens of milliseconds
_ROUND_ROWS = 50_000  # of one round: what the parent holds for a while, some hundred bytes each
_PLACE = {"keys": "Q", "prints": "Q", "groups": "Q", "spools": "H", "offsets": "Q", "lengths": "I"}
_COLUMNS = {**_PLACE, "characters": "I", "tokens": "I", "trained": "I"}


class Record(NamedTuple):
    """One converted record: where it lies, how large it is, and what CARD tells of its content."""

    rank: int
    spool: int
    offset: int
    length: int
    characters: int
    tokens: int
    trained: int
    print: int
    group: int
    key: int
    note: Note | None
    synthetic: bool


class Refused(NamedTuple):
    """A row, or a part of one, that is not taken, and where its line for rejects.jsonl or its record lies."""

    rank: int
    code: str
    spool: int
    offset: int
    length: int
    fault: bool
    about: str = ""  # the evaluation row that it overlaps


Result = tuple[list[int], int, Done]  # the ranks of a task's rows, its spool file, what it made


class Taken:
    """The records that one source gives, in order of their keys, and the account of every row that was looked at.

    `rounds`: how often every record is written, and how many of the first ones once more.
    """

    def __init__(self) -> None:
        self.columns: dict[str, array[int]] = {name: array(code) for name, code in _COLUMNS.items()}
        self.names: list[str] = []
        self.rejects: list[tuple[int, int, int, str, str]] = []
        self.ledger: dict[str, Any] = {"rows_in": 0, "rows_out": 0}
        self.notes: list[Note] = []  # of each record, where the recipe needs them
        self.made: list[Record] = []  # synthetic records made from those taken
        self.used = {"tokens": 0, "trained": 0}  # by the records so far
        self.rounds = (1, 0)
        self.faults = 0
        self.short = 0
        self.budget: int | None = None  # tokens wanted, where the recipe shares tokens

    def __len__(self) -> int:
        return len(self.columns["keys"])

    @property
    def total(self) -> int:
        """Records as written, copies counted."""
        return len(self) * self.rounds[0] + self.rounds[1]

    def sum(self, column: str) -> int:
        """The sum of a column over all that is written, copies counted."""
        values = self.columns[column]
        return sum(values) * self.rounds[0] + sum(values[: self.rounds[1]])

    def add(self, record: Record) -> None:
        for name, column in self.columns.items():
            column.append(getattr(record, name[:-1] if name in _PLACE else name))
        self.used["tokens"] += record.tokens
        self.used["trained"] += record.trained
        if record.note is not None:
            self.notes.append(record.note)

    def add_all(self, results: list[Result], keys: array[int], first: int) -> bool:
        """Add everything that tasks made of the candidates ranked from `first`, column by column.

        False, and nothing added, where a row became several records, which have to be counted one by one.
        """
        cards = [b""] * len(keys)
        spools = array("H", bytes(2 * len(keys)))
        for ranks, spool, done in results:
            for start in range(0, len(done.cards), CARD.size):
                card = done.cards[start : start + CARD.size]
                slot = ranks[int.from_bytes(card[:4], "little")] - first
                if cards[slot]:
                    return False
                cards[slot], spools[slot] = card, spool
        made = [slot for slot, card in enumerate(cards) if card]
        if not made:
            return True
        _, offsets, lengths, characters, tokens, trained, prints, groups = zip(
            *CARD.iter_unpack(b"".join(cards)), strict=True
        )
        columns = (map(keys.__getitem__, made), prints, groups, map(spools.__getitem__, made), offsets, lengths)
        for column, values in zip(self.columns.values(), (*columns, characters, tokens, trained), strict=True):
            column.extend(values)
        self.used["tokens"] += sum(tokens)
        self.used["trained"] += sum(trained)
        return True

    def spool(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def reject_lines(self, work: Path) -> Iterator[bytes]:
        files = [(work / name).open("rb") for name in self.names]
        try:
            for spool, offset, length, code, about in self.rejects:
                files[spool].seek(offset)
                line = files[spool].read(length)
                yield _reject_of(line, code, about) if code else line
        finally:
            for file in files:
                file.close()


class Taker:
    """Takes from one plan after the other. A source that an earlier, killed run has finished is not converted again."""

    def __init__(
        self,
        recipe: Recipe,
        plans: list[Plan],
        work: Path,
        workers: Workers,
        tell: Callable[[str, int, int], None],
        count: CountLines | None = None,
    ) -> None:
        self.count = count
        self.recipe = recipe
        self.work = work
        self.workers = workers
        self.tell = tell
        self.chain = hashlib.sha256(f"{__version__}\0".encode() + msgspec.json.encode(recipe))
        self.judge = Judge(recipe) if needs_notes(recipe) else None
        self.restored = self._restore(plans)

    def take(self, plan: Plan) -> Taken:
        """Convert until the source has what it wants, or nothing is left."""
        if plan.number in self.restored:
            return self.restored[plan.number]
        taken = Taken()
        first = 0
        while (wanted := self._wanted(plan, taken)) > 0:
            if first == len(plan.candidates):
                if plan.exhausted:
                    break
                scan_all([plan], [4 * first + 10_000], self.workers, self.tell)
            last = min(first + wanted, len(plan.candidates))
            results, refused = self._convert(plan, taken, first, last)
            if not (self._nothing_to_judge(plan) and taken.add_all(results, plan.candidates.keys[first:last], first)):
                refused += self._judged(plan, taken, self._records(plan, taken, results))
            first = last
            self._account(taken, refused)
        self._repeat(plan, taken)
        self._save(plan, taken)
        return taken

    def _nothing_to_judge(self, plan: Plan) -> bool:
        """Whether every record that was made is taken, as in a mix by rows."""
        return self.judge is None and self.count is None and self._budget(plan) is None and not self.recipe.no_call

    def _judged(self, plan: Plan, taken: Taken, records: list[Record]) -> list[Refused]:
        """Take the records that are wanted, in the order of their keys; returns the others, each with its reason."""
        refused = []
        was_taken = False
        for record in records:
            about = ""
            if record.synthetic:  # made from the record before it, and goes with it
                if was_taken:
                    taken.made.append(record)
                continue
            code = "" if self._wanted(plan, taken) > 0 and self._fits(plan, taken, record) else "not-needed"
            if not code and self.judge is not None and record.note is not None:
                code = self.judge.refuses(record.note)
                about = record.note.seen_in if code == SEEN else ""
            was_taken = not code
            if code:
                refused.append(Refused(record.rank, code, record.spool, record.offset, record.length, False, about))
            else:
                taken.add(record)
        return refused

    def _wanted(self, plan: Plan, taken: Taken) -> int:
        """How many rows are converted next; 0 where the source has what it wants."""
        if plan.full:
            return 0
        budget = self._budget(plan)
        if budget is not None:
            used = taken.used[self._unit]
            return min(
                _ROUND_ROWS, math.ceil((budget - used) * len(taken) / used) if used else max(1, int(budget / 400))
            )
        if plan.wanted is None:
            return _ROUND_ROWS
        return min(_ROUND_ROWS, plan.wanted - len(taken))

    def _budget(self, plan: Plan) -> float | None:
        """How many tokens the source may have, where the recipe shares tokens."""
        if self.recipe.by == "rows" or plan.source.share is None or self.recipe.total is None:
            return None
        return self.recipe.total * plan.source.share

    @property
    def _unit(self) -> str:
        return "trained" if self.recipe.by == "trained-tokens" else "tokens"

    def _fits(self, plan: Plan, taken: Taken, record: Record) -> bool:
        """Whether the budget of tokens is met better with the record than without it; the source is full where it is
        not."""
        budget = self._budget(plan)
        if budget is not None and taken.used[self._unit] + getattr(record, self._unit) / 2 > budget:
            plan.full = True
        return not plan.full

    def _counted(self, taken: Taken, records: list[Record], count: CountLines) -> list[Record]:
        """The records with exact tokens in place of estimates."""
        files = [(self.work / name).open("rb") for name in taken.names]
        lines = []
        for record in records:
            files[record.spool].seek(record.offset)
            lines.append(files[record.spool].read(record.length))
        for file in files:
            file.close()
        exact = count(lines)
        return [
            record._replace(tokens=tokens, trained=trained)
            for record, (tokens, trained) in zip(records, exact, strict=True)
        ]

    def _convert(self, plan: Plan, taken: Taken, first: int, last: int) -> tuple[list[Result], list[Refused]]:
        tasks, ranks_of = [], []
        for file, ranks, places in plan.candidates.places(first, last):
            for start in range(0, len(ranks), _TASK_ROWS):
                part = places.part(start, start + _TASK_ROWS)
                tasks.append(Task(plan.files[file], plan.source, self.recipe, part, str(self.work.absolute())))
                ranks_of.append(ranks[start : start + _TASK_ROWS])
        results: list[Result] = []
        refused: list[Refused] = []
        for done, (number, result) in enumerate(self.workers.map(convert, tasks), 1):
            spool = taken.spool(result.spool)
            results.append((ranks_of[number], spool, result))
            refused += [_refused(ranks_of[number], spool, left) for left in result.left]
            add_up(taken.ledger, result.ledger)
            self.tell(
                f"convert {plan.source.channel}",
                min(plan.wanted or last, first + done * _TASK_ROWS),
                plan.wanted or last,
            )
        return results, refused

    def _records(self, plan: Plan, taken: Taken, results: list[Result]) -> list[Record]:
        """What tasks made, in the order of the keys."""
        records = []
        keys = plan.candidates.keys
        for ranks, spool, done in results:
            notes = iter(done.notes)
            for row, *card in CARD.iter_unpack(done.cards):
                rank = ranks[row & ~SYNTHETIC]
                records.append(Record._make((rank, spool, *card, keys[rank], next(notes, None), bool(row & SYNTHETIC))))
        records.sort(key=lambda record: (record.rank, record.offset))
        return records if self.count is None else self._counted(taken, records, self.count)

    def _account(self, taken: Taken, refused: list[Refused]) -> None:
        """Count what is not taken, each row with its reason, in order of the keys."""
        refused.sort()
        reasons = Counter(taken.ledger.get("reasons", {}))
        for row in refused:
            if not row.fault:
                reasons[row.code] += 1
                taken.ledger["rows_out"] -= 1
                taken.ledger["rejected"] = taken.ledger.get("rejected", 0) + 1
            taken.faults += row.fault
            told = row.code if row.code in OF_RECORDS else ""
            if row.code != "not-needed":
                taken.rejects.append((row.spool, row.offset, row.length, told, row.about))
        taken.ledger["reasons"] = dict(reasons)

    def _repeat(self, plan: Plan, taken: Taken) -> None:
        budget = self._budget(plan)
        if budget is not None:
            taken.budget = round(budget)
            if not plan.full and taken.used[self._unit]:
                taken.rounds = self._rounds(plan, taken, budget)
            return
        wanted = len(taken) if plan.wanted is None else plan.wanted
        taken.rounds = copies(wanted, len(taken), plan.source.repeat)
        taken.short = wanted - taken.total

    def _rounds(self, plan: Plan, taken: Taken, budget: float) -> tuple[int, int]:
        """How often all rows are written, and how many of them once more, to meet a budget that they do not fill
        once."""
        whole = min(plan.source.repeat, int(budget / taken.used[self._unit]))
        if whole == plan.source.repeat:
            return whole, 0
        left = budget - whole * taken.used[self._unit]
        sums = itertools.accumulate(taken.columns[self._unit])
        return whole, sum(
            1 for end, size in zip(sums, taken.columns[self._unit], strict=True) if end - size / 2 <= left
        )

    def _fingerprint(self, plan: Plan) -> str:
        """Everything that this source's records follow from: the recipe, its files and all sources before it."""
        self.chain.update(msgspec.json.encode([[file.path, file.size, file.stamp, file.sha256] for file in plan.files]))
        return self.chain.hexdigest()

    def _restore(self, plans: list[Plan]) -> dict[int, Taken]:
        found: dict[int, Taken] = {}
        self.fingerprints = {plan.number: self._fingerprint(plan) for plan in plans}
        for plan in plans:
            state = _read_state(self.work / f"{plan.number}.done", self.fingerprints[plan.number])
            if state is None:
                break
            found[plan.number] = state
            if self.judge is not None:
                for note in state.notes:
                    self.judge.learn(note)
        keep = {name for taken in found.values() for name in taken.names} | {f"{number}.done" for number in found}
        clear(self.work, keep | {path.name for path in self.work.glob("*.rows.jsonl")})
        return found

    def _save(self, plan: Plan, taken: Taken) -> None:
        state = {
            "fingerprint": self.fingerprints[plan.number],
            "columns": {name: column.tobytes() for name, column in taken.columns.items()},
            **{
                name: getattr(taken, name)
                for name in ("names", "rejects", "notes", "made", "ledger", "rounds", "faults", "short", "budget")
            },
        }
        with whole_file(self.work / f"{plan.number}.done") as file:
            file.write(msgspec.msgpack.encode(state))


def synthetic(plan: Plan, taken: Taken) -> tuple[Plan, Taken]:
    """What was made from a source's rows, as a source of its own, in a channel of its own."""
    made = Taken()
    made.names = taken.names
    for record in taken.made:
        made.add(record)
    source = msgspec.structs.replace(plan.source, channel=CHANNEL, count=None, share=None)
    return Plan(plan.number, source, [], "", "", plan.seed, synthetic=True), made


def _read_state(path: Path, fingerprint: str) -> Taken | None:
    """What a killed run has finished of a source, or None where there is nothing of the same recipe and files."""
    try:
        state = msgspec.msgpack.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    if state.get("fingerprint") != fingerprint:
        return None
    taken = Taken()
    taken.columns = {name: array(code, state["columns"][name]) for name, code in _COLUMNS.items()}
    for name in ("names", "ledger", "faults", "short", "budget"):
        setattr(taken, name, state[name])
    taken.rejects = [tuple(place) for place in state["rejects"]]
    taken.rounds = tuple(state["rounds"])
    taken.made = [msgspec.convert(record, Record) for record in state["made"]]
    taken.notes = msgspec.convert(state["notes"], list[Note])
    return taken if all((path.parent / name).exists() for name in taken.names) else None


def _reject_of(line: bytes, code: str, about: str) -> bytes:
    """The line for rejects.jsonl of a record that the judge refused; its row is the record itself."""
    record = msgspec.json.decode(line)
    message = f"overlaps {about}" if about else "left out because of another row"
    return encode({"source": record["source"], "code": code, "message": message, "row": record}) + b"\n"


def _refused(ranks: list[int], spool: int, left: Left) -> Refused:
    return Refused(ranks[left.row], left.code, spool, left.offset, left.length, left.fault)
