"""Files by path or by URL: a path is opened as it is, `s3://`, `oss://`, `hdfs://`, `memory://` and others through fsspec."""

from __future__ import annotations

import io
import os
import zlib
from typing import Any, BinaryIO

from swiftagent.errors import ConfigError


def is_url(path: str) -> bool:
    return "://" in path


def absolute(path: str) -> str:
    """A path that means the same in every process; a URL stays as it is."""
    return path if is_url(path) else os.path.abspath(path)


def open_binary(path: str, buffer: int) -> BinaryIO:
    """Open for reading; it can be sought in. Raises OSError."""
    if not is_url(path):
        return open(path, "rb", buffering=buffer)
    filesystem, name = _filesystem(path)
    stream: Any = filesystem.open(name, "rb", block_size=max(buffer, 1 << 20))
    return io.BufferedReader(stream, buffer)  # lines are found in it ten times as fast


def size_and_stamp(path: str) -> tuple[int, int]:
    """(bytes, a number that changes when the file does). Raises OSError."""
    if not is_url(path):
        about = os.stat(path)
        return about.st_size, about.st_mtime_ns
    filesystem, name = _filesystem(path)
    told = filesystem.info(name)
    mark = next(
        (str(told[key]) for key in ("ETag", "etag", "LastModified", "mtime", "created", "modificationTime") if key in told), ""
    )
    return int(told["size"]), zlib.crc32(mark.encode())


def matching(pattern: str) -> list[str]:
    """The files that a URL with wildcards, or the URL of a folder, means."""
    filesystem, name = _filesystem(pattern)
    scheme = pattern.partition("://")[0]
    found = filesystem.find(name) if filesystem.isdir(name) else filesystem.glob(name)
    return [f"{scheme}://{str(path).removeprefix('/') if scheme != 'file' else path}" for path in sorted(found)]


def upload(local: str, url: str) -> None:
    """Put a file where a URL says, whole or not at all as object stores do it. Raises OSError."""
    filesystem, name = _filesystem(url)
    parent = name.rsplit("/", 1)[0]
    filesystem.makedirs(parent, exist_ok=True)
    filesystem.put_file(local, name)


def _filesystem(path: str) -> tuple[Any, str]:
    import fsspec  # type: ignore[import-untyped]

    try:
        filesystem, name = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return filesystem, name
