"""From a recipe to rows that can be taken: sources become files, files are scanned, and each source knows how many are
wanted."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from swiftagent.errors import ConfigError, SetupError, refuse
from swiftagent.io.outputs import Outputs
from swiftagent.io.rows import files_of
from swiftagent.io.shipped import find
from swiftagent.io.storage import is_url, sha256_of
from swiftagent.io.workers import Workers
from swiftagent.mix.recipe import Recipe, Source
from swiftagent.mix.rewrite import CountLines, Rewriting
from swiftagent.mix.sample import seed_of, shares
from swiftagent.mix.scan import ScanTask, SourceFile, as_lines, open_file, scan, scan_tasks
from swiftagent.mix.spool import Table


class MixRun(NamedTuple):
    """A mix that is to be made. tell: gets (done, of, stage). exact: counts tokens, in place of estimates. rewriting:
    who writes the chat answers anew, if anyone."""

    recipe: Recipe
    out: Outputs
    workers: Workers
    tell: Callable[[int, int, str], None] = lambda done, of, stage: None
    exact: CountLines | None = None
    rewriting: Rewriting | None = None


class FetchedFile(msgspec.Struct):
    """One file of a hub's dataset: its name there, and where it lies here."""

    name: str
    path: str
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


def plan_of(run: MixRun, fetched: Mapping[str, Fetched]) -> list[SourcePlan]:
    """Find, scan and hash the files of every source. Raises ConfigError with every source that is not there."""
    plans: list[SourcePlan] = []
    problems: dict[str, bool] = {}
    for number, source in enumerate(run.recipe.sources):
        seed = seed_of(run.recipe.seed, source.channel)
        try:
            files, hub, revision = _files(source, fetched, run.out.work, number)
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems, True)
            continue
        plans.append(SourcePlan(number, source, files, hub, revision, seed))
    # Before the scan, which may take minutes: a missing file is reported with all the others at once.
    refuse(problems)
    _scan_all(plans, run)
    for plan, wanted in zip(plans, _wanted(run.recipe, plans), strict=True):
        plan.wanted = wanted
    return plans


def _scan_all(plans: list[SourcePlan], run: MixRun) -> None:
    """Hash the files of all plans whose hash is not known yet and scan them, in one go."""
    files = [file for plan in plans for file in plan.files if not file.sha256]
    # Largest first, and before the scans: nothing else takes a file in one piece.
    files.sort(key=lambda file: -file.size)
    tasks = {plan.number: [scan_tasks(file, plan.seed) for file in plan.files] for plan in plans}
    jobs: list[Any] = [*files, *chain.from_iterable(chain(*tasks.values()))]
    results = _each_reported(run.workers.in_order(_scan_or_hash, jobs), len(jobs), run)
    for file in files:
        file.sha256 = next(results)
    for plan in plans:
        tables: list[Table] = []
        for number, of_file in enumerate(tasks[plan.number]):
            first_line = 0
            for _ in of_file:
                lines, found = next(results)
                # Ray hands over arrays that cannot be written.
                tables.append(found.copy())
                tables[-1]["line"] += first_line
                tables[-1]["file"] = number
                first_line += lines
        # 22 bytes a row; those of one key in the order of their files and offsets.
        table = np.concatenate(tables)
        plan.rows = len(table)
        plan.file_rows = np.bincount(table["file"], minlength=len(plan.files)).tolist()
        plan.candidates = table[np.argsort(table["key"], kind="stable")]


def _each_reported(results: Iterator[Any], count: int, run: MixRun) -> Iterator[Any]:
    for done, result in enumerate(results, 1):
        run.tell(done, count, "scan")
        yield result


def _scan_or_hash(task: ScanTask | SourceFile) -> Any:
    return scan(task) if isinstance(task, ScanTask) else sha256_of(task.original or task.path)


def _wanted(recipe: Recipe, plans: list[SourcePlan]) -> list[int | None]:
    """Rows wanted of each source. By tokens it is the budget that decides, so every row may be wanted."""
    if recipe.by != "rows":
        return [plan.source.count for plan in plans]
    weights = [plan.source.share or 0.0 for plan in plans]
    given, total = sum(plan.source.count or 0 for plan in plans), recipe.total
    if total is None and given:
        total = round(given / max(1e-9, 1 - sum(weights)))
    elif total is None:
        # As much as the scarcest source allows.
        allowed = (plan.rows * plan.source.repeat / plan.source.share for plan in plans if plan.source.share)
        total = int(min(allowed, default=0))
    shared = zip(plans, shares(round(total * min(1.0, sum(weights))), weights), strict=True)
    return [plan.source.count if plan.source.share is None else share for plan, share in shared]


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
    files = []
    for index, (path, shown, sha256) in enumerate(found):
        file = open_file(path, shown) if path != "-" else None
        files.append(file or as_lines(path, work / f"{number}-{index}.rows.jsonl", shown))
        files[-1].sha256 = sha256
    refuse({f"{', '.join(source.source)}: no rows, the file is empty": not any(file.size for file in files)})
    return files, hub, revision


def _paths(text: str) -> list[str]:
    if text == "-":
        return [text]
    place = find(text)
    if is_url(text) or place.is_dir():
        return files_of(text)
    if place.exists():
        return [text if os.path.exists(text) else str(place)]
    refuse({f"{text}: no such file; a hub id is owner/name or hf::owner/name": not glob.has_magic(text)})
    found = sorted(path for path in glob.glob(text, recursive=True) if os.path.isfile(path))
    refuse({f"{text}: no such file": not found})
    return found


def refuse_own_outputs(plans: list[SourcePlan], out: Outputs) -> None:
    """Raise ConfigError with every source that the mix would write over: one of its files, or a shard in their
    folder."""
    written = {os.path.realpath(file) for file in (out.path, out.val, out.manifest, out.report, out.rejects)}
    shards = f"{glob.escape(os.path.realpath(out.folder))}/train-*-of-*.*"
    read = [(file.shown, os.path.realpath(file.original or file.path)) for plan in plans for file in plan.files]
    lost = [shown for shown, path in read if path in written or fnmatch.fnmatchcase(path, shards)]
    refuse({f"{shown} is a source and would be written over by the mix; choose another -o": True for shown in lost})


def refuse_other_files(plans: list[SourcePlan], manifest: Mapping[str, Any]) -> None:
    """Raise SetupError where a file is not the one that the manifest names."""
    fetched = [source for source in manifest["sources"] if not source.get("synthetic")]
    for plan, told in zip(plans, fetched, strict=True):
        now = [file.sha256 for file in plan.files]
        then = [file["sha256"] for file in told["files"]]
        if now != then:
            remedy = "give the same files, or mix without --manifest"
            raise SetupError(f"{plan.name}: its data is not what the manifest names (other SHA-256); {remedy}")
