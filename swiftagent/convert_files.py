"""`convert` on files: inputs of any format to one output, its report and its rejected rows, each whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import msgspec

from swiftagent.convert import Ledger, Policy, read_records, read_trajectories
from swiftagent.errors import ConfigError, RejectsError
from swiftagent.formats.sources import read_rows
from swiftagent.formats.writers import Write, writer_of
from swiftagent.jsonl import Row, encode, encode_texts, whole_file, write_json
from swiftagent.prompts import PromptStyle
from swiftagent.trajectory import Trajectory


class Job(msgspec.Struct, frozen=True):
    """What `convert` does. `max_rejects` is a share of rows in, 1 = never fail. `test_share` of rows go to OUT.test.jsonl."""

    inputs: tuple[str, ...]
    output: Path
    policy: Policy = Policy()
    to: str = "react"
    prompt: PromptStyle = "ms-agent"
    language: str = "auto"
    channel: str = ""
    max_rejects: float = 0.01
    test_share: float = 0.0
    dataset_name: str = ""
    report: Path | None = None
    rejects: Path | None = None

    @property
    def report_path(self) -> Path:
        return self.report or beside(self.output, ".report.json")

    @property
    def rejects_path(self) -> Path:
        return self.rejects or beside(self.output, ".rejects.jsonl")

    @property
    def test_path(self) -> Path:
        return beside(self.output, ".test" + self.output.suffix)


def beside(output: Path, ending: str) -> Path:
    """`x.jsonl` brings `x.report.json`."""
    return output.with_name(output.name.removesuffix(output.suffix) + ending)


def parse_share(word: str) -> float:
    """`2%` or a share from 0 to 1. Raises ConfigError."""
    try:
        share = float(word[:-1]) / 100 if word.endswith("%") else float(word)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"{word!r} is no share: write 2% or a number from 0 to 1")
    return share


def convert_files(job: Job, seen: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Convert; returns the report that is written. `seen` is told how many rows were read.

    Raises ConfigError for wrong arguments, and RejectsError, with everything written, above `max_rejects`.
    """
    _check_places(job)
    write = writer_of(job.to, job.prompt, job.language)
    ledger = Ledger()
    losses: dict[str, int] = {}
    with ExitStack() as files:
        rejects = files.enter_context(whole_file(job.rejects_path))
        out = _Output(files.enter_context(whole_file(job.output)), job.output)
        test = _Output(files.enter_context(whole_file(job.test_path)), job.test_path) if job.test_share else out
        rows = _counted(job, seen)
        read = read_records if _writes_records(job) else read_trajectories
        for found in read(rows, job.policy, ledger, lambda row: _write_reject(rejects, row)):
            if isinstance(found, dict):
                out.put_line(encode_texts({**found, "channel": job.channel} if job.channel else found))
            else:
                _put(write, _in_channel(found, job.channel), test if _is_test(found, job.test_share) else out, losses)
        out.end()
        if test is not out:
            test.end()
    report = _report(job, ledger, losses)
    write_json(job.report_path, report)
    if job.dataset_name:
        from swiftagent.formats.dataset_info import update_dataset_info

        update_dataset_info(job.output, job.dataset_name, job.to)
    _refuse_too_many(job, ledger)
    return report


def _writes_records(job: Job) -> bool:
    """Whether rows are written as training records in the default prompt, which some can become without a trajectory."""
    return (job.to, job.prompt, job.language, job.test_share) == ("react", "ms-agent", "auto", 0.0)


def _put(write: Write, trajectory: Trajectory, out: _Output, losses: dict[str, int]) -> None:
    row, lost = write(trajectory)
    for code in lost:
        losses[code] = losses.get(code, 0) + 1
    out.put(row)


def _in_channel(trajectory: Trajectory, channel: str) -> Trajectory:
    return msgspec.structs.replace(trajectory, channel=channel) if channel else trajectory


def _counted(job: Job, seen: Callable[[int], None] | None) -> Iterator[Row]:
    count = 0
    for path in job.inputs:
        for row in read_rows(path):
            count += 1
            if seen is not None and count % 256 == 0:
                seen(count)
            yield row


def _write_reject(rejects: IO[bytes], row: dict[str, Any]) -> None:
    rejects.write(encode(row) + b"\n")


def _is_test(trajectory: Trajectory, share: float) -> bool:
    """By a hash of the conversation, so that a row and its copies land on one side."""
    if not share:
        return False
    digest = hashlib.blake2b(encode(trajectory.events), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


class _Output:
    """Rows as JSONL, or as one JSON array where the name ends in .json."""

    def __init__(self, out: IO[bytes], path: Path) -> None:
        self.out = out
        self.array = path.suffix == ".json"
        self.count = 0

    def put(self, row: Any) -> None:
        self.put_line(encode(row))

    def put_line(self, line: bytes) -> None:
        if self.array:
            self.out.write((b",\n" if self.count else b"[\n") + line)
        else:
            self.out.write(line + b"\n")
        self.count += 1

    def end(self) -> None:
        if self.array:
            self.out.write(b"\n]\n" if self.count else b"[]\n")


def _check_places(job: Job) -> None:
    problems = []
    if not job.inputs:
        problems.append("no input: name files, folders or - for stdin")
    for path in job.inputs:
        if path != "-" and Path(path).exists() and Path(path).resolve() == job.output.resolve():
            problems.append(f"{path} is input and output at once; choose another -o")
    if job.output.is_dir():
        problems.append(f"-o {job.output} is a folder; name a file in it")
    if job.dataset_name and job.to not in ("sharegpt", "alpaca", "openai"):
        problems.append(f"--dataset-name is for --to sharegpt, alpaca or openai, which LLaMA-Factory reads, not for {job.to}")
    if problems:
        raise ConfigError(problems)


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
