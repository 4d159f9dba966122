"""Show which tokens of a training file are trained, and prove it.

  swiftagent inspect datasets/mix.jsonl                            spans in colour, no model needed
  swiftagent inspect datasets/mix.jsonl --model Qwen/Qwen2.5-7B-Instruct --row 12
  swiftagent inspect datasets/mix.jsonl --config configs/qwen7b_agent.yaml --check
  swiftagent inspect datasets/mix.jsonl --html masks.html

With --model or --config the labels are those that ms-swift itself makes. --check looks at every row and exits with 6
where anything is wrong: tool results, questions or prompts in the loss, calls or answers that are not, data that is a
control token.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.commands.options import Add, add_engine_arguments, open_workers, print_json
from swiftagent.errors import ConfigError, FaultsError, refuse, visible
from swiftagent.io.jsonl import read_lines
from swiftagent.io.rows import files_of, size_of
from swiftagent.io.storage import is_url
from swiftagent.masks import view
from swiftagent.masks.pieces import COUNTS, Totals

SHOWN_ROWS = 3


def add_arguments(add: Add) -> None:
    add("file FILE", "training records; with --check and no model also a folder or URL of shards", type=_place)
    add("--model MODEL", "a model folder, a tokenizer folder or a hub id: real tokens and labels")
    add("--template TEMPLATE", "ms-swift's template; else by config.json, else by the chat template")
    add("--config CONFIG", "a run's YAML: its model and its settings")
    add("--option NAME=VALUE", "an option of ms-swift that changes labels", action="append", default=[])
    add("--max-length TOKENS", "the run's max_length: longer rows are found", type=int)
    add("--check", "check all rows; exit code 6 where anything is wrong")
    add("--sample N", "with --check: N rows drawn with a fixed seed rather than all", type=int)
    add("--no-parity", "with --check: do not compare with what infer is fed")
    add_engine_arguments(add, "with --check all cores, one for some megabytes without a model")
    add("--html OUT", "one self-contained page to browse the rows in", type=Path)
    add("--row LINE", "this line of the file (may be repeated)", type=int, action="append", default=[])
    add("--id", "the row with this id", default="")
    add("--grep TEXT", "rows with this text in a message", default="")
    add("--tool NAME", "rows that call this tool", default="")
    add("--only", "rows of one sort; rejected: those that `convert` wrote beside the file", choices=view.FLAGS)
    add("--limit N", f"rows to show (default {SHOWN_ROWS}; 0: all)", type=int)
    add("--json", "one JSON object on stdout")
    add("--trust-remote-code", "let a model folder run its own Python code")


def _place(word: str) -> Path | str:
    return word if is_url(word) else Path(word)


def run(args: argparse.Namespace) -> None:
    elsewhere = f"{args.file}: of a URL only --check without a model is made; copy it here for anything else"
    refuse({elsewhere: is_url(str(args.file)) and (args.model or args.config or not args.check)})
    if args.only == "rejected":
        return _show_rejected(args)
    return _check(args) if args.check else _write_page(args) if args.html else _show(args)


def _check(args: argparse.Namespace) -> None:
    totals = _totals_with_model(args) if args.model or args.config else _totals(args)
    print_json(totals.as_dict()) if args.json else _print_totals(totals)
    if not totals.clean:
        first = min(totals.faults, key=lambda fault: (fault.row, fault.span))
        where = f"{args.file}:{first.row}: message {first.span}"
        raise FaultsError(f"{where}: {first.text} [{first.code}] (faults in all: {totals.faults_total:,})")


def _totals(args: argparse.Namespace) -> Totals:
    from swiftagent.masks.check import check_file

    if isinstance(args.file, Path) and not args.file.is_dir():
        next(view.read_records(args.file))
    with open_workers(args, sum(map(size_of, files_of(str(args.file))))) as workers, console.progress("checking"):
        return check_file(str(args.file), workers)


def _totals_with_model(args: argparse.Namespace) -> Totals:
    from swiftagent.backend.labels import check_labels

    next(view.read_records(args.file))
    model, template, settings, trusted = _run_settings(args)
    cluster = open_workers(args) if args.engine == "ray" else contextlib.nullcontext()
    with cluster as workers, console.progress("checking") as bar:
        how: dict[str, Any] = {"sample": args.sample, "parity": not args.no_parity, "processes": args.processes}
        how |= {"progress": bar.update, "trust_remote_code": trusted, "workers": workers}
        return check_labels(args.file, model, template, settings, **how)


def _print_totals(totals: Totals) -> None:
    kinds = [(kind, total, trained, view.share(trained, total)) for kind, (total, trained) in totals.tokens.items()]
    title = f"{totals.rows:,} rows, {totals.unit}s by kind"
    rows = [row for row in kinds if row[1]]
    console.table(title, ["kind", "total", "trained", "share"], rows, console=console.out)
    about = {"parity": f"of {totals.steps:,} steps"}
    counts = [(name, totals.counts[name], about.get(name, "")) for name in COUNTS]
    console.table("faults (all must be 0)", ["", "count", ""], counts, console=console.out)
    for fault in totals.faults[:20]:
        console.tell(f"line {fault.row}, message {fault.span}: {fault.text} [{fault.code}]")
    if totals.faults_total > 20:
        console.tell(f"... and {totals.faults_total - 20:,} more; --json has the first {len(totals.faults):,}")


def _run_settings(args: argparse.Namespace) -> tuple[str, str | None, dict[str, Any], bool]:
    """(model, template, ms-swift's options, whether its code is trusted) from --config, --model and --option."""
    from swiftagent.train.config import load
    from swiftagent.train.inputs import resolve
    from swiftagent.train.launch import plan
    from swiftagent.train.machine import look

    settings: dict[str, Any] = {}
    model, trusted = args.model, args.trust_remote_code
    if args.config:
        config = load(args.config)
        settings = dict(plan(resolve(config, look()), Path(config.runs) / "inspect", as_configured=True).options)
        model, trusted = model or config.model, trusted or config.trust_remote_code
    for word in args.option:
        name, equals, value = word.partition("=")
        refuse({f"--option {word}: NAME=VALUE is needed, as in --option loss_scale=last_round": not equals})
        settings[name] = _value(name, value)
    if args.max_length:
        settings["max_length"] = args.max_length
    return model, args.template or settings.get("template"), settings, trusted


def _value(name: str, text: str) -> Any:
    """The option's value as ms-swift types it. Raises ConfigError for a name or value that it does not know."""
    from swiftagent.io.yaml_file import plain_value
    from swiftagent.train import options as swift_options

    known = swift_options.options()
    if name not in known:
        raise ConfigError(f"--option {name}: {swift_options.unknown_key(name, known)}")
    value, problem = swift_options.check_value(name, plain_value(text))
    # What `sft` refuses can still be looked at.
    refuse({f"--option {name}: {problem}": problem and name != "loss_scale"})
    return value


@contextlib.contextmanager
def _shown_rows(args: argparse.Namespace, limit: int) -> Iterator[Iterator[view.ShownRow]]:
    """The rows asked for, at most `limit` (0: all), as they will be shown."""
    # Rows that do not name the tool are not cut into spans.
    is_wanted = partial(view.wanted, rows=args.row, identity=args.id, text=args.grep or args.tool)
    with contextlib.ExitStack() as stack:
        rows = _rows_without_model(args.file, is_wanted)
        if args.model or args.config:
            next(view.read_records(args.file))
            with console.progress("loading ms-swift"):
                from swiftagent.backend.labels import RowSource, show_rows
                from swiftagent.backend.template import open_trainer

                trainer = stack.enter_context(open_trainer(*_run_settings(args)))
            source = RowSource(args.file, trainer)
            is_limited = args.row or args.id or args.grep or args.tool
            lines = enumerate(source.lines.tolist())
            numbers = (at for at, line in lines if not is_limited or is_wanted(source.record(at), line))
            rows = show_rows(source, trainer, numbers)
        flag, tool = args.only, args.tool
        asked = (row for row in rows if (not flag or flag in row.flags) and (not tool or tool in row.tools))
        yield islice(asked, limit or None)


def _rows_without_model(file: Path, is_wanted: Callable[[Any, int], bool]) -> Iterator[view.ShownRow]:
    from swiftagent.masks.check import check_record

    for line, record in view.read_records(file):
        if is_wanted(record, line):
            totals = Totals()
            check_record(record, line, totals)
            yield view.shown_without_model(line, record, totals.faults)


def _show(args: argparse.Namespace) -> None:
    selected = args.row or args.id or args.grep or args.tool or args.only
    limit = args.limit if args.limit is not None else (0 if selected else SHOWN_ROWS)
    with _shown_rows(args, limit) as rows:
        if args.json:
            return print_json({"file": str(args.file), "rows": [view.as_json(row) for row in rows]})
        shown = 0
        for shown, row in enumerate(rows, 1):
            if shown == 1:  # not before: a file that cannot be read has nothing to explain
                console.print_styled(view.legend())
            console.print_styled(view.styled(row))
    refuse({f"{args.file}: no row is what was asked for (--row, --id, --grep, --tool, --only)": not shown})
    if shown == limit:
        console.say(f"the first {shown} rows; --limit 0 shows all, --row LINE one of them, --html OUT a page to browse")
    return None


def _show_rejected(args: argparse.Namespace) -> None:
    """Rows that `convert` or `mix` rejected, with their reasons."""
    path = args.file
    if not path.name.endswith(".rejects.jsonl"):
        path = path.with_name(f"{path.stem}.rejects.jsonl")
    refuse({f"{path}: no such file; `convert` and `mix` write it beside their output": not path.is_file()})
    rows = [row.value for row in read_lines(path)]
    rows = [row for row in rows if args.grep.lower() in json.dumps(row, ensure_ascii=False).lower()]
    if args.json:
        return print_json({"file": str(path), "rejected": rows})
    for row in rows[: args.limit or None]:
        print(visible(f"{row.get('source')}: {row.get('message')} [{row.get('code')}]"))
        print(visible(f"  {json.dumps(row.get('row'), ensure_ascii=False)[:2000]}"))
    return None


def _write_page(args: argparse.Namespace) -> None:
    from swiftagent.masks.page import write_page

    is_shown = args.html.exists() and args.html.samefile(args.file)
    refuse({f"--html {args.html}: is the file that is shown; choose another place": is_shown})
    with _shown_rows(args, args.limit or 0) as rows, console.progress("writing") as bar:

        def counted() -> Iterator[view.ShownRow]:
            for row in rows:
                bar.advance()
                yield row

        number, size = write_page(args.html, args.file, counted())
    if args.json:
        return print_json({"page": str(args.html), "rows": number, "bytes": size})
    return console.say(f"{args.html}: {number:,} rows, {size / 1e6:.1f} MB; open it in a browser")
