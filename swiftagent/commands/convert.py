"""Read tool-calling data of any format and write any other, with a ledger of every row.

swiftagent convert rows.jsonl more.json -o train.jsonl
swiftagent convert rows.parquet -o out.jsonl --to openai --on wrong-type=reject --max-rejects 2%
swiftagent convert rows.jsonl -o out.jsonl --from mypackage.reader:parse
swiftagent convert s3://bucket/rows -o /shared/out.jsonl --shards 64 --shard-format parquet --engine ray --ray-address
auto
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from swiftagent.commands.engine_options import add_engine_arguments, open_workers
from swiftagent.errors import ConfigError, RejectsError
from swiftagent.io.storage import is_url

if TYPE_CHECKING:
    from swiftagent.convert.rows import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from swiftagent.formats.writers.table import WRITABLE

    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="files, folders, hub ids (ms::owner/name, hf::owner/name), or - for stdin",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="the file to write; .jsonl, or .json for one array"
    )
    parser.add_argument(
        "--from",
        dest="format",
        default="auto",
        metavar="NAME",
        help="a format of `swiftagent formats`, package.module:parse, or auto",
    )
    parser.add_argument("--to", default="react", choices=list(WRITABLE), help="default: react, the training record")
    parser.add_argument(
        "--prompt", default="ms-agent", choices=["ms-agent", "schema"], help="how a ReAct prompt shows parameters"
    )
    parser.add_argument(
        "--language", default="auto", choices=["auto", "en", "zh"], help="of the ReAct prompt; auto is the question's"
    )
    parser.add_argument("--thinking", default="keep", choices=["keep", "drop"], help="the model's reasoning")
    parser.add_argument(
        "--channel", default="", help="channel of every row; else agent, and general for rows without tools"
    )
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="CODE=ACTION",
        help="reject, repair, mask or keep; codes in docs/formats.md",
    )
    parser.add_argument(
        "--max-rejects", default="1%", metavar="SHARE", help="exit 3 above it; 2%% or 0.02; 1 never fails"
    )
    parser.add_argument("--test-share", default="0", metavar="SHARE", help="this share of rows goes to OUT.test.jsonl")
    parser.add_argument(
        "--dataset-name", default="", help="write the entry of LLaMA-Factory's dataset_info.json beside OUT"
    )
    parser.add_argument("--report", type=Path, help="default: OUT.report.json")
    parser.add_argument("--rejects", type=Path, help="default: OUT.rejects.jsonl")
    parser.add_argument(
        "--shards", type=int, default=0, metavar="N", help="write N files into the folder x for -o x.jsonl"
    )
    parser.add_argument(
        "--shard-format", choices=("jsonl", "parquet"), default="jsonl", help="of the shards (default jsonl)"
    )
    parser.add_argument(
        "--upload", metavar="URL", help="put every file there too: s3://, oss://, hdfs://, any that fsspec knows"
    )
    add_engine_arguments(parser, "all cores, one for some megabytes")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="no table")


def run(args: argparse.Namespace) -> int:
    from swiftagent.console import progress, say
    from swiftagent.convert.files import convert_files, parse_share
    from swiftagent.convert.rows import Job
    from swiftagent.trajectory.wellformed import Policy, parse_policy

    job = Job(
        inputs=tuple(path for word in args.inputs for path in _local(word)),
        output=Path(args.output),
        policy=Policy(args.format, parse_policy(args.on), args.thinking),
        to=args.to,
        prompt=args.prompt,
        language=args.language,
        channel=args.channel,
        max_rejects=parse_share(args.max_rejects),
        test_share=parse_share(args.test_share),
        dataset_name=args.dataset_name,
        report=args.report,
        rejects=args.rejects,
        shards=args.shards,
        shard_format=args.shard_format,
    )
    code = 0
    try:
        with open_workers(args, _size(job.inputs)) as workers, progress("rows") as bar:
            convert_files(job, lambda count: bar.update(bar.task_ids[0], completed=count), workers, say)
    except RejectsError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    if args.upload and not code:
        _upload(job, args.upload)
    report = json.loads(job.places.report.read_text(encoding="utf-8"))
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    elif not args.quiet:
        show(report)
    return code


def _upload(job: Job, url: str) -> None:
    """Put all files under a URL, the report last: where it stands, all of them stand."""
    from swiftagent.io.storage import upload

    places = job.places
    upload([*places.rows(), *([job.test_path] if job.test_share else []), places.rejects, places.report], url)


def show(report: dict[str, object]) -> None:
    """The ledger as a table on stderr."""
    from swiftagent.console import table

    rows: list[tuple[str, str, object]] = [
        ("rows", name, report[name]) for name in ("rows_in", "split", "merged", "rows_out", "rejected", "trimmed")
    ]
    for group in ("formats", "reasons", "repairs", "masked", "kept", "lost"):
        counts = report.get(group)
        if isinstance(counts, dict):
            rows += [(group, code, count) for code, count in counts.items()]
    table(f"{report['output']}", ["", "code", "rows"], rows)


def _size(inputs: tuple[str, ...]) -> int:
    """Bytes of input, 0 for what stdin brings."""
    from swiftagent.io.rows import files_of, size_of

    return 0 if "-" in inputs else sum(size_of(file) for path in inputs for file in files_of(path))


def _local(word: str) -> list[str]:
    """A file or URL as it is; a hub id as the data files that were fetched."""
    hub, _, name = word.rpartition("::")
    if word == "-" or is_url(word) or Path(word).exists():
        return [word]
    if hub not in ("", "hf", "ms") or name.count("/") != 1 or name[0] in "./~" or Path(name).suffix in _FILES:
        raise ConfigError(f"{word}: no such file; a hub id is written owner/name (ModelScope) or hf::owner/name")
    from swiftagent.backend.hub import fetch
    from swiftagent.console import say

    return [str(file.path) for file in fetch(word, say=say).files]


_FILES = frozenset((".json", ".jsonl", ".csv", ".parquet", ".gz", ".zst", ".arrow", ".txt", ".ndjson", ".tsv", ".zip"))
