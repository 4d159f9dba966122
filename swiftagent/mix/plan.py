"""From a recipe to rows that can be taken: sources become files, files are scanned, and each source knows how many are
wanted."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.rows import files_of
from swiftagent.io.shipped import find
from swiftagent.io.storage import is_url, sha256_of
from swiftagent.io.workers import Workers
from swiftagent.mix.recipe import Recipe, Source
from swiftagent.mix.sample import seed_of, shares
from swiftagent.mix.scan import (
    CANDIDATE,
    Scanned,
    ScanTask,
    SourceFile,
    as_lines,
    open_file,
    rows_of_any_file,
    scan,
    scan_tasks,
)

Tell = Callable[[str, int, int], None]  # (stage, done, of)


class FetchedFile(msgspec.Struct):
    """One file of a hub's dataset: its name there, and where it lies here."""

    name: str
    path: str
    size: int
    sha256: str


class Fetched(msgspec.Struct):
    """The train split of a hub's dataset as local files. `hub`: modelscope or huggingface."""

    id: str
    hub: str
    revision: str
    files: list[FetchedFile]


class SourcePlan(msgspec.Struct):
    """A source, its files and the candidates that its scan found, smallest key first. `wanted` counts rows; None is all
    of them."""

    number: int
    source: Source
    files: list[SourceFile]
    hub: str
    revision: str
    seed: int
    rows: int = 0
    file_rows: list[int] = []
    wanted: int | None = None
    candidates: Any = None  # a table of CANDIDATE
    full: bool = False  # whether its budget of tokens is met
    synthetic: bool = False  # made from the rows of another source

    @property
    def name(self) -> str:
        return ", ".join(self.source.source)


def plan_of(
    recipe: Recipe, fetched: Mapping[str, Fetched], work: Path, workers: Workers, tell: Tell
) -> list[SourcePlan]:
    """Find, scan and hash the files of every source. Raises ConfigError with every source that is not there."""
    plans, problems = [], []
    for number, source in enumerate(recipe.sources):
        seed = seed_of(recipe.seed, source.channel)
        try:
            files, hub, revision = _files(source, fetched, work, number)
        except ConfigError as error:
            problems += error.problems
            continue
        plans.append(SourcePlan(number, source, files, hub, revision, seed))
    # Before the scan, which may take minutes: a missing file is reported with all the others at once.
    if problems:
        raise ConfigError(problems)
    _scan_all(plans, workers, tell)
    for plan, wanted in zip(plans, _wanted(recipe, plans), strict=True):
        plan.wanted = wanted
    return plans


def _scan_all(plans: list[SourcePlan], workers: Workers, tell: Tell) -> None:
    """Scan the files of all plans in one go and hash those whose hash is not known yet."""
    jobs: list[tuple[int, int, ScanTask | SourceFile]] = []
    for index, plan in enumerate(plans):
        for number, file in enumerate(plan.files):
            jobs += [(index, number, task) for task in scan_tasks(file, plan.seed)]
            if not file.sha256:
                jobs.append((index, number, file))
    # Largest first, so that no process is left alone with a large file at the end.
    jobs.sort(key=lambda job: -(job[2].end - job[2].start if isinstance(job[2], ScanTask) else job[2].size))
    found: list[dict[tuple[int, int], Scanned]] = [{} for _ in plans]
    for done, (job, result) in enumerate(workers.map(_scan_or_hash, [task for *_, task in jobs]), 1):
        index, number, task = jobs[job]
        if isinstance(task, SourceFile):
            task.sha256 = str(result)
        elif isinstance(result, Scanned):
            found[index][number, task.start] = result
        tell("scan", done, len(jobs))
    for plan, scans in zip(plans, found, strict=True):
        _collect(plan, scans)


def _collect(plan: SourcePlan, scans: dict[tuple[int, int], Scanned]) -> None:
    """The rows of all scans of one source, 22 bytes each; those of one key in the order of their files and offsets."""
    plan.file_rows = [0] * len(plan.files)
    tables = [np.empty(0, CANDIDATE)]
    first_line, before = 0, -1
    for (number, _), scanned in sorted(scans.items()):
        first_line = 0 if number != before else first_line
        # Ray hands over arrays that cannot be written.
        tables.append(scanned.candidates.copy())
        tables[-1]["line"] += first_line
        tables[-1]["file"] = number
        plan.file_rows[number] += len(scanned.candidates)
        first_line, before = first_line + scanned.line_count, number
    table = np.concatenate(tables)
    plan.rows = len(table)
    plan.candidates = table[np.argsort(table["key"], kind="stable")]


def _scan_or_hash(task: ScanTask | SourceFile) -> Scanned | str:
    return scan(task) if isinstance(task, ScanTask) else sha256_of(task.original or task.path)


def _wanted(recipe: Recipe, plans: list[SourcePlan]) -> list[int | None]:
    """Rows wanted of each source. By tokens it is the budget that decides, so every row may be wanted."""
    if recipe.by != "rows":
        return [plan.source.count for plan in plans]
    weights = [plan.source.share or 0.0 for plan in plans]
    given = sum(plan.source.count or 0 for plan in plans)
    total = recipe.total
    if sum(weights) and total is None:
        if given:
            total = round(given / max(1e-9, 1 - sum(weights)))
        # As much as the scarcest source allows.
        else:
            weighed = [(plan, weight) for plan, weight in zip(plans, weights, strict=True) if weight]
            total = int(min(plan.rows * plan.source.repeat / weight for plan, weight in weighed))
    shared = shares(round((total or 0) * min(1.0, sum(weights))), weights) if sum(weights) else [0] * len(plans)
    return [
        share if plan.source.share is not None else plan.source.count for plan, share in zip(plans, shared, strict=True)
    ]


def _files(
    source: Source, fetched: Mapping[str, Fetched], work: Path, number: int
) -> tuple[list[SourceFile], str, str]:
    found: list[tuple[str, str, str]] = []  # path, as it is displayed, SHA-256 where it is known
    hub = revision = ""
    for text in source.source:
        if dataset := fetched.get(text):
            hub, revision, several = dataset.hub, dataset.revision, len(dataset.files) > 1
            found += [(each.path, f"{text}/{each.name}" if several else text, each.sha256) for each in dataset.files]
        else:
            found += [(path, path, "") for path in _paths(text)]
    files = [_file(work, f"{number}-{index}", *about) for index, about in enumerate(found)]
    if sum(file.size for file in files) == 0:
        raise ConfigError(f"{', '.join(source.source)}: no rows, the file is empty")
    return files, hub, revision


def _paths(text: str) -> list[str]:
    if text == "-":
        return [text]
    place = find(text)
    if is_url(text) or place.is_dir():
        return files_of(text)
    if place.exists():
        return [text if os.path.exists(text) else str(place)]
    if not glob.has_magic(text):
        raise ConfigError(f"{text}: no such file; a hub id is owner/name or hf::owner/name")
    found = sorted(path for path in glob.glob(text, recursive=True) if os.path.isfile(path))
    if not found:
        raise ConfigError(f"{text}: no such file")
    return found


def _file(work: Path, name: str, path: str, shown: str, sha256: str) -> SourceFile:
    file = open_file(path, shown) if path != "-" else None
    if file is None:
        target = work / f"{name}.rows.jsonl"
        file = as_lines(rows_of_any_file(path, shown), target, shown, "" if path == "-" else path)
    file.sha256 = sha256
    return file


def refuse_own_outputs(plans: list[SourcePlan], files: Iterable[Path], folder: Path) -> None:
    """Raise ConfigError with every source that the mix would write over: one of its files, or a shard in their
    folder."""
    written = {os.path.realpath(file) for file in files}
    shards = f"{glob.escape(os.path.realpath(folder))}/train-*-of-*.*"
    read = [(file.shown, os.path.realpath(file.original or file.path)) for plan in plans for file in plan.files]
    if problems := [shown for shown, path in read if path in written or fnmatch.fnmatchcase(path, shards)]:
        raise ConfigError(
            [f"{shown} is a source and would be written over by the mix; choose another -o" for shown in problems]
        )


def refuse_other_files(plans: list[SourcePlan], manifest: Mapping[str, Any]) -> None:
    """Raise SetupError where a file is not the one that the manifest names."""
    fetched = [source for source in manifest["sources"] if not source.get("synthetic")]
    for plan, told in zip(plans, fetched, strict=True):
        now = [file.sha256 for file in plan.files]
        then = [file["sha256"] for file in told["files"]]
        if now != then:
            raise SetupError(
                f"{plan.name}: its data is not what the manifest names (other SHA-256); give the same files, or mix "
                "without --manifest"
            )
