"""Files by path or by URL: a path is opened as it is, `s3://`, `oss://`, `hdfs://`, `memory://` and others through
fsspec."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from swiftagent.errors import ConfigError, SetupError, SwiftAgentError

# What a store says changes with a file; each store names it in its own way.
_CHANGE_MARKS = ("ETag", "etag", "LastModified", "mtime", "created", "modificationTime")


def is_url(path: str) -> bool:
    return "://" in path


def absolute(path: str) -> str:
    """A path that means the same in every process; a URL stays as it is."""
    return path if is_url(path) else os.path.abspath(path)


def open_binary(path: str, buffer: int) -> BinaryIO:
    """Open for reading; it can be sought in. Raises OSError."""
    if not is_url(path):
        return open(path, "rb", buffering=buffer)
    with _reached(path):
        filesystem, name = _filesystem(path)
        stream: Any = filesystem.open(name, "rb", block_size=max(buffer, 1 << 20))
    return io.BufferedReader(stream, buffer)  # lines are found in it ten times as fast


def sha256_of(path: str) -> str:
    """The hash of a file's content, as manifests hold it. Raises OSError."""
    import hashlib  # which loads OpenSSL

    digest = hashlib.sha256()
    with open_binary(path, 1 << 20) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def size_and_stamp(path: str) -> tuple[int, int]:
    """(bytes, a number that changes when the file does). Raises OSError."""
    if not is_url(path):
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    with _reached(path):
        filesystem, name = _filesystem(path)
        about = filesystem.info(name)
    mark = next((str(about[key]) for key in _CHANGE_MARKS if key in about), "")
    return int(about["size"]), zlib.crc32(mark.encode())


def refuse_changed(path: str, before: tuple[int, int], shown: str) -> None:
    """Raise SetupError where a file is no longer the one that had this `size_and_stamp` before it was read."""
    try:
        now = size_and_stamp(path)
    except OSError:
        raise SetupError(f"{shown}: vanished while it was read; nothing was written, run again") from None
    if now != before:
        raise SetupError(f"{shown}: changed while it was read; nothing was written, run again when it is whole")


def matching(pattern: str) -> list[str]:
    """The files that a URL with wildcards, or the URL of a folder, means."""
    with _reached(pattern):
        filesystem, name = _filesystem(pattern)
        found = filesystem.find(name) if filesystem.isdir(name) else filesystem.glob(name)
    scheme = pattern.partition("://")[0]
    return [f"{scheme}://{str(path).removeprefix('/') if scheme != 'file' else path}" for path in sorted(found)]


def upload(files: Sequence[Path], url: str) -> None:
    """Put files under a URL in this order, each whole or not at all as object stores do it. Raises SetupError."""
    try:
        with _reached(url):
            filesystem, name = _filesystem(url)
            filesystem.makedirs(name, exist_ok=True)
            for file in files:
                filesystem.put_file(str(file), f"{name.rstrip('/')}/{file.name}")
    except OSError as error:
        whole = f"all is whole in {files[-1].parent}, run again with --upload"
        raise SetupError(f"{url}: cannot be written ({error}); {whole}") from error


@contextmanager
def _reached(url: str) -> Iterator[None]:
    """Report in one line what the package of a scheme raises that is not an OSError: no credentials, no such host."""
    try:
        yield
    except (OSError, SwiftAgentError):
        raise
    except Exception as error:
        raise ConfigError(f"{url}: cannot be reached: {type(error).__name__}: {error}") from error


def _filesystem(path: str) -> tuple[Any, str]:
    import fsspec  # type: ignore[import-untyped]

    try:
        filesystem, name = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return filesystem, name
