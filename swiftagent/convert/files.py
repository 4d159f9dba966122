"""`convert` on files: inputs of any format to one output, its report and its rejected rows, each whole or not at
all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from swiftagent.convert.parts import RowsBelongTogether, convert_parts, split
from swiftagent.convert.reading import Ledger
from swiftagent.convert.rows import Job, Spool, Spools, convert_rows
from swiftagent.errors import ConfigError, RejectsError, refuse
from swiftagent.formats.dataset_entries import input_files, input_rows, is_entry
from swiftagent.io.jsonl import Row, indented, put_in_place, unfinished, writing
from swiftagent.io.outputs import claimed, clear, write_shards
from swiftagent.io.parts import Part
from swiftagent.io.rows import damage, data_files
from swiftagent.io.storage import refuse_changed, size_and_stamp
from swiftagent.io.workers import Workers


def convert_files(
    job: Job,
    seen: Callable[[int], None] = lambda count: None,
    workers: Workers | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Convert, in parts where there are `workers`; returns the report that is written. `seen` gets the number of rows
    read.

    Raises ConfigError for wrong arguments, SetupError for an output in use or an input that changes, and RejectsError,
    with everything written, above `max_rejects`.
    """
    _check_places(job)
    workers = workers or Workers(1)
    with claimed(job.places):
        clear(job.places.work)
        try:
            ledger, report = _write(job, parts_for(job, workers), workers, seen)
        except RowsBelongTogether as error:
            say(f"{error}, so one process converts everything")
            ledger, report = _write(job, (), workers, seen)
        finally:
            clear(job.places.work)
    if job.dataset_name:
        from swiftagent.formats.writers.dataset_info import update_dataset_info

        update_dataset_info(job.output, job.dataset_name, job.to)
    _refuse_too_many(job, ledger)
    return report


def parts_for(job: Job, workers: Workers) -> Sequence[Part]:
    """The inputs in parts, () where one process had better write it all at once. Raises RowsBelongTogether."""
    if workers.alone and ("-" in job.inputs or not job.shards):
        return ()
    if "-" in job.inputs:
        raise RowsBelongTogether("stdin is read once")
    if any(map(is_entry, job.inputs)):
        raise RowsBelongTogether("the columns of a dataset_info.json belong to all of its rows")
    files = [file for path in job.inputs for file in input_files(path)]
    if len(set(files)) < len(files):  # the end of a transcript and its start, as it seems
        raise RowsBelongTogether("a file is given twice")
    return split(files, workers)


def _write(
    job: Job, parts: Sequence[Part], workers: Workers, seen: Callable[[int], None]
) -> tuple[Ledger, dict[str, Any]]:
    """All files, whole or not at all; returns the ledger and the report."""
    places = job.places
    test, decisions = [job.test_path] if job.test_share else [], [places.decisions] if job.policy.step else []
    finals = [job.output, *test, *decisions, places.rejects, places.report]
    stamps = {file: _stamp(file) for path in job.inputs if path != "-" for file in input_files(path)}
    with unfinished(*finals) as names, writing(job.output), ExitStack() as stack:
        files = [stack.enter_context(name.open("wb", buffering=1 << 20)) for name in names]
        out = (Pieces if job.shards else Spool)(files[0], job.is_array)
        rejects = Spool(files[-2])
        test_spool = Spool(files[1], job.is_array) if test else out
        spools = Spools(out, test_spool, rejects, Spool(files[-3]) if decisions else rejects)
        if len(parts) > 1:
            ledger, losses = convert_parts(job, parts, spools, places.work, workers, seen)
        else:
            ledger, losses = convert_rows(job, rows_of(job, seen), spools)
        if not ledger.rows_in:
            raise ConfigError(f"{', '.join(job.inputs)}: no rows; nothing was written")
        for file, stamp in stamps.items():
            refuse_changed(file, stamp, file)
        for spool in dict.fromkeys(spools):
            spool.end()
        report = _report(job, ledger, losses)
        files[-1].write(indented(report))
        files[-1].flush()
        rows = [(names[0], job.output)]
        if isinstance(out, Pieces):
            shards = write_shards(places, out.count, out.writer(), workers)
            rows = list(zip(shards, places.rows(), strict=True))
        # The report comes after the rows that it counts, and an earlier one goes before they change.
        put_in_place([*rows, *zip(names[1:], finals[1:], strict=True)], [places.report])
    return ledger, report


def _stamp(file: str) -> tuple[int, int]:
    with damage(file):
        return size_and_stamp(file)


class Pieces(Spool):
    """Rows that become shards: the files that tasks have written stay as they are until then."""

    def __init__(self, file: IO[bytes], array: bool) -> None:
        super().__init__(file, array)
        self._files = [Path(file.name)]

    def join(self, part: Path, count: int) -> None:
        self._files.append(part.rename(part.with_suffix(".rows")))
        self.count += count

    def writer(self) -> Callable[[Path, int, int], None]:
        """A function that writes rows first to last to a file, where it is called for one stretch after the other."""
        lines = chain.from_iterable(map(_lines_of, self._files))

        def write(path: Path, first: int, last: int) -> None:
            with path.open("wb", buffering=1 << 20) as out:
                out.writelines(islice(lines, last - first))

        return write


def _lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=1 << 20) as lines:
        yield from lines


def rows_of(job: Job, seen: Callable[[int], None]) -> Iterator[Row]:
    count = 0
    for path in job.inputs:
        for row in input_rows(path):
            count += 1
            if count % 256 == 0:
                seen(count)
            yield row


def _check_places(job: Job) -> None:
    named = f"--dataset-name is for --to sharegpt, alpaca or openai, which LLaMA-Factory reads, not for {job.to}"
    other_kind = job.output.suffix in (".parquet", ".csv", ".arrow")
    problems = {
        "no input: name files, folders or - for stdin": not job.inputs,
        **dict.fromkeys(_written_twice(job), True),
        f"-o {job.output} is a folder; name a file in it": job.output.is_dir(),
        f"-o {job.output}: rows are written as JSON; name it .jsonl, or see --shard-format": other_kind,
        named: job.dataset_name and job.to not in ("sharegpt", "alpaca", "openai"),
    }
    refuse(problems | _shard_problems(job))


def _written_twice(job: Job) -> list[str]:
    """What would be overwritten by what this writes: an input, or another of its own files."""
    written = {"-o": job.output, "--report": job.places.report, "--rejects": job.places.rejects}
    if job.policy.step:
        written["the decisions"] = job.places.decisions
    if job.test_share:
        written["--test-share"] = job.test_path
    problems = []
    names = {path.resolve(): name for name, path in reversed(written.items())}
    for name, path in written.items():
        if names[path.resolve()] != name:
            problems.append(f"{path} is {names[path.resolve()]} and {name} at once; choose another {name}")
    for place in job.inputs:
        local = Path(input_files(place)[0] if is_entry(place) else place)
        if place == "-" or not local.exists():
            continue
        for file in data_files(local) if local.is_dir() else [local]:
            over = next((name for name, path in written.items() if path.exists() and path.samefile(file)), None)
            if over:
                told = "input and output" if over == "-o" else f"input and {over}"
                problems.append(f"{file} is {told} at once; choose another {over}")
    return problems


def _shard_problems(job: Job) -> dict[str, object]:
    one_file, folder = job.shards and (job.is_array or job.dataset_name), job.places.folder
    found = set(folder.glob("*")) - set(job.places.rows()) if job.shards and not one_file else ()
    other = min((path.name for path in found), default="")
    bare_parquet = job.shard_format == "parquet" and (not job.shards or job.to != "react")
    return {
        "--shard-format parquet needs --shards N, and is for training records (--to react)": bare_parquet,
        "--shards writes .jsonl or Parquet files that no --dataset-name can stand for: name -o OUT.jsonl": one_file,
        f"{folder}: holds {other}, which a training run would read too; remove it": other,
    }


def _report(job: Job, ledger: Ledger, losses: dict[str, int]) -> dict[str, Any]:
    if not ledger.balanced:
        raise AssertionError(f"the ledger is wrong: {json.dumps(ledger.as_dict())}")
    step = job.policy.step
    beside = {"lost": losses, "inputs": list(job.inputs), "output": str(job.output), "to": job.to}
    return {**ledger.as_dict(), **beside, **({"clean": step.about()} if step else {})}


def _refuse_too_many(job: Job, ledger: Ledger) -> None:
    total = ledger.rows_in + ledger.split - ledger.merged
    if ledger.reasons["bug"]:
        raise RejectsError(
            f"{job.output}: an error of this program in {ledger.reasons['bug']} of {total} rows; "
            f"everything else is written, please report the tracebacks in {job.places.rejects}"
        )
    # What the user asks to be dropped is no fault of reading.
    rejected = ledger.rejected - sum(ledger.reasons[code] for code, action in job.policy.on.items() if action == "drop")
    if total and rejected > job.max_rejects * total:
        reasons = ", ".join(f"{code} {count}" for code, count in ledger.reasons.most_common(3))
        raise RejectsError(
            f"{job.output}: {rejected} of {total} rows rejected ({rejected / total:.1%}), "
            f"more than --max-rejects {job.max_rejects:.1%}: {reasons}; see {job.places.rejects}"
        )
