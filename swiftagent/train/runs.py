"""Run folders: `runs/NAME/` with the resolved config, the command, the log, metrics, checkpoints, and run.json with the
state.

Imports nothing heavy, so that `runs`, `infer` and `eval` find a run at once.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.jsonl import is_left_over, read_entries, write_json
from swiftagent.io.shipped import find
from swiftagent.models.files import read_object, safetensors_fault, shards
from swiftagent.train.inputs import local_files


class Run:
    """One run folder. `state` is what is true now: a run whose launcher is gone is interrupted, whatever its file
    says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json; {} where it is missing or broken."""
        return read_object(self.folder / "run.json")

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, as `swiftagent.config` names its keys."""
        return dict(self.record.get("config") or {})

    @property
    def _train(self) -> dict[str, Any]:
        return self.config.get("train") or {}

    @property
    def model(self) -> str:
        return str(self.config.get("model", ""))

    @property
    def template(self) -> str | None:
        """The ms-swift template the run trained with, as its trainer wrote it down."""
        return read_object(self.folder / "args.json").get("template") or self._train.get("template")

    @property
    def state(self) -> str:
        state = str(self.record.get("state", "interrupted"))
        return "interrupted" if state == "running" and not self.alive() else state

    @property
    def never_began(self) -> bool:
        """Whether it failed before its first step."""
        return self.state == "failed" and not self.checkpoints and next(self.metrics(), None) is None

    def alive(self) -> bool:
        """Whether the launcher that wrote run.json still runs on this host (another host is believed)."""
        if self.record.get("state") != "running":
            return False
        if self.record.get("host") != socket.gethostname():
            return True
        return bool(_started(int(self.record.get("pid", 0))) == self.record.get("pid_started", -1))

    @property
    def checkpoints(self) -> list[Path]:
        """Every complete checkpoint, oldest first."""
        found = [path for path in self.folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
        return sorted((path for path in found if is_complete(path)), key=lambda path: int(path.name.rpartition("-")[2]))

    @property
    def checkpoint_last(self) -> Path | None:
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def checkpoint_best(self) -> Path | None:
        """The checkpoint with the lowest evaluation loss; the last one where nothing was evaluated."""
        last = self.checkpoint_last
        if last is None:
            return None
        named = read_object(last / "trainer_state.json").get("best_model_checkpoint")
        best = self.folder / Path(str(named)).name if named else last
        return best if is_complete(best) else last

    def checkpoint(self, which: str) -> Path:
        """`best`, `last` or a step. Raises SetupError where there are none, ConfigError where it is not among them."""
        found, best = self.checkpoints, self.checkpoint_best
        if best is None:
            raise SetupError(f"{self.folder}: no complete checkpoint yet; its log.txt shows how far training came")
        named = {path.name.rpartition("-")[2]: path for path in found} | {"best": best, "last": found[-1]}
        if which not in named:
            steps = ", ".join(path.name.rpartition("-")[2] for path in found)
            raise ConfigError(f"--checkpoint {which}: {self.name} has no such checkpoint; there are {steps}")
        return named[which]

    def data_files(self) -> list[str]:
        """The training data that can still be found, from any folder."""
        named = self.config.get("data") or []
        entries = [named] if isinstance(named, str) else map(str, named)
        return [str(path) for path in local_files(tuple(map(self.placed, entries))) if path.is_file()]

    def placed(self, path: str) -> str:
        """A path of the config, from whatever folder is ours now: as given, from where `sft` was started, or from where
        the folder of runs lies now, if all was moved together."""
        if Path(path).is_absolute() or find(path).exists():
            return path
        above = self.folder.resolve().parents
        depth = len(Path(str(self.config.get("runs", "runs"))).parts)
        starts = [Path(str(self.record.get("folder") or "/")), *above[depth : depth + 1]]
        for start in starts:
            if (start / path).exists() or (start / path.rpartition("#")[0]).is_file():
                return str(start / path)
        return path

    def update(self, **fields: Any) -> None:
        """Change run.json, whole or not at all."""
        write_json(self.folder / "run.json", {**self.record, **fields})
        self.__dict__.pop("record", None)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The lines of metrics.jsonl; a half-written last line is left out."""
        return read_entries(self.folder / "metrics.jsonl", dict[str, Any])


def new_run(root: Path, name: str) -> Run:
    """A folder NAME, NAME-2, NAME-3, ... that did not exist. Raises SetupError where it cannot be written.

    A start that failed before its first step keeps its log until the next start, and does not keep the name.
    """
    for folder in _numbered(root, name):
        try:
            if Run(folder).never_began:
                shutil.rmtree(folder)
            return _make(folder, anew=True)
        except FileExistsError:
            if root.exists() and not root.is_dir():
                break
    raise SetupError(f"{root}: cannot hold runs; choose another place with runs=FOLDER")


def shared_run(root: Path, name: str, node_rank: int) -> Run:
    """The one folder of a run on several machines. Only the first machine may make it, and it is not numbered: the
    machines could not agree on a number. Raises SetupError where an earlier run lies there.
    """
    folder = root / name
    if node_rank == 0 and (folder / "run.json").exists():
        raise SetupError(f"{folder}: holds a run already; name=ANOTHER on every machine, or --resume {name}")
    return _make(folder, anew=False)


def next_name(root: Path, name: str) -> Path:
    """The folder that `new_run` would make; nothing is made."""
    return next(folder for folder in _numbered(root, name) if not folder.exists() or Run(folder).never_began)


def _numbered(root: Path, name: str) -> Iterator[Path]:
    yield root / name
    yield from (root / f"{name}-{number}" for number in range(2, 10_000))


def _make(folder: Path, *, anew: bool) -> Run:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=not anew)
    except OSError as error:
        if anew and isinstance(error, FileExistsError):
            raise
        raise SetupError(f"{folder}: cannot be made: {error.strerror}; choose another place with runs=FOLDER") from None
    return Run(folder)


def all_runs(root: Path | str = "runs") -> list[Run]:
    """Every run below a folder, newest first."""
    folders = (path.parent for path in Path(root).glob("*/run.json"))
    return sorted((Run(folder) for folder in folders), key=lambda run: str(run.record.get("started", "")), reverse=True)


def newest_run(root: Path | str = "runs") -> Run:
    """The newest run that has a checkpoint. Raises SetupError where there is none."""
    if newest := next((run for run in all_runs(root) if run.checkpoint_last), None):
        return newest
    raise SetupError(f"{root}: no run with a checkpoint; `swiftagent sft CONFIG` makes one")


def find_run(name: str, root: Path | str = "runs") -> Run:
    """A run by its name or its folder. Raises SetupError."""
    for folder in (Path(root) / name, Path(name)):
        if (folder / "run.json").is_file():
            return Run(folder)
    known = ", ".join(run.name for run in all_runs(root)[:8])
    raise SetupError(f"{name}: no such run in {root}; " + (f"there are {known}" if known else "there are none yet"))


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: the trainer's state comes last and parses, and no tensor file is cut
    short."""
    if not read_object(checkpoint / "trainer_state.json"):
        return False
    weights = (path for kind in ("*.safetensors", "*.bin", "global_step*") for path in checkpoint.glob(kind))
    if all(path.stem == "training_args" for path in weights):
        return False
    if not all(zipfile.is_zipfile(path) for path in checkpoint.glob("*.pt*")):
        return False
    ranks = len(list(checkpoint.glob("rng_state_*.pth")))
    if ranks and ranks < int(read_object(checkpoint / "args.json").get("global_world_size") or ranks):
        return False  # another rank had not yet written its random state when the run was killed
    index = checkpoint / "model.safetensors.index.json"
    if index.is_file() and any(not (checkpoint / name).is_file() for name in shards(index)):
        return False
    return all(safetensors_fault(path) == "" for path in checkpoint.glob("*.safetensors"))


def identity() -> dict[str, Any]:
    """Who runs this: enough to find out later whether it still does."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "pid_started": _started(os.getpid())}


def now() -> str:
    """In UTC, so that the newest run sorts last wherever and in whatever season each was started."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime())


def _started(pid: int) -> int:
    """When a process started, in clock ticks since boot: a pid alone may be another process by now. 0 where there is
    none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return int(not is_left_over(str(pid)))  # where there is no /proc, it only shows whether it runs
