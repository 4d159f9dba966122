"""JSON lines: rows come in with their file:line, files go out whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec
import orjson

from swiftagent.errors import ConfigError, RowError, SetupError, at, remedy_of

decode = msgspec.json.Decoder().decode  # keeps integers beyond 2^64 exact, which orjson turns into floats
encode = msgspec.json.Encoder().encode
encode_texts = orjson.dumps  # of values without numbers: the bytes that `encode` gives, in half the time
_Kind = TypeVar("_Kind")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Row(msgspec.Struct):
    """One raw row with its place ("path:line") and what had to be mended to read it."""

    value: Any
    where: str
    repairs: tuple[str, ...] = ()


class BadRow(Row):
    """A row that could not be read: `value` is its raw text, `error` says why. It is counted as rejected, never
    lost."""

    error: RowError = msgspec.field(default_factory=lambda: RowError("not-json", "not JSON"))


def parse_json(text: str | bytes) -> tuple[Any, tuple[str, ...]]:
    """Read one JSON text. A lone surrogate becomes U+FFFD and is named. Raises RowError("not-json", ...)."""
    try:
        return decode(text), ()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        value = json.loads(text, parse_constant=refuse_constant)
        clean = without_surrogates(value)
    except (ValueError, RecursionError) as error:
        raise RowError("not-json", f"not JSON: {error}") from None
    return clean, ("lone-surrogate",) if clean != value else ()


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def without_surrogates(value: Any) -> Any:
    """The same JSON value with U+FFFD for each lone surrogate: Arrow refuses a whole file for one of them."""
    return with_texts(value, lambda text: _SURROGATE.sub("\ufffd", text) if _SURROGATE.search(text) else text)


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The same JSON value with every text and key changed; the same object where nothing in it is."""
    match value:
        case str():
            return change(value)
        case list():
            return [with_texts(item, change) for item in value]
        case dict():
            changed = {change(key): with_texts(item, change) for key, item in value.items()}
            return changed if changed != value else value
    return value


def texts_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of every text in a JSON value: `messages[1].content`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts_in(item, f"{path}[{number}]")


def read_lines(path: Path) -> Iterator[Row]:
    """Yield each row of a JSONL file. Raises RowError with file:line at the first line that is no JSON."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                where = f"{path}:{number}"
                with at(where):
                    value, repairs = parse_json(line.removeprefix(b"\xef\xbb\xbf"))
                yield Row(value, where, repairs)


def read_entries(path: Path, kind: type[_Kind]) -> Iterator[_Kind]:
    """The lines of a log that are of a kind: one cut short by whatever killed its writer is left out; none where there
    is no file."""
    decoder = msgspec.json.Decoder(kind)
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(msgspec.DecodeError):
            yield decoder.decode(line)


def read_text(path: Path, shown: str = "") -> str:
    """A text file, with or without a byte order mark. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{shown or path}: cannot be read: {error.strerror or error}") from None
    except UnicodeError as error:
        raise ConfigError(f"{shown or path}: cannot be read: {error}; save it as UTF-8") from None


def first_values(path: Path, count: int) -> list[Any]:
    """The values of the first lines of a JSONL file; [] where there is none."""
    return [row.value for row in islice(read_lines(path), count)] if path.is_file() else []


def require_regular(path: Path) -> None:
    """Raises SetupError for a device, a pipe or the like: who puts a file in its place takes it from every other
    program."""
    if (path.exists() and not path.is_file() and not path.is_dir()) or path.absolute().parent == Path("/dev"):
        raise SetupError(f"cannot write {path}: it is no regular file; choose another place with -o")


@contextmanager
def unfinished(*finals: Path) -> Iterator[list[Path]]:
    """Temporary names beside the places of files or folders that are not whole yet; what is still under one at the end
    is removed, with the folders that were made for it.

    What killed processes left under such names is removed too. Raises SetupError where a place cannot be written.
    """
    parts = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in finals]
    made = {folder for path in finals for folder in path.parents if not folder.exists()}
    try:
        for path in finals:
            require_regular(path)
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                for left in left_overs(path):
                    _remove(left)
        yield parts
    finally:
        for part in parts:
            with suppress(OSError):  # where nothing could be made, nothing can be removed
                _remove(part)
        for folder in sorted(made, reverse=True):
            with suppress(OSError):  # it is not there, or holds something
                folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def left_overs(path: Path) -> list[Path]:
    """What processes that were killed left under temporary names of a file or folder."""
    found = path.parent.glob(f".{glob.escape(path.name)}.*.part")
    return [left for left in found if is_left_over(left.name.split(".")[-2])]


def is_left_over(process: str) -> bool:
    """Whether the process of a temporary file is gone."""
    try:
        os.kill(int(process), 0)
    except (OSError, OverflowError, ValueError) as error:
        # Of the others: it lives under another user, or the name is not one of ours.
        return isinstance(error, (ProcessLookupError, OverflowError))
    return False


@contextmanager
def writing(path: Path, option: str = "-o") -> Iterator[None]:
    """Report a place that cannot be written, or a full disk, as a SetupError. option: that names the place."""
    try:
        yield
    except OSError as error:
        remedy = remedy_of(error) or f"choose another place with {option}"
        raise SetupError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error


def put_in_place(parts: Sequence[tuple[Path, Path]], earlier: Iterable[Path] = ()) -> None:
    """Sync every (temporary, final) file, then rename them in this order.

    What lies there of an earlier run goes first: killed in between, there is no output rather than parts of two.
    """
    for part, final in parts:
        final.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb") as file:
            os.fsync(file.fileno())
    for path in earlier:
        path.unlink(missing_ok=True)
    for part, final in parts:
        part.replace(final)
    for folder in {final.parent for _, final in parts}:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when the block ends well, fsynced; else nothing is left behind.

    Raises SetupError where the place cannot be written.
    """
    with unfinished(path) as [part], writing(path):
        with part.open("wb", buffering=1 << 20) as out:
            yield out
        put_in_place([(part, path)])


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write rows as JSONL, whole or not at all."""
    with whole_file(path) as out:
        out.writelines(encode(row) + b"\n" for row in rows)


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    with whole_file(path) as out:
        out.write(text.encode())


def indented(value: Any) -> bytes:
    """A JSON value as the text of a file that people read."""
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value, indented, whole or not at all."""
    with whole_file(path) as out:
        out.write(indented(value))
