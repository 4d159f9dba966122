"""Mixing: sources are scanned once, the rows with the smallest keys are converted and shuffled into one file.

scan      a key for each raw row from (seed, channel, content); rows are not parsed
convert   the rows with the smallest keys; a row that is rejected is replaced by the one with the next key
write     in an order that follows from the keys, so that nothing depends on processes, pieces or the order of files
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from swiftagent.errors import RejectsError, SetupError
from swiftagent.io.jsonl import indented, put_in_place, unfinished
from swiftagent.io.outputs import Outputs, beside, claimed, write_shards
from swiftagent.io.storage import refuse_changed
from swiftagent.mix.hold_out import held_out
from swiftagent.mix.manifest import manifest_of, report_of
from swiftagent.mix.plan import Fetched, MixRun, plan_of, refuse_other_files, refuse_own_outputs
from swiftagent.mix.recipe import Recipe
from swiftagent.mix.rewrite import rewrite_general
from swiftagent.mix.sample import place_of, seed_of
from swiftagent.mix.selection import Selection, Selector, Taken, synthetic
from swiftagent.mix.spool import FIELDS, Table, write_records

_PLACED = np.dtype([("place", "<u8"), *FIELDS])


def mix(run: MixRun, fetched: Mapping[str, Fetched], repeated: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write the mix and everything beside it, and return its manifest. `repeated`: the manifest that is run again.

    Raises ConfigError (a source is not there), SetupError (an output in use, a source that changes), and RejectsError
    where more rows are faulty than the recipe allows: the output is whole then all the same.
    """
    out = run.out
    try:
        with claimed(out):
            plans = plan_of(run, fetched)
            refuse_own_outputs(plans, out)
            if repeated is not None:
                refuse_other_files(plans, repeated)
            selector = Selector(run, plans)
            taken = [(plan, selector.take(plan)) for plan in plans]
            # A row is read again by its offset long after the scan: a file that changed since would give other rows.
            for plan in plans:
                for file in plan.files:
                    refuse_changed(file.path, (file.size, file.stamp), file.shown)
            made = [synthetic(plan, source) for plan, source in taken if len(source.made)]
            manifest = _write(run, [*taken, *made])
            # Only now: until the outputs are in place, a killed run resumes from these files.
            shutil.rmtree(out.work)
    # A full disk, wherever it is met: the work folder is kept, so the next run resumes from it.
    except OSError as error:
        remedy = "nothing was lost: free space or choose another place with -o"
        raise SetupError(f"{error.filename or out.path.parent}: {error.strerror or error}; {remedy}") from error
    _refuse_rejects(run.recipe, [source for _, source in taken], out)
    return manifest


def _write(run: MixRun, taken: Taken) -> dict[str, Any]:
    recipe, out, workers, tell, count, rewriting = run
    names = list(dict.fromkeys(name for _, source in taken for name in source.names))
    rows = _placed(recipe, taken, names)
    held = np.zeros(len(rows), bool)
    held[sorted(held_out(recipe, taken, rows))] = True
    # By content where two places are equal, so that the order never depends on processes.
    order = np.lexsort((rows["print"], rows["place"]))
    train, val = rows[order[~held[order]]], rows[order[held[order]]]
    tell(0, len(rows), "write")

    def write(path: Path, first: int, last: int) -> None:
        write_records(path, train[first:last], out.work, names)

    with unfinished(out.val, out.manifest, out.path, out.rejects, out.report) as (*parts, rejects, report):
        write_records(parts[0], val, out.work, names)
        if out.shards:
            shards = write_shards(out, len(train), write, workers)
        else:
            write(parts[2], 0, len(train))
            shards = parts[2:]
        tell(len(rows), len(rows), "write")
        manifest = manifest_of(recipe, taken, train, val, count is not None)
        # Before anything is in its place: a mix that is cut short here must not look like a whole one.
        if rewriting:
            answers, what = beside(out.path, ".answers.jsonl"), "writing chat answers"
            manifest["rewritten"], growth = rewrite_general(
                [parts[0], *shards], rewriting, answers, lambda done, of: tell(done, of, what), count
            )
            general = manifest["channels"].get("general", {})
            general.update({name: general[name] + more for name, more in growth.items() if name in general})
        parts[1].write_bytes(indented(manifest))
        report.write_bytes(indented(report_of(taken)))
        with rejects.open("wb") as file:
            file.writelines(line for _, source in taken for line in source.reject_lines(out.work))
        # The mix comes after its companions, and the report after the rows that it counts.
        companions = [(parts[0], out.val), (rejects, out.rejects), (parts[1], out.manifest)]
        put_in_place([*companions, *zip(shards, out.rows(), strict=True), (report, out.report)], out.earlier())
    return manifest


def _placed(recipe: Recipe, taken: Taken, names: list[str]) -> Table:
    """Every record that is written, each copy of a repeated one, with its place in the shuffled order."""
    tables = [np.empty(0, _PLACED)]
    for plan, source in taken:
        seed = seed_of(recipe.seed, "order", plan.number, plan.source.channel)
        spools = np.array([names.index(name) for name in source.names], "<u2")
        whole, more = source.rounds
        for copy in range(whole + bool(more)):
            records = source.records if copy < whole else source.records[:more]
            table = np.empty(len(records), _PLACED)
            table[[name for name, _ in FIELDS]] = records
            table["place"] = [place_of(key, copy, seed) for key in records["key"].tolist()]
            table["spool"] = spools[records["spool"]]
            tables.append(table)
    return np.concatenate(tables)


def _refuse_rejects(recipe: Recipe, taken: list[Selection], out: Outputs) -> None:
    faults = sum(source.faults for source in taken)
    read = sum(source.ledger["rows_in"] for source in taken)
    bugs = sum(source.ledger.get("reasons", {}).get("bug", 0) for source in taken)
    if bugs:
        raise RejectsError(
            f"{out.path}: an error of this program in {bugs:,} rows; everything else is mixed, "
            f"please report the tracebacks in {out.rejects}"
        )
    if faults > recipe.max_rejects * read:
        raise RejectsError(
            f"{out.path}: {faults:,} of {read:,} rows rejected ({faults / read:.1%}), more than "
            f"{recipe.max_rejects:.1%}; the mix is written all the same, {out.rejects} says why "
            "(--max-rejects 100% accepts it)"
        )
