"""Where an export is written: a folder or file that appears whole under its name, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swiftagent.errors import SetupError, SwiftAgentError
from swiftagent.io.jsonl import left_overs, unfinished, writing

Kept = Iterable[Path | str | None]
Test = Callable[[Path], bool]


@contextmanager
def whole(out: Path, *, force: bool, keep: Kept = ()) -> Iterator[Path]:
    """A hidden name beside `out`, for a folder or a file, which takes its name when the block ends well.

    keep: what is read while it is written, and so must not be replaced by it.
    Raises SetupError where `out` is there and not empty (unless `force`), is one of `keep` or around it, or cannot be
    written.
    """
    out = Path(os.path.abspath(out))
    require_free(out, force)
    for source in keep:
        if source is not None and Path(os.path.abspath(source)).is_relative_to(out):
            raise SetupError(f"{out} holds {source}, of which the export is made; choose another place with -o")
    with unfinished(out) as [part], writing(out):
        try:
            yield part
        # What was written into it knows its hidden name only.
        except SwiftAgentError as error:
            error.problems = [problem.replace(str(part), str(out)) for problem in error.problems]
            raise
        # Another export may have finished there while this one was written.
        require_free(out, force)
        _open_to_readers(part)
        _put(part, out)


@contextmanager
def scratch_beside(out: Path, *, force: bool) -> Iterator[Path]:
    """A hidden folder on the disk of `out`, removed in the end. Raises SetupError as `whole` does."""
    require_free(out.absolute(), force)
    with unfinished(out.absolute().with_name(f"{out.name}.scratch")) as [folder], writing(out):
        folder.mkdir()
        yield folder


@contextmanager
def whole_folder(out: Path, *, force: bool, keep: Kept = (), resumable: Test = lambda left: False) -> Iterator[Path]:
    """`whole` with the folder made, or the one that a killed export left here, where it is `resumable`."""
    out = Path(os.path.abspath(out))
    found = next((left for left in left_overs(out) if left.is_dir() and resumable(left)), None)
    if found:
        found.rename(out.with_name(f".{out.name}.{os.getpid()}.part"))
    with whole(out, force=force, keep=keep) as part:
        part.mkdir(exist_ok=True)
        yield part


def require_free(out: Path, force: bool) -> None:
    """Raises SetupError for an output that holds something and may not be replaced."""
    if not out.name:
        raise SetupError(f"{out} cannot be replaced; name a folder in it with -o")
    if not force and out.exists() and (not out.is_dir() or any(out.iterdir())):
        state = "and not empty" if out.is_dir() else "already"
        raise SetupError(f"{out} is there {state}; choose another place with -o, or give --force to replace it")


def _open_to_readers(part: Path) -> None:
    """safetensors writes files that their owner alone may read; who serves a model is often another user."""
    mask = os.umask(0)
    os.umask(mask)
    for file in part.rglob("*.safetensors"):
        file.chmod(0o666 & ~mask)


def _put(part: Path, out: Path) -> None:
    """Rename; what `out` was is removed only when the new one is there."""
    # A folder cannot be renamed onto one that is not empty.
    with unfinished(out.with_name(f"{out.name}.old")) as [old]:
        if out.exists():
            out.rename(old)
        try:
            part.rename(out)
        # Better the earlier export than none.
        except OSError:
            if old.exists():
                old.rename(out)
            raise


def require_room(needed: int, out: Path) -> None:
    """Raises SetupError where the disk does not hold `needed` bytes and a tenth more."""
    parent = next(folder for folder in [out.absolute(), *out.absolute().parents] if folder.exists())
    # An export resumes what a killed one left, or removes it.
    left = [file for part in left_overs(out.absolute()) for file in (part, *part.rglob("*")) if file.is_file()]
    free = shutil.disk_usage(parent).free + sum(file.stat().st_size for file in left)
    if free < needed * 1.1:
        about = f"{parent} has {size(free)} free and the export takes {size(needed)}; choose another disk with -o"
        raise SetupError(about)


def require_memory(needed: int) -> None:
    """Raises SetupError where less memory is free than a model of `needed` bytes takes, and a fifth more."""
    from swiftagent.train.machine import look

    free = look().memory
    if 0 < free < needed * 1.2:
        raise SetupError(f"{size(free)} of memory are free and the model takes {size(needed)}; use a machine with more")


def size(count: int) -> str:
    """Bytes in a readable unit: 15.2 GB, 812.0 MB, 3.1 kB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.1f} kB"
