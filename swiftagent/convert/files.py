"""`convert` on files: inputs of any format to one output, its report and its rejected rows, each whole or not at
all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from swiftagent.convert.parts import RowsBelongTogether, convert_parts, split
from swiftagent.convert.reading import Ledger
from swiftagent.convert.rows import Job, Output, Outputs, convert_rows
from swiftagent.convert.shards import Pieces, places_of, problems_of, write_shards
from swiftagent.errors import ConfigError, RejectsError
from swiftagent.io import outputs
from swiftagent.io.jsonl import Row, whole_file, write_json
from swiftagent.io.parts import Part
from swiftagent.io.rows import data_files, files_of, read_rows
from swiftagent.io.words import share
from swiftagent.io.workers import Workers


def parse_share(word: str) -> float:
    """`2%` or a share from 0 to 1. Raises ConfigError."""
    try:
        return share(word)
    except ValueError:
        raise ConfigError(f"{word!r} is no share: write 2% or a number from 0 to 1") from None


def convert_files(
    job: Job,
    seen: Callable[[int], None] = lambda count: None,
    workers: Workers | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Convert, in parts where there are `workers`; returns the report that is written. `seen` is told how many rows
    were read.

    Raises ConfigError for wrong arguments, and RejectsError, with everything written, above `max_rejects`.
    """
    _check_places(job)
    workers = workers or Workers(1)
    try:
        ledger, losses = _write(job, _parts(job, workers), workers, seen)
    except RowsBelongTogether as error:
        say(f"{error}, so one process converts everything")
        ledger, losses = _write(job, (), workers, seen)
    report = _report(job, ledger, losses)
    write_json(job.report_path, report)
    if job.dataset_name:
        from swiftagent.formats.writers.dataset_info import update_dataset_info

        update_dataset_info(job.output, job.dataset_name, job.to)
    _refuse_too_many(job, ledger)
    return report


def _parts(job: Job, workers: Workers) -> Sequence[Part]:
    """The inputs in parts, () where one process had better write it all at once. Raises RowsBelongTogether."""
    if workers.alone and ("-" in job.inputs or not job.shards):
        return ()
    if "-" in job.inputs:
        raise RowsBelongTogether("stdin is read once")
    files = [file for path in job.inputs for file in files_of(path)]
    if len(set(files)) < len(files):  # the end of a transcript and its start, as it seems
        raise RowsBelongTogether("a file is given twice")
    return split(files, workers)


def _write(
    job: Job, parts: Sequence[Part], workers: Workers, seen: Callable[[int], None]
) -> tuple[Ledger, dict[str, int]]:
    """All files, whole or not at all."""
    with ExitStack() as stack:
        folder = stack.enter_context(_work_folder(job)) if len(parts) > 1 or job.shards else job.output.parent
        rejects = Output(stack.enter_context(whole_file(job.rejects_path)))
        if job.shards:
            out: Output = Pieces(stack.enter_context((folder / "alone.rows").open("wb", buffering=1 << 20)))
        else:
            out = Output(stack.enter_context(whole_file(job.output)), job.is_array)
        test = Output(stack.enter_context(whole_file(job.test_path)), job.is_array) if job.test_share else out
        files = Outputs(out, test, rejects)
        if len(parts) > 1:
            found = convert_parts(job, parts, files, folder, workers, seen)
        else:
            found = convert_rows(job, _counted(job, seen), files)
        if not found[0].rows_in:
            raise ConfigError(f"{', '.join(job.inputs)}: no rows; nothing was written")
        for output in {id(output): output for output in files}.values():
            output.end()
        if isinstance(out, Pieces):
            write_shards(job, out, workers)
    return found


@contextmanager
def _work_folder(job: Job) -> Iterator[Path]:
    """A folder beside the output for what is not finished. Raises SetupError where another run has it."""
    places = places_of(job)
    with outputs.claimed(places):
        outputs.clear(places.work)
        try:
            yield places.work
        finally:
            shutil.rmtree(places.work, ignore_errors=True)


def _counted(job: Job, seen: Callable[[int], None]) -> Iterator[Row]:
    count = 0
    for path in job.inputs:
        for row in read_rows(path):
            count += 1
            if count % 256 == 0:
                seen(count)
            yield row


def _check_places(job: Job) -> None:
    problems = []
    if not job.inputs:
        problems.append("no input: name files, folders or - for stdin")
    problems += _written_twice(job)
    if job.output.is_dir():
        problems.append(f"-o {job.output} is a folder; name a file in it")
    if job.dataset_name and job.to not in ("sharegpt", "alpaca", "openai"):
        problems.append(
            f"--dataset-name is for --to sharegpt, alpaca or openai, which LLaMA-Factory reads, not for {job.to}"
        )
    problems += problems_of(job)
    if problems:
        raise ConfigError(problems)


def _written_twice(job: Job) -> list[str]:
    """What would be overwritten by what this writes: an input, or another of its own files."""
    written = {"-o": job.output, "--report": job.report_path, "--rejects": job.rejects_path}
    if job.test_share:
        written["--test-share"] = job.test_path
    problems = []
    names = {path.resolve(): name for name, path in reversed(written.items())}
    for name, path in written.items():
        if names[path.resolve()] != name:
            problems.append(f"{path} is {names[path.resolve()]} and {name} at once; choose another {name}")
    for place in job.inputs:
        local = Path(place)
        if place == "-" or not local.exists():
            continue
        for file in data_files(local) if local.is_dir() else [local]:
            over = next((name for name, path in written.items() if path.exists() and path.samefile(file)), None)
            if over:
                told = "input and output" if over == "-o" else f"input and {over}"
                problems.append(f"{file} is {told} at once; choose another {over}")
    return problems


def _report(job: Job, ledger: Ledger, losses: dict[str, int]) -> dict[str, Any]:
    if not ledger.balanced:
        raise AssertionError(f"the ledger is wrong: {json.dumps(ledger.as_dict())}")
    report = ledger.as_dict()
    report["lost"] = losses
    report["inputs"] = list(job.inputs)
    report["output"] = str(job.output)
    report["to"] = job.to
    return report


def _refuse_too_many(job: Job, ledger: Ledger) -> None:
    total = ledger.rows_in + ledger.split - ledger.merged
    if total and ledger.rejected > job.max_rejects * total:
        reasons = ", ".join(f"{code} {count}" for code, count in ledger.reasons.most_common(3))
        raise RejectsError(
            f"{job.output}: {ledger.rejected} of {total} rows rejected ({ledger.rejected / total:.1%}), "
            f"more than --max-rejects {job.max_rejects:.1%}: {reasons}; see {job.rejects_path}"
        )
