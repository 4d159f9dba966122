"""Read tool-calling data of any format and write any other, with a ledger of every row.

swiftagent convert rows.jsonl more.json -o train.jsonl
swiftagent convert rows.parquet -o out.jsonl --to openai --on wrong-type=reject --max-rejects 2%
swiftagent convert rows.jsonl -o out.jsonl --from mypackage.reader:parse
swiftagent convert --explain rows.jsonl:12
swiftagent convert s3://bucket/rows -o /shared/out.jsonl --shards 64 --engine ray --ray-address auto
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from swiftagent import console
from swiftagent.commands.options import (
    Add,
    add_output_arguments,
    given,
    open_workers,
    print_json,
    print_result,
    share_of,
)
from swiftagent.errors import ConfigError, RejectsError, refuse
from swiftagent.formats.writers.table import WRITABLE
from swiftagent.io.shipped import find
from swiftagent.io.storage import is_url, upload
from swiftagent.models.identity import is_hub_id
from swiftagent.trajectory.prompts import STYLES

EXPLAIN = ("--explain SOURCE:LINE", "write nothing; show what became of each text of one row (`source` in rejects)")


def add_arguments(add: Add, explain: tuple[str, str] = EXPLAIN) -> None:
    """`explain`: that option and its help, for a command that explains something else."""
    kinds = "files, folders, hub ids (ms::owner/name, hf::owner/name), dataset_info.json#NAME, or - for stdin"
    add("inputs IN", kinds, nargs="*")
    add("-o --output OUT", "the file to write; .jsonl, or .json for one array")
    add(*explain)
    add("--from NAME", "a format of `swiftagent formats`, package.module:parse, or auto", dest="format", default="auto")
    add("--to", "default: react, the training record", default="react", choices=list(WRITABLE))
    styles = "how a ReAct prompt shows parameters; auto: as the flat list of ms-agent, or as the schema where types, "
    add("--prompt", styles + "enums, defaults or inner fields would be lost", default="auto", choices=STYLES)
    add("--language", "of the ReAct prompt; auto is the question's", default="auto", choices=["auto", "en", "zh"])
    add("--thinking", "the model's reasoning", default="keep", choices=["keep", "drop"])
    add("--channel", "channel of every row; else agent, and general for rows without tools", default="")
    add("--on CODE=ACTION", "reject, repair, mask or keep; codes in docs/formats.md", action="append", default=[])
    add("--max-rejects SHARE", "exit 3 above it; 2%% or 0.02; 1 never fails", type=share_of, default=0.01)
    add("--test-share SHARE", "this share of rows goes to OUT.test.jsonl", type=share_of, default=0.0)
    add("--dataset-name", "write the entry of LLaMA-Factory's dataset_info.json beside OUT", default="")
    add_output_arguments(add, "all cores, one for some megabytes")
    add("--json", "print the report as one JSON object")
    add("-q --quiet", "no table")


def run(args: argparse.Namespace, prepare: Callable[..., Any] | None = None, is_dry: bool = False) -> int:
    """`prepare` makes the job that is run of the job that was asked for, its workers and the progress bar. is_dry: what
    is written is thrown away, and no message names its folder."""
    from swiftagent.convert.files import convert_files
    from swiftagent.convert.rows import Job
    from swiftagent.trajectory.wellformed import Policy, parse_policy

    policy = Policy(args.format, parse_policy(args.on), args.thinking)
    if args.explain:
        _explain(args, policy)
        return 0
    refuse({"-o OUT is missing: name the file to write": not args.output})
    own = {"inputs": local_inputs(args.inputs), "output": Path(args.output), "policy": policy}
    job = Job(**(given(args, Job) | own))
    code = 0
    try:
        with open_workers(args, size_of_inputs(job.inputs)) as workers, console.progress("rows") as bar:
            job = prepare(job, workers=workers, seen=bar.update) if prepare else job
            convert_files(job, bar.update, workers, console.say)
    except RejectsError as error:
        console.fault(str(error).replace(f"{job.output.parent}/", "").partition("; see ")[0] if is_dry else str(error))
        code = error.exit_code
    places = job.places
    if args.upload and not code:  # the report last: where it stands, all of them stand
        test, decisions = [job.test_path] if job.test_share else [], [places.decisions] if job.policy.step else []
        upload([*places.rows(), *test, *decisions, places.rejects, places.report], args.upload)
    report = json.loads(places.report.read_text(encoding="utf-8"))
    if is_dry:
        report["output"] = job.output.name
    if args.json:
        print_json(report)
    elif not args.quiet:
        show(report)
    return code


def _explain(args: argparse.Namespace, policy: Any) -> None:
    """What became of the texts of one row, on stdout."""
    from swiftagent.convert.explain import explain, find_row

    found = explain(find_row(args.explain), policy)
    if not args.json:
        console.tell(f"{found.source}: read as {found.format or 'no format'}, records: {found.records}")
        for line in (*(f"rejected {code}: {message}" for code, message in found.rejects), *found.notes):
            console.tell(line)
    rows = []
    for each in found.texts:
        events = ", ".join(map(console.translated, each.events.split(", ")))
        # In quotes, as a cell that is a word of the catalogue would be translated.
        rows.append((each.path, each.fate, events, json.dumps(textwrap.shorten(each.text, 60), ensure_ascii=False)))
    print_result(msgspec.to_builtins(found), "", ["text", "is", "as", ""], rows, args.json)


def show(report: dict[str, Any]) -> None:
    """The ledger as a table on stderr."""
    counted = ("rows_in", "split", "merged", "rows_out", "rejected", "trimmed")
    rows = [("rows", name, report[name]) for name in counted]
    for group in ("formats", "reasons", "repairs", "masked", "kept", "lost"):
        rows += [(group, code, count) for code, count in report.get(group, {}).items()]
    console.table(f"{report['output']}", ["", "code", "rows"], rows)
    for note in report.get("clean", {}).get("not_judged", ()):
        console.say(note)


def size_of_inputs(inputs: tuple[str, ...]) -> int:
    """Bytes of input, 0 for what stdin brings."""
    from swiftagent.formats.dataset_entries import input_files
    from swiftagent.io.rows import size_of

    return 0 if "-" in inputs else sum(size_of(file) for path in inputs for file in input_files(path))


def local_inputs(words: list[str]) -> tuple[str, ...]:
    """The words of a command line as local files and URLs. Raises ConfigError."""
    return tuple(path for word in words for path in _local(word))


def _local(word: str) -> list[str]:
    """A file or URL as it is; a hub id as the data files that were fetched."""
    from swiftagent.formats.dataset_entries import expand, is_entry

    if word == "-" or is_url(word) or is_entry(word):
        return [word]
    if (place := find(word)).exists():
        return expand(str(place))
    if not is_hub_id(word):
        raise ConfigError(f"{word}: no such file; a hub id is written owner/name (ModelScope) or hf::owner/name")
    from swiftagent.backend.hub import fetch

    return [str(file.path) for file in fetch(word, say=console.say).files]
