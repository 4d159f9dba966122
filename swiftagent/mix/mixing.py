"""Mixing: sources are scanned once, the rows with the smallest keys are converted and shuffled into one file.

scan      a key for each raw row from (seed, channel, content); rows are not parsed
convert   the rows with the smallest keys; a row that is rejected is replaced by the one with the next key
write     in an order that follows from the keys, so that nothing depends on processes, pieces or the order of files
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftagent.errors import RejectsError, SetupError
from swiftagent.io.jsonl import whole_file, write_json
from swiftagent.io.outputs import Outputs, Rows, claimed, put_in_place, to_parquet, write_rows
from swiftagent.io.workers import Workers
from swiftagent.mix.hold_out import held_out
from swiftagent.mix.manifest import manifest_of, report_of
from swiftagent.mix.plan import Fetched, Plan, Tell, plan_of, refuse_other_files, refuse_own_outputs
from swiftagent.mix.recipe import Recipe
from swiftagent.mix.sample import place_of, seed_of
from swiftagent.mix.scan import refuse_changed
from swiftagent.mix.take import CountLines, Taken, Taker, synthetic


def mix(
    recipe: Recipe,
    out: Outputs,
    fetched: Mapping[str, Fetched],
    workers: Workers,
    tell: Tell = lambda stage, done, of: None,
    repeated: Mapping[str, Any] | None = None,
    count: CountLines | None = None,
) -> dict[str, Any]:
    """Write the mix and everything beside it, and return its manifest. `repeated`: the manifest that is
    run again. `count`: exact tokens of records, in place of estimates.

    Raises ConfigError (a source is not there), SetupError (an output in use, a source that changes), and RejectsError
    where more rows are faulty than the recipe allows: the output is whole then all the same.
    """
    try:
        with claimed(out):
            plans = plan_of(recipe, fetched, out.work, workers, tell)
            refuse_own_outputs(plans, (out.mix, out.val, out.manifest, out.report, out.rejects), out.folder)
            if repeated is not None:
                refuse_other_files(plans, repeated)
            taker = Taker(recipe, plans, out.work, workers, tell, count)
            taken = [taker.take(plan) for plan in plans]
            for plan in plans:
                for file in plan.files:
                    refuse_changed(file)
            made = [synthetic(plan, source) for plan, source in zip(plans, taken, strict=True) if source.made]
            everything = [*zip(plans, taken, strict=True), *made]
            manifest = _write(
                recipe, [plan for plan, _ in everything], [source for _, source in everything], out, workers, tell
            )
            shutil.rmtree(out.work)
    except OSError as error:  # a full disk, wherever it is met
        place = error.filename or out.mix.parent
        raise SetupError(
            f"{place}: {error.strerror or error}; nothing was lost: free space or choose another place with -o"
        ) from error
    _refuse_rejects(recipe, taken, out)
    return manifest


def _write(
    recipe: Recipe, plans: list[Plan], taken: list[Taken], out: Outputs, workers: Workers, tell: Tell
) -> dict[str, Any]:
    rows = _placed(recipe, plans, taken)
    held = held_out(recipe, plans, taken, rows)
    everything = range(len(rows))
    train, val = out.work / "train.part", out.work / "val.part"
    order = array("I", rows.in_order([index for index in everything if index not in held]))
    held_order = array("I", rows.in_order(sorted(held)))
    tell("write", 0, len(rows))
    parts = [(train, out.mix)] if not out.shards else _shards(rows, order, out, workers)
    if not out.shards:
        write_rows(train, rows, order, out.work, workers)
    write_rows(val, rows, held_order, out.work, workers)
    tell("write", len(rows), len(rows))
    manifest = manifest_of(recipe, plans, taken, rows, order, held_order)
    write_json(out.work / "manifest.part", manifest)
    write_json(out.report, report_of(plans, taken))
    with whole_file(out.rejects) as file:
        for source in taken:
            for line in source.reject_lines(out.work):
                file.write(line)
    manifest_part = (out.work / "manifest.part", out.manifest)
    put_in_place([(val, out.val), *([*parts, manifest_part] if out.shards else [manifest_part, *parts])], out.earlier())
    return manifest


def _shards(rows: Rows, order: array[int], out: Outputs, workers: Workers) -> list[tuple[Path, Path]]:
    """The rows to train on in files of nearly equal numbers, each a stretch of the shuffled order."""
    parts = []
    for number in range(out.shards):
        first, last = (len(order) * end // out.shards for end in (number, number + 1))
        part = out.work / f"shard{number}.part"
        write_rows(part, rows, order[first:last], out.work, workers)
        parts.append((part, out.folder / out.shard(number)))
    if out.kind == "parquet":
        for _ in workers.map(to_parquet, [str(part.absolute()) for part, _ in parts]):
            pass
    return parts


def _placed(recipe: Recipe, plans: list[Plan], taken: list[Taken]) -> Rows:
    """Every record that is written, each copy of a repeated one, with its place in the shuffled order."""
    rows = Rows()
    for plan, source in zip(plans, taken, strict=True):
        seed = seed_of(recipe.seed, "order", plan.number, plan.source.channel)
        spools = [rows.spool(name) for name in source.names]
        whole, more = source.rounds
        columns = [source.columns[name] for name in ("keys", "prints", "groups", "spools", "offsets", "lengths")]
        spool_of = spools.__getitem__
        for copy in range(whole + bool(more)):
            keys, prints, groups, numbers, offsets, lengths = (
                columns if copy < whole else [column[:more] for column in columns]
            )
            places = (place_of(key, copy, seed) for key in keys)
            rows.add_all(places, prints, groups, map(spool_of, numbers), offsets, lengths)
    return rows


def _refuse_rejects(recipe: Recipe, taken: list[Taken], out: Outputs) -> None:
    faults = sum(source.faults for source in taken)
    read = sum(source.ledger["rows_in"] for source in taken)
    if faults > recipe.max_rejects * read:
        raise RejectsError(
            f"{out.mix}: {faults:,} of {read:,} rows rejected ({faults / read:.1%}), more than {recipe.max_rejects:.1%}; "
            f"the mix is written all the same, {out.rejects} says why (--max-rejects 100% accepts it)"
        )
