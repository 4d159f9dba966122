"""The manifest of a mix, from which it can be made again, and the report of every row that was looked at.

Neither holds a date, a duration or a place on this machine, so that the same mix has the same bytes.
"""

from __future__ import annotations

import platform
from collections import Counter
from typing import Any

import msgspec
import xxhash

from swiftagent import __version__
from swiftagent.mix.plan import SourcePlan
from swiftagent.mix.recipe import Recipe
from swiftagent.mix.selection import Selection, Taken
from swiftagent.mix.spool import Table
from swiftagent.trajectory.ledger import add_up


def manifest_of(recipe: Recipe, taken: Taken, train: Table, val: Table, is_exact: bool) -> dict[str, Any]:
    """The manifest. is_exact: tokens were counted by the recipe's model. `content` is a hash of all rows in their
    order, without their ids and places."""
    return {
        "recipe": msgspec.to_builtins(recipe),
        "seed": recipe.seed,
        "rows": {"mix": len(train), "val": len(val)},
        # Ids and places differ between machines; the content does not.
        "content": {"mix": _content(train), "val": _content(val)},
        "tokens_are": f"exact ({recipe.model})" if is_exact else "estimated",
        "channels": channels(taken),
        "sources": [_source(plan, source, recipe) for plan, source in taken],
        "versions": {
            "swiftagent": __version__,
            "python": platform.python_version(),
            "msgspec": msgspec.__version__,
            "xxhash": xxhash.VERSION,
        },
    }


def _content(records: Table) -> str:
    return xxhash.xxh3_128_hexdigest(records["print"].astype(">u8").tobytes())


def channels(taken: Taken) -> dict[str, dict[str, int]]:
    """Rows, characters, tokens and trained tokens of each channel, copies counted."""
    found: dict[str, Counter[str]] = {}
    for plan, source in taken:
        counts = found.setdefault(plan.source.channel, Counter())
        counts["rows"] += source.total
        for column in ("characters", "tokens", "trained"):
            counts["trained_tokens" if column == "trained" else column] += source.sum(column)
    return {channel: dict(counts) for channel, counts in found.items()}


def report_of(taken: Taken) -> dict[str, Any]:
    """The ledger of all sources and of each: rows_in + split - merged == rows_out + rejected.

    rows_in are the rows that were looked at; rows that the sample did not take are counted apart as `not_sampled`, and
    rows that are written more than once as `repeated`.
    """
    total: dict[str, Any] = {}
    each = []
    for plan, source in taken:
        ledger = {
            **_sorted(source.ledger),
            "faults": source.faults,
            "not_sampled": max(0, plan.rows - source.ledger["rows_in"]),
            "repeated": source.total - len(source),
            "short": source.short,
        }
        each.append({"source": plan.name, "channel": plan.source.channel, **ledger})
        add_up(total, ledger)
    return {**_sorted(total), "sources": each}


def _sorted(ledger: dict[str, Any]) -> dict[str, Any]:
    """Counts by name in the order of their names, which does not depend on the process that came first."""
    return {name: dict(sorted(count.items())) if isinstance(count, dict) else count for name, count in ledger.items()}


def _source(plan: SourcePlan, source: Selection, recipe: Recipe) -> dict[str, Any]:
    unit = "trained" if recipe.by == "trained-tokens" else "tokens"
    budget = {"unit": recipe.by, "wanted": source.budget, "taken": source.sum(unit)}
    files = [
        {"name": file.shown, "sha256": file.sha256, "rows": rows}
        for file, rows in zip(plan.files, plan.file_rows, strict=True)
    ]
    return {
        "source": plan.name,
        "channel": plan.source.channel,
        **({"synthetic": True} if plan.synthetic else {}),
        **({"hub": plan.hub, "revision": plan.revision} if plan.hub else {}),
        "files": files,
        "rows": plan.rows,
        "wanted": plan.wanted,
        "taken": source.total,
        "distinct": len(source),
        "short": source.short,
        **({} if source.budget is None else {"budget": budget}),
        "rejected": source.ledger.get("rejected", 0),
        **({"made": dict(sorted(source.ledger["made"].items()))} if source.ledger.get("made") else {}),
    }
