"""Rows out of files of any kind: JSONL, JSON, CSV, Parquet, Arrow, compressed or zipped, a folder of them, stdin, or
URLs.

Every row knows its place. What cannot be read as a row is a `BadRow`, which a caller counts as rejected; only a file
that is missing or damaged as a whole is an error. Memory does not grow with the size of the input.
"""

from __future__ import annotations

import codecs
import gzip
import importlib
import io
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from swiftagent.errors import ConfigError, remedy_of
from swiftagent.io.json_rows import json_rows, limited_lines
from swiftagent.io.jsonl import Row
from swiftagent.io.shipped import find
from swiftagent.io.storage import is_url, matching, open_binary, size_and_stamp
from swiftagent.io.table_rows import arrow_rows, csv_rows, parquet_rows

_BUFFER = 1 << 17
_LARGEST_UNPACKED = 1 << 30  # bytes of a file that has to be read from its end
_TEXT = {".jsonl", ".ndjson", ".json", ".csv", ".tsv"}
_BINARY = {".parquet", ".arrow", ".feather"}
_COMPRESSED = {".gz", ".zst", ".bz2", ".xz"}
NOT_TEXT = _BINARY | _COMPRESSED | {".zip", ".tar"}
_MAGIC = {
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip",
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
}
# Files that describe data, or that our own commands write beside it.
_NOT_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json"}
_NOT_DATA_ENDS = (".report.json", ".rejects.jsonl", ".manifest.json")


def read_rows(path: str) -> Iterator[Row]:
    """Yield each row of a file, a folder or stdin ("-"), with its place; unreadable ones as `BadRow`.

    Raises ConfigError where there is no such file, no data in the folder, or a file is damaged as a whole.
    """
    if path == "-":
        with damage("stdin"):
            yield from _read_stream(cast(BinaryIO, sys.stdin.buffer), "stdin", "")
        return
    for file in files_of(path):
        with damage(file), open_binary(file, _BUFFER) as stream:
            yield from _read_stream(stream, file, file.rpartition("/")[2].lower())


def files_of(path: str) -> list[str]:
    """The file itself, or those of a folder or a URL with wildcards that hold rows. Raises ConfigError where there are
    none."""
    if is_url(path):
        with damage(path):
            names = matching(path)
        found = [name for name in names if name == path or is_data(PurePosixPath(name.rpartition("/")[2]))]
    elif (place := find(path)).is_dir():
        found = [str(file) for file in data_files(place)]
    else:
        return [str(place)]
    if not found:
        kinds, where = ", ".join(sorted(_TEXT | _BINARY)), "there" if is_url(path) else "in this folder"
        raise ConfigError(f"{path}: no data {where}; it may hold {kinds}, also compressed")
    return found


def size_of(file: str) -> int:
    """Bytes. Raises ConfigError for a file that is not there."""
    with damage(file):
        return size_and_stamp(file)[0]


def data_files(folder: Path) -> list[Path]:
    """The files of a folder that hold rows, in order of their names; descriptions and reports are left out."""
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and is_data(file.relative_to(folder))]
    if any(file.suffix == ".arrow" for file in found):  # a folder of `datasets`; its cache files are copies
        found = [file for file in found if not file.name.startswith("cache-")]
    return found


def is_data(name: Path | PurePosixPath) -> bool:
    """Whether a file of this name holds rows, and does not describe data or stand beside it."""
    if any(part.startswith((".", "__MACOSX")) for part in name.parts):
        return False
    if name.name in _NOT_DATA or name.name.endswith(_NOT_DATA_ENDS):
        return False
    suffixes = [suffix.lower() for suffix in name.suffixes[-2:]]
    last = suffixes[-1] if suffixes else ""
    if last in _COMPRESSED:
        return suffixes[0] in _TEXT | _BINARY
    return last in _TEXT | _BINARY | {".zip"}


def _read_stream(raw: BinaryIO, place: str, name: str, around: frozenset[str] = frozenset()) -> Iterator[Row]:
    """One stream, by its first bytes where they are known, else by its name, else by its text; `around` is what it was
    unpacked from."""
    stream: io.BufferedReader = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(Any, raw))
    kind = kind_of(stream.peek(8)[:8], name)
    if kind in around or (kind in _COMPRESSED and around & _COMPRESSED):
        # Each level multiplies what a few bytes unpack to, and some archives hold themselves.
        packed = f"{kind} inside {', '.join(sorted(around))}"
        raise ConfigError(f"{place}: packed more than once ({packed}); unpack it first")
    match kind:
        case ".gz" | ".zst" | ".bz2" | ".xz":
            yield from _read_stream(_unpacked(stream, kind), place, name.removesuffix(kind), around | {kind})
        case ".zip":
            yield from _read_zip(_seekable(stream, place), place, around | {kind})
        case ".parquet":
            yield from parquet_rows(_seekable(stream, place), place)
        case ".arrow" | ".feather":
            yield from arrow_rows(_seekable(stream, place), place)
        case ".tar":
            raise ConfigError(f"{place}: tar archives are not read; unpack it and give the folder")
        case ".csv" | ".tsv":
            yield from csv_rows(limited_lines(_as_utf8(stream, place), place), place)
        case _:
            yield from json_rows(_as_utf8(stream, place), place, by_line=kind in (".jsonl", ".ndjson"))


def kind_of(head: bytes, name: str) -> str:
    """What a file is, as an ending (`.parquet`), by its first eight bytes where they are known, else by its name."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), PurePosixPath(name).suffix)


def _unpacked(stream: io.BufferedReader, kind: str) -> BinaryIO:
    if kind != ".zst":
        module = importlib.import_module({".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}[kind])
        return cast(BinaryIO, module.open(stream))
    import pyarrow  # type: ignore[import-untyped]

    return cast(BinaryIO, pyarrow.CompressedInputStream(stream, "zstd"))


def _read_zip(stream: BinaryIO, place: str, around: frozenset[str]) -> Iterator[Row]:
    """Members are read in place and nothing is unpacked, so a name such as `../x` leads nowhere."""
    with zipfile.ZipFile(stream) as archive:
        members = [name for name in sorted(archive.namelist()) if is_data(PurePosixPath(name.replace("..", "")))]
        if not members:
            raise ConfigError(f"{place}: no data in this archive")
        for member in members:
            with archive.open(member) as inner:
                yield from _read_stream(cast(BinaryIO, inner), f"{place}/{member}", member.lower(), around)


def _seekable(stream: BinaryIO, place: str) -> Any:
    """The stream itself, or a temporary file where it comes through a pipe or is compressed: these kinds start at their
    end."""
    if stream.seekable() and not isinstance(getattr(stream, "raw", stream), gzip.GzipFile):
        return stream
    return _copied(iter(partial(stream.read, _BUFFER), b""), place)


def _copied(blocks: Iterable[bytes], place: str) -> Any:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (it is gone with its last reader)
    for block in blocks:
        copy.write(block)
        if copy.tell() > _LARGEST_UNPACKED:
            raise ConfigError(f"{place}: unpacks to more than {_LARGEST_UNPACKED >> 30} GB; unpack it first")
    copy.seek(0)
    return copy


def _as_utf8(stream: io.BufferedReader, place: str) -> io.BufferedReader:
    """Without a byte order mark; what spreadsheets write as UTF-16 becomes UTF-8."""
    head = stream.peek(4)[:4]
    if head.startswith(b"\xef\xbb\xbf"):
        stream.read(3)
    elif head.startswith((b"\xff\xfe", b"\xfe\xff")):
        texts = codecs.iterdecode(iter(partial(stream.read, _BUFFER), b""), "utf-16", "surrogatepass")
        stream = _copied((text.encode("utf-8", "surrogatepass") for text in texts), place)
    return stream


@contextmanager
def damage(place: str) -> Iterator[None]:
    """Report a file that is missing or broken as a ConfigError."""
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(f"{place}: no such file or folder") from None
    except PermissionError:
        raise ConfigError(f"{place}: this file may not be read") from None
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, UnicodeError) as error:
        if isinstance(error, OSError) and remedy_of(error):
            raise
        raise ConfigError(f"{place}: cut or damaged ({error}); get it again") from error
