"""What is in a file: rows, tokens, trained tokens, lengths, turns, tools, languages and duplicates of each channel.

swiftagent stats datasets/mix.jsonl
swiftagent stats my_traces.jsonl --near --html stats.html
swiftagent stats datasets/mix.jsonl --json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.commands.options import Add, print_result
from swiftagent.errors import refuse
from swiftagent.io.jsonl import write_text
from swiftagent.io.pages import render
from swiftagent.io.words import plainly


def add_arguments(add: Add) -> None:
    add("files FILE", "training records, or rows of any format that `swiftagent formats` lists", nargs="+")
    add("--from FORMAT", "the format of the rows (default auto)", dest="format", default="auto")
    add("--near", "count near duplicates too (MinHash; about 1 ms a row)")
    add("--model M", "count tokens with the tokenizer and template of this model instead of estimating them")
    add("--html FILE", "write a page with plots")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> None:
    from swiftagent.mix.stats import stats_of

    with console.progress("counting"):
        count = None
        if args.model:
            from swiftagent.backend.token_counts import TokenCounts

            counts = TokenCounts(args.model)
            count = lambda messages: counts.of([messages])[0]  # noqa: E731
        stats = stats_of(args.files, args.format, args.near, count)
    why = ", ".join(f"{count} {code}" for code, count in stats["reasons"].items())
    refuse({f"{', '.join(args.files)}: no row that can be read{f' ({why})' if why else ''}": not stats["rows"]})
    if args.html:
        write_text(Path(args.html), render("commands/stats.html.j2", name=", ".join(args.files), stats=stats))
    rows = [_row(name, counts, stats["tokens_are"]) for name, counts in stats["channels"].items()]
    print_result(stats, "", list(rows[0]), [list(row.values()) for row in rows], args.json)
    if stats["rejected"] and not args.json:
        console.say(f"{stats['rejected']:,} rows could not be read: {plainly(stats['reasons'])}")


def _row(name: str, counts: dict[str, Any], tokens_are: str) -> dict[str, Any]:
    about = "" if tokens_are == "exact" else "~"
    length, turns = counts["length"], list(counts["turns"])
    languages = (f"{language} {count / counts['rows']:.0%}" for language, count in counts["languages"].items())
    return {
        "channel": name,
        "rows": counts["rows"],
        "tokens": f"{about}{counts['tokens']:,}",
        "trained": f"{about}{counts['trained_tokens']:,}",
        "length p50/p95/max": f"{about}{length['p50']:,} / {length['p95']:,} / {length['max']:,}",
        "turns": "-".join(dict.fromkeys(turns[:: max(1, len(turns) - 1)])),
        "tools": counts["tools"]["distinct"],
        "languages": ", ".join(languages),
        "duplicates": counts["duplicates"] + counts.get("near_duplicates", 0),
    }
