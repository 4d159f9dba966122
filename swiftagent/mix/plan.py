"""From a recipe to rows that can be taken: sources become files, files are scanned, and each source knows how many are
wanted."""

from __future__ import annotations

import fnmatch
import glob
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.rows import data_files
from swiftagent.io.shipped import find
from swiftagent.io.storage import is_url, matching
from swiftagent.io.workers import Workers
from swiftagent.mix.recipe import Recipe, Source
from swiftagent.mix.sample import seed_of, shares
from swiftagent.mix.scan import (
    Piece,
    Places,
    Scanned,
    SourceFile,
    as_lines,
    is_pattern,
    open_file,
    pieces,
    rows_of_any_file,
    scan,
    sha256_of,
    thin,
)

Tell = Callable[[str, int, int], None]  # (stage, done, of)
_RESERVE = 1.25  # candidates beyond those wanted, for rows that are rejected


class FetchedFile(msgspec.Struct):
    name: str
    path: str
    sha256: str


class Fetched(msgspec.Struct):
    """A hub dataset as the backend brought it here."""

    hub: str
    revision: str
    files: list[FetchedFile]


class Candidates:
    """The rows of a source by their keys, smallest first; 24 bytes each."""

    def __init__(self) -> None:
        self.keys, self.files, self.offsets, self.lines = array("Q"), array("H"), array("Q"), array("I")

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, file: int, first_line: int, found: Scanned) -> None:
        keys = array("Q", found.keys)
        self.keys.extend(keys)
        self.files.extend(array("H", [file]) * len(keys))
        self.offsets.extend(array("Q", found.offsets))
        self.lines.extend(array("I", (line + first_line for line in array("I", found.lines))))

    def sort(self) -> None:
        # Rows were added by file and offset, and the sort is stable: rows of one key stay in that order.
        order = array("I", sorted(range(len(self)), key=self.keys.__getitem__))
        self.keys = array("Q", map(self.keys.__getitem__, order))
        self.files = array("H", map(self.files.__getitem__, order))
        self.offsets = array("Q", map(self.offsets.__getitem__, order))
        self.lines = array("I", map(self.lines.__getitem__, order))

    def places(self, first: int, last: int) -> Iterator[tuple[int, list[int], Places]]:
        """(file, ranks, places) of the candidates ranked first to last, each file's in order of offset."""
        by_file: dict[int, list[int]] = {}
        for rank in range(first, last):
            by_file.setdefault(self.files[rank], []).append(rank)
        for file, ranks in sorted(by_file.items()):
            ranks.sort(key=self.offsets.__getitem__)
            offsets, lines = map(self.offsets.__getitem__, ranks), map(self.lines.__getitem__, ranks)
            yield file, ranks, Places(array("Q", offsets), array("I", lines))


class Plan(msgspec.Struct):
    """A source, its files and what its scan found. `wanted` counts rows; None is all of them."""

    number: int
    source: Source
    files: list[SourceFile]
    hub: str
    revision: str
    seed: int
    rows: int = 0
    file_rows: list[int] = []
    wanted: int | None = None
    candidates: Any = None
    exhausted: bool = True  # whether the candidates are all rows there are
    full: bool = False  # whether its budget of tokens is met
    synthetic: bool = False  # made from the rows of another source

    @property
    def name(self) -> str:
        return ", ".join(self.source.source)


def plan_of(recipe: Recipe, fetched: Mapping[str, Fetched], work: Path, workers: Workers, tell: Tell) -> list[Plan]:
    """Find, scan and hash the files of every source. Raises ConfigError with every source that is not there."""
    plans, problems = [], []
    for number, source in enumerate(recipe.sources):
        seed = seed_of(recipe.seed, source.channel)
        try:
            files, hub, revision = _files(source, fetched, work, number)
        except ConfigError as error:
            problems += error.problems
            continue
        plans.append(Plan(number, source, files, hub, revision, seed))
    if problems:
        raise ConfigError(problems)
    scan_all(plans, [_reserve(recipe, plan) for plan in plans], workers, tell)
    for plan, wanted in zip(plans, _wanted(recipe, plans), strict=True):
        plan.wanted = wanted
    return plans


def _reserve(recipe: Recipe, plan: Plan) -> int | None:
    """How many candidates are kept; where too few are, the source is scanned again for more. None keeps all."""
    source, total = plan.source, recipe.total
    if recipe.by != "rows":
        wanted: float | None = source.count if total is None or source.share is None else total * source.share / 100
    else:
        wanted = source.count if source.share is None else None if total is None else total * source.share
    return None if wanted is None else int(wanted * _RESERVE) + 2000


def scan_all(plans: list[Plan], keeps: list[int | None], workers: Workers, tell: Tell) -> None:
    """Scan the files of all plans in one go and hash those whose hash is not known yet."""
    jobs: list[tuple[int, int, Piece | None]] = []
    for index, (plan, keep) in enumerate(zip(plans, keeps, strict=True)):
        for number, file in enumerate(plan.files):
            jobs += [(index, number, piece) for piece in pieces(file, plan.seed, keep)]
            if not file.sha256:
                jobs.append((index, number, None))
    jobs.sort(key=lambda job: -(job[2].end - job[2].start if job[2] else plans[job[0]].files[job[1]].size))
    tasks = [piece if piece is not None else plans[index].files[number] for index, number, piece in jobs]
    found: dict[tuple[int, int, int], Scanned] = {}
    held = [0] * len(plans)  # candidates so far; thinned now and then, so that memory does not grow with the input
    for done, (job, result) in enumerate(workers.map(_scan_or_hash, tasks), 1):
        index, number, piece = jobs[job]
        if piece is None:
            plans[index].files[number].sha256 = str(result)
        else:
            assert isinstance(result, Scanned)
            found[index, number, piece.start] = result
            held[index] += result.kept
            if (keep := keeps[index]) is not None and held[index] > 2 * keep + 10_000:
                held[index] = thin([scanned for place, scanned in found.items() if place[0] == index], keep)
        tell("scan", done, len(tasks))
    for index, plan in enumerate(plans):
        plan.candidates = Candidates()
        plan.file_rows = [0] * len(plan.files)
        first_line, before = 0, -1
        for (_, number, _), scanned in sorted((place, result) for place, result in found.items() if place[0] == index):
            first_line = 0 if number != before else first_line
            plan.candidates.add(number, first_line, scanned)
            plan.file_rows[number] += scanned.rows
            first_line, before = first_line + scanned.line_count, number
        plan.rows = sum(plan.file_rows)
        plan.candidates.sort()
        plan.exhausted = len(plan.candidates) == plan.rows
        if not plan.exhausted:
            _cut(plan, keeps[index])


def _cut(plan: Plan, keep: int | None) -> None:
    """Pieces kept more than the source needs: beyond the smallest `keep`, rows of some pieces are missing."""
    candidates = plan.candidates
    if keep is not None and len(candidates) > keep:
        for column in (candidates.keys, candidates.files, candidates.offsets, candidates.lines):
            del column[keep:]


def _scan_or_hash(task: Piece | SourceFile) -> Scanned | str:
    return scan(task) if isinstance(task, Piece) else sha256_of(task.original or task.path)


def _wanted(recipe: Recipe, plans: list[Plan]) -> list[int | None]:
    """Rows wanted of each source. By tokens it is the budget that decides, so every row may be wanted."""
    if recipe.by != "rows":
        return [plan.source.count for plan in plans]
    weights = [plan.source.share or 0.0 for plan in plans]
    given = sum(plan.source.count or 0 for plan in plans)
    total = recipe.total
    if sum(weights) and total is None:
        if given:
            total = round(given / max(1e-9, 1 - sum(weights)))
        else:  # as much as the scarcest source allows
            total = int(
                min(
                    plan.rows * plan.source.repeat / weight
                    for plan, weight in zip(plans, weights, strict=True)
                    if weight
                )
            )
    shared = shares(round((total or 0) * min(1.0, sum(weights))), weights) if sum(weights) else [0] * len(plans)
    return [
        share if plan.source.share is not None else plan.source.count for plan, share in zip(plans, shared, strict=True)
    ]


def _files(
    source: Source, fetched: Mapping[str, Fetched], work: Path, number: int
) -> tuple[list[SourceFile], str, str]:
    files: list[SourceFile] = []
    hub = revision = ""
    for text in source.source:
        if text in fetched:
            dataset = fetched[text]
            hub, revision = dataset.hub, dataset.revision
            for item in dataset.files:
                shown = text if len(dataset.files) == 1 else f"{text}/{item.name}"
                file = _file(item.path, shown, work, f"{number}-{len(files)}")
                file.sha256 = item.sha256
                files.append(file)
        else:
            files += [
                _file(path, path, work, f"{number}-{len(files) + more}") for more, path in enumerate(_paths(text))
            ]
    if sum(file.size for file in files) == 0:
        raise ConfigError(f"{', '.join(source.source)}: no rows, the file is empty")
    return files, hub, revision


def _paths(text: str) -> list[str]:
    if text == "-":
        return [text]
    if is_url(text):
        if found := matching(text):
            return found
        raise ConfigError(f"{text}: no such file")
    place = find(text)
    if place.is_dir():
        found = [str(path) for path in data_files(place)]
        if not found:
            raise ConfigError(f"{text}: no data in this folder")
        return found
    if place.exists():
        return [text if os.path.exists(text) else str(place)]
    found = sorted(path for path in glob.glob(text, recursive=True) if os.path.isfile(path)) if is_pattern(text) else []
    if not found:
        raise ConfigError(
            f"{text}: no such file" + ("" if is_pattern(text) else "; a hub id is owner/name or hf::owner/name")
        )
    return found


def _file(path: str, shown: str, work: Path, name: str) -> SourceFile:
    file = open_file(path, shown) if path != "-" else None
    if file is None:
        target = work / f"{name}.rows.jsonl"
        file = as_lines(rows_of_any_file(path, shown), target, shown, "" if path == "-" else path)
    return file


def refuse_own_outputs(plans: list[Plan], files: Iterable[Path], folder: Path) -> None:
    """Raise ConfigError with every source that the mix would write over: one of its files, or a shard in their
    folder."""
    written = {os.path.realpath(file) for file in files}
    shards = f"{glob.escape(os.path.realpath(folder))}/train-*-of-*.*"
    read = [(file.shown, os.path.realpath(file.original or file.path)) for plan in plans for file in plan.files]
    if problems := [shown for shown, path in read if path in written or fnmatch.fnmatchcase(path, shards)]:
        raise ConfigError(
            [f"{shown} is a source and would be written over by the mix; choose another -o" for shown in problems]
        )


def refuse_other_files(plans: list[Plan], manifest: Mapping[str, Any]) -> None:
    """Raise SetupError where a file is not the one that the manifest tells of."""
    fetched = [source for source in manifest["sources"] if not source.get("synthetic")]
    for plan, told in zip(plans, fetched, strict=True):
        now = [file.sha256 for file in plan.files]
        then = [file["sha256"] for file in told["files"]]
        if now != then:
            raise SetupError(
                f"{plan.name}: its data is not what the manifest tells of (other SHA-256); give the same files, or mix anew"
            )
