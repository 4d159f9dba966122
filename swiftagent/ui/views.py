"""What each page shows, from files on disk and the commands' own JSON: nothing here decides anything of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.own_command import own_command
from swiftagent.io.rows import is_data
from swiftagent.io.shipped import shipped
from swiftagent.masks.view import ShownRow, read_records, shown_without_model, wanted
from swiftagent.train.lines import channel_losses, duration, seconds_left
from swiftagent.train.loss_curves import loss_series, plot
from swiftagent.train.runs import Run, find_run
from swiftagent.ui.jobs import log_tail

ROWS_A_PAGE = 10
_LONGEST = 300  # seconds that a quick command may take on a busy machine
_SOON = 0.1  # seconds that a page waits for an answer before it shows without it


class DataFile(msgspec.Struct, frozen=True):
    """A file that can be chosen. shipped: it belongs to the installed package."""

    name: str
    path: str
    size: int
    shipped: bool


def data_files(root: Path) -> list[DataFile]:
    """The data files of a working folder, newest first, then the shipped samples."""
    own = [path for folder in (root, root / "uploads", root / "datasets") for path in _data_in(folder)]
    own.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    samples = [] if shipped("datasets") == root / "datasets" else sorted(_data_in(shipped("datasets")))
    found = [DataFile(str(path.relative_to(root)), str(path), path.stat().st_size, False) for path in own]
    return found + [DataFile(path.name, str(path), path.stat().st_size, True) for path in samples]


def _data_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.is_file() and is_data(Path(path.name)))


def readable(root: Path, name: str) -> Path:
    """A file that pages may show: below the working folder or a shipped sample. Raises ConfigError."""
    path = (root / name).resolve()
    allowed = (root.resolve(), shipped("datasets").resolve(), shipped("configs").resolve())
    if not path.is_file() or not any(path.is_relative_to(folder) for folder in allowed):
        about = f"{name}: no such file in {root}; drop it on the data page, or start `swiftagent ui` above it"
        raise ConfigError(about)
    return path


def answer_of(words: list[str], root: Path) -> dict[str, Any]:
    """What a quick command prints under --json. A command that fails gives {"error": its line}."""
    argv, ended = own_command(*words), subprocess.DEVNULL
    try:
        done = subprocess.run(argv, cwd=root, stdin=ended, capture_output=True, text=True, timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        return {"error": f"`swiftagent {words[0]}` was not done after {_LONGEST} s; run it in a terminal"}
    try:
        found = json.loads(done.stdout.splitlines()[-1])
        return found if isinstance(found, dict) else {}
    except (ValueError, IndexError):
        return {"error": done.stderr.strip().removeprefix("error: ")}


class Answers:
    """What quick commands say about files, each asked once while its file stays the same, without holding a page up."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._asked: dict[tuple[Any, ...], Future[dict[str, Any]]] = {}
        self._current: set[tuple[Any, ...]] = set()
        self._workers = ThreadPoolExecutor(2)

    def about(self, path: Path, words: list[str]) -> dict[str, Any] | None:
        """The answer of `swiftagent WORDS --json`; None while it is being found."""
        facts = path.stat()
        return self._answer((*words, facts.st_mtime_ns, facts.st_size), words)

    def now(self, *asked: list[str]) -> list[dict[str, Any] | None]:
        """The answers of several commands about what may change at any time: once all are given, none is kept."""
        wanted = {tuple(words) for words in asked}
        for old in self._current - wanted:
            # What was typed over is not begun: only the newest fields are worth a command.
            if old in self._asked and self._asked[old].cancel():
                self._asked.pop(old, None)
        self._current = wanted
        found = [self._answer(tuple(words), words) for words in asked]
        if None not in found:
            for words in wanted:
                self._asked.pop(words, None)
        return found

    def _answer(self, key: tuple[Any, ...], words: list[str]) -> dict[str, Any] | None:
        found = self._asked.get(key)
        if found is None:
            found = self._asked[key] = self._workers.submit(answer_of, [*words, "--json"], self.root)
        with suppress(NotYet, CancelledError):
            return found.result(timeout=_SOON)
        return None


class Window(msgspec.Struct, frozen=True):
    """Some rows of a training file with their masks."""

    rows: list[ShownRow]
    start: int
    total: int


def masked_rows(path: Path, start: int, tool: str = "") -> Window:
    """ROWS_A_PAGE rows from number `start` on, of those that call `tool` where one is named. Raises ConfigError where
    the file holds something else."""
    if tool:
        return _rows_with(path, start, tool)
    with path.open("rb") as stream:
        total = sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    found = islice(read_records(path), start, start + ROWS_A_PAGE)
    rows = [shown_without_model(line, record) for line, record in found]
    return Window(rows, start, max(total, start + len(rows)))


def _rows_with(path: Path, start: int, tool: str) -> Window:
    rows, total = [], 0
    for line, record in read_records(path):
        # Rows that do not name the tool are not cut into spans.
        if wanted(record, line, [], "", tool) and tool in (row := shown_without_model(line, record)).tools:
            total += 1
            rows += [row] if start < total <= start + ROWS_A_PAGE else []
    return Window(rows, start, total)


def mix_shares(sources: Mapping[str, tuple[str, str]], answers: Answers) -> dict[str, dict[str, float]]:
    """Rows, tokens and trained tokens that each channel would bring: its rows times the means of its files.

    sources: channel to (rows as typed, path of its file).
    """
    found: dict[str, dict[str, float]] = {}
    for channel, (count, name) in sources.items():
        if not count.isdecimal() or not name:
            continue
        try:
            path = readable(answers.root, name)
        except ConfigError:
            continue
        channels = (answers.about(path, ["stats", str(path)]) or {}).get("channels", {})
        rows = sum(each["rows"] for each in channels.values()) or 1
        means = {key: sum(each[key] for each in channels.values()) / rows for key in ("tokens", "trained_tokens")}
        found[channel] = {"rows": float(count)} | {key: int(count) * mean for key, mean in means.items()}
    return found


class RunView(msgspec.Struct, frozen=True):
    """A run as a page shows it. step: the last one that any line of metrics knows; share: how much of it is
    done, in %."""

    run: Any
    step: int
    share: float
    last: dict[str, Any]
    losses: dict[str, float]
    left: str
    drawing: Any
    log: str


def run_view(run: Run) -> RunView:
    """Read from the run folder alone, so that a run started anywhere shows."""
    metrics = list(run.metrics())
    trained = [line for line in metrics if "loss" in line]
    last = trained[-1] if trained else {}
    seconds = seconds_left(last) if last and run.state == "running" else None
    left = duration(seconds) if seconds is not None else ""
    losses = {"loss": last["loss"], **channel_losses(last)} if last else {}
    step = max((int(line.get("step", 0)) for line in metrics), default=0)
    share, drawing = 100 * step / max(1, int(last.get("max_steps", 1))), plot(loss_series(metrics))
    return RunView(run, step, share, last, losses, left, drawing, log_tail(run.folder / "log.txt"))


def stop_run(name: str, root: Path) -> None:
    """Ask a running run to save and end, as Ctrl-C in its terminal does. Raises SetupError where there is none."""
    run = find_run(name, root / "runs")
    if run.state == "running" and run.record.get("host") == socket.gethostname():
        os.kill(int(run.record["pid"]), signal.SIGINT)
