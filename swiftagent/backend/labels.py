"""The labels that ms-swift really makes for a file, compared token by token with what its records mean.

    report = check_labels(Path("mix.jsonl"), "Qwen/Qwen2.5-7B-Instruct", settings={"max_length": 4096})
    report.clean, report.as_dict()

`check_labels` is what `inspect --check` and the preflight of `sft` call: config values in, `masks.pieces.Totals` out.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from swiftagent.agent.native import sent_before
from swiftagent.backend.engine_prompt import common_prefix
from swiftagent.backend.row_labels import PieceRecorder, RowLabels, check_native, native_steps
from swiftagent.backend.template import Trainer, open_trainer, quiet
from swiftagent.backend.token_spans import Aligner, Region, TokenTexts
from swiftagent.errors import CheckError
from swiftagent.formats.writers.openai import function_tool
from swiftagent.io.jsonl import decode
from swiftagent.io.parts import lines_between
from swiftagent.io.workers import Workers, cores
from swiftagent.masks.pieces import RowReport, Totals, is_native, malformed, pieces, served
from swiftagent.masks.view import ShownRow, ShownSpan, describe_row, shown_without_model
from swiftagent.trajectory.record import Record

_ROWS_A_TASK = 64
_ROW = np.dtype([("offset", "<i8"), ("line", "<i8")])


def check_labels(
    path: Path,
    model: str,
    template: str | None = None,
    settings: dict[str, Any] | None = None,
    *,
    sample: int | None = None,
    parity: bool = True,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    trust_remote_code: bool = False,
    workers: Workers | None = None,
) -> Totals:
    """Check the rows of a training file against ms-swift's own labels.

    model: folder or hub id. settings: ms-swift's own option names as the run has them (a config's `train:`);
    `max_length`, `loss_scale`, `truncation_strategy`, `add_non_thinking_prefix` and the like change labels. sample:
    that many rows drawn with a fixed seed, else all. progress: called with (rows done, rows to do). workers: those of a
    cluster, of which each loads model and file for itself; else processes forked here.

    Raises ConfigError (template or settings), SetupError (model) and CheckError (ms-swift cannot load the file).
    """
    subject = LabelJob(str(path), model, template, json.dumps(settings or {}), parity, trust_remote_code)
    numbers = list(range(len(_line_offsets(path)[0])))
    if sample is not None and sample < len(numbers):
        # In the order of the file, which is then read forwards.
        numbers = sorted(random.Random(0).sample(numbers, sample))
    if workers is not None:
        return _check_all(subject, numbers, workers, progress)
    _checker(subject)
    # Elsewhere processes are not forked, and each would import ms-swift again.
    count = min(processes or cores(), -(-len(numbers) // _ROWS_A_TASK)) if sys.platform == "linux" else 1
    with Workers(count) as forked:  # they have what is opened here
        return _check_all(subject, numbers, forked, progress)


class LabelJob(msgspec.Struct, frozen=True):
    """What is checked: the arguments of `check_labels` from which any process makes the same checker; `settings` are
    JSON."""

    path: str
    model: str
    template: str | None
    settings: str
    parity: bool
    trust_remote_code: bool


class RowSource:
    """The same rows twice: as they stand in the file, and as ms-swift loaded them. Memory does not grow with their
    number."""

    def __init__(self, path: Path, trainer: Trainer) -> None:
        self.path = path
        self.offsets, self.lines = _line_offsets(path)
        self.loaded = trainer.load_rows(path)
        self.place = self._places()

    def record(self, number: int) -> Record:
        """The record as it stands in the file."""
        with self.path.open("rb") as file:
            file.seek(self.offsets[number])
            return cast(Record, decode(file.readline()))

    def _places(self) -> Sequence[int | None]:
        """Where each row of the file stands among the loaded ones; None for a row that ms-swift deleted."""
        if len(self.loaded) == len(self.offsets):
            return range(len(self.offsets))
        places: list[int | None] = []
        at = 0
        for number in range(len(self.offsets)):
            same = at < len(self.loaded) and _texts(self.loaded[at]) == _texts(self.record(number))
            places.append(at if same else None)
            at += same
        return places


def _texts(row: Record) -> list[tuple[Any, Any]]:
    messages = row.get("messages")
    return [(message.get("role"), message.get("content")) for message in messages] if isinstance(messages, list) else []


def _line_offsets(path: Path) -> tuple[Any, Any]:
    """The byte offset and the line number of every row."""
    with path.open("rb") as file:
        lines = enumerate(lines_between(file, 0, path.stat().st_size), 1)
        rows = np.fromiter(((at, number) for number, (at, line) in lines if line.strip()), _ROW)
    if not len(rows):
        raise CheckError(f"{path}: no rows")
    return rows["offset"], rows["line"]


class LabelChecker:
    """Checks rows of one source with one template; each process has its own."""

    def __init__(self, source: RowSource, trainer: Trainer, parity: bool) -> None:
        self._source = source
        self._trainer = trainer
        self._parity = parity
        self._rows = trainer.lazily_encoded(source.loaded)
        self._texts = TokenTexts(trainer.tokenizer)
        self._aligner = Aligner(trainer.template, self._texts)
        self._memory: dict[str, list[int]] = {}
        self._listener: PieceRecorder | None = None
        if parity:
            remember_segments([trainer.template, trainer.serving.template], self._memory)

    def check(self, number: int, totals: Totals) -> RowLabels | None:
        """Add row `number` (0 is the first of the file) to `totals`; its labels, None for a native or a lost row."""
        record = self._source.record(number)
        report = RowReport(totals, int(self._source.lines[number]), str(record.get("id", "")))
        totals.rows += 1
        if is_native(record):
            self._check_native(number, record, report)
            return None
        if problem := malformed(record):
            report.fault(0, "malformed", problem)
            return None
        encoded = self._encoded(number, report)
        if encoded is None:
            return None
        messages = record["messages"]
        row = RowLabels(messages, pieces(messages), encoded, self._trainer, self._aligner)
        row.check(report, self._texts)
        if self._parity and not row.alignment.problem and not row.alignment.cut:
            for step, token in row.steps():
                fed = self._trainer.serving.encode(served(messages, row.pieces, step))
                _check_parity(step, fed, row.ids[:token], report)
        self._memory.clear()
        return row

    def tokens_of(self, number: int) -> ShownRow:
        """Row `number` with its tokens; one that ms-swift drops or changes is displayed as its record has it, and
        flagged."""
        record, line, totals = self._source.record(number), int(self._source.lines[number]), Totals()
        row = self.check(number, totals)
        if row is None or row.alignment.problem:
            found = shown_without_model(line, record, totals.faults)
        else:
            wrong = {fault.span: fault.text for fault in totals.faults}
            regions = [region for region in row.alignment.regions if region.first < region.last]
            found = describe_row(line, record, [self._shown(row, region, wrong) for region in regions])
            found.real_tokens = True
        flags = [name for name in ("truncated", "dropped") if totals.counts[name]]
        flags += ["faulty"] if totals.faults else []
        found.flags += [flag for flag in flags if flag not in found.flags]
        return found

    def _shown(self, row: RowLabels, region: Region, wrong: dict[int, str]) -> ShownSpan:
        tokens = self._texts.readable(row.ids[region.first : region.last])
        trained = [bool(value) for value in row.trained[region.first : region.last]]
        weights = row.weights[region.first : region.last].tolist()
        plain = all(value in (0.0, 1.0) for value in weights)
        kind, fault = (region.piece.kind, wrong.get(region.message, "")) if region.piece else ("template", "")
        return ShownSpan(kind, region.message, tokens, trained, [] if plain else weights, fault)

    def _encoded(self, number: int, report: RowReport) -> dict[str, Any] | None:
        place = self._source.place[number]
        if place is None:
            report.fault(0, "dropped", "ms-swift deletes this row when it loads the file")
            return None
        try:
            encoded: dict[str, Any] = self._rows[place]
        # Whatever its encode raises is a row that training would lose without a word.
        except Exception as error:
            report.fault(0, "dropped", f"ms-swift deletes this row: {error}")
            return None
        return encoded

    def _check_native(self, number: int, record: Record, report: RowReport) -> None:
        if self._listener is None:
            self._listener = PieceRecorder(self._trainer.template)
        encoded = self._encoded(number, report)
        ids = check_native(encoded, self._listener, self._texts, report) if encoded is not None else None
        if self._parity and ids is not None:
            for step in native_steps(record["messages"]):
                messages, tools = sent_before(record, step)
                fed = self._trainer.serving.encode(messages, [function_tool(tool) for tool in tools])
                _check_parity(step, fed, ids[: len(fed)], report)
        self._memory.clear()


def _check_parity(step: int, fed: list[int], trained: list[int], report: RowReport) -> None:
    """Whether the ids before a step are the same in serving and in training."""
    report.totals.steps += 1
    if fed != trained:
        same = common_prefix(fed, trained)
        text = f"this step is fed other ids than it was trained on, from token {same} on"
        report.fault(step, "parity", text)


def remember_segments(templates: list[Any], memory: dict[str, list[int]]) -> None:
    """Let templates share the ids of the segments of one row: a prompt's are those of the training row, tokenised
    already."""
    # Most of the time of a check is spent in the tokenizer, on the same segments again.
    tokenize = templates[0]._tokenize

    def remembered(context: str, **options: Any) -> list[int]:
        if context not in memory:
            memory[context] = tokenize(context, **options)
        return memory[context]

    for template in templates:
        template._tokenize = remembered


def _check_all(
    subject: LabelJob, numbers: list[int], workers: Workers, progress: Callable[[int, int], None] | None
) -> Totals:
    tasks = [(subject, numbers[start : start + _ROWS_A_TASK]) for start in range(0, len(numbers), _ROWS_A_TASK)]
    totals = Totals()
    for part in workers.in_order(_check_task, tasks):
        totals.add(part)
        if progress is not None:
            progress(totals.rows, len(numbers))
    return totals


_opened = contextlib.ExitStack()  # what a process has opened serves its next tasks too
atexit.register(_opened.close)


@lru_cache(maxsize=1)
def _checker(subject: LabelJob) -> LabelChecker:
    """The one in use: a forked process finds it here, another one makes it."""
    _opened.close()
    settings = json.loads(subject.settings)
    trainer = _opened.enter_context(open_trainer(subject.model, subject.template, settings, subject.trust_remote_code))
    return LabelChecker(RowSource(Path(subject.path), trainer), trainer, subject.parity)


def _check_task(task: tuple[LabelJob, list[int]]) -> Totals:
    subject, numbers = task
    totals, checker = Totals(), _checker(subject)
    with quiet():
        for number in numbers:
            checker.check(number, totals)
    return totals


def show_rows(source: RowSource, trainer: Trainer, numbers: Iterable[int]) -> Iterator[ShownRow]:
    """Rows with their real tokens, labels and weights, and with what is wrong with them."""
    checker = LabelChecker(source, trainer, parity=False)
    for number in numbers:
        with quiet():
            row = checker.tokens_of(number)
        # Outside: what the caller prints is not to be swallowed.
        yield row
